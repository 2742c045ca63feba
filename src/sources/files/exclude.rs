//! Globs of entries, to be left out or taken: relative to the root, `*` stays within a folder, `**` does not.
//!
//! `?` is one byte but `/`, `[a-z]` and `[!a-z]` are sets, `\` takes the next byte as it is, `/` at the end means folders only.
//! A folder that matches is left out with all below it. Matching takes every state at once: no pattern makes it slow.

use crate::sources::{Error, Result};

/// A set of globs.
#[derive(Clone, Debug, Default)]
pub struct Exclude {
    globs: Vec<Glob>,
}

#[derive(Clone, Debug)]
struct Glob {
    tokens: Vec<Token>,
    folders_only: bool,
}

#[derive(Clone, Debug)]
enum Token {
    Byte(u8),
    One,
    Set {
        not: bool,
        ranges: Vec<(u8, u8)>,
    },
    /// Any bytes but `/`.
    Star,
    /// Any bytes.
    Deep,
    /// Nothing, or whole folders: `**/`.
    Folders,
}

impl Exclude {
    /// Reads the globs.
    ///
    /// # Errors
    /// [`Error::NotA`] for one that cannot be read.
    pub fn new(globs: &[String]) -> Result<Self> {
        let read = |glob: &String| {
            Glob::read(glob.as_bytes()).map_err(|why| Error::NotA { what: glob.clone(), expected: "a glob", why: why.into() })
        };
        Ok(Self { globs: globs.iter().map(read).collect::<Result<_>>()? })
    }

    /// The places of the globs that take the entry at `path`: each matches it, or a folder above it.
    pub fn takers(&self, path: &[u8], is_folder: bool) -> impl Iterator<Item = usize> {
        let takes =
            move |glob: &Glob| ((is_folder || !glob.folders_only) && glob.matches(path)) || above(path).any(|folder| glob.matches(folder));
        self.globs.iter().enumerate().filter(move |(_, glob)| takes(glob)).map(|(place, _)| place)
    }

    /// True where the entry at `path`, or a folder above it, matches.
    #[must_use]
    pub fn takes(&self, path: &[u8], is_folder: bool) -> bool {
        self.takers(path, is_folder).next().is_some()
    }

    /// True where the entry at `path` is left out.
    #[must_use]
    pub fn leaves_out(&self, path: &[u8], is_folder: bool) -> bool {
        self.globs.iter().any(|glob| (is_folder || !glob.folders_only) && glob.matches(path))
    }
}

/// The folders above an entry, the nearest last.
fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(slash, _)| &path[..slash])
}

impl Glob {
    fn read(text: &[u8]) -> Result<Self, &'static str> {
        let text = text.strip_prefix(b"/").unwrap_or(text);
        let (mut rest, folders_only) = text.strip_suffix(b"/").map_or((text, false), |text| (text, true));
        if rest.is_empty() {
            return Err("it is empty");
        }
        let mut tokens = Vec::new();
        let mut begins_name = true;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'*' if rest.first() == Some(&b'*') => {
                    rest = &rest[rest.iter().take_while(|&&byte| byte == b'*').count()..];
                    let folders = begins_name && rest.first() == Some(&b'/');
                    rest = if folders { &rest[1..] } else { rest };
                    tokens.push(if folders { Token::Folders } else { Token::Deep });
                    begins_name = folders;
                    continue;
                }
                b'*' => tokens.push(Token::Star),
                b'?' => tokens.push(Token::One),
                b'[' => {
                    let (set, after) = read_set(rest)?;
                    tokens.push(set);
                    rest = after;
                }
                b'\\' => {
                    let (&byte, after) = rest.split_first().ok_or("it ends with a backslash")?;
                    tokens.push(Token::Byte(byte));
                    rest = after;
                }
                _ => tokens.push(Token::Byte(byte)),
            }
            begins_name = byte == b'/';
        }
        Ok(Self { tokens, folders_only })
    }

    fn matches(&self, path: &[u8]) -> bool {
        let mut states = vec![false; self.tokens.len() + 1];
        states[0] = true;
        self.pass_empty(&mut states, true);
        for &byte in path {
            let mut next = vec![false; states.len()];
            for (at, token) in self.tokens.iter().enumerate().filter(|(at, _)| states[*at]) {
                match token {
                    Token::Star if byte != b'/' => next[at] = true,
                    Token::Deep | Token::Folders => next[at] = true,
                    Token::Byte(wanted) if *wanted == byte => next[at + 1] = true,
                    Token::One if byte != b'/' => next[at + 1] = true,
                    Token::Set { not, ranges } if byte != b'/' => {
                        next[at + 1] |= ranges.iter().any(|&(from, to)| (from..=to).contains(&byte)) != *not;
                    }
                    _ => {}
                }
            }
            self.pass_empty(&mut next, byte == b'/');
            states = next;
        }
        states.last() == Some(&true)
    }

    /// Goes on past what may match nothing; `**/` only where a name begins.
    fn pass_empty(&self, states: &mut [bool], begins_name: bool) {
        for (at, token) in self.tokens.iter().enumerate() {
            let empty = matches!(token, Token::Star | Token::Deep) || (begins_name && matches!(token, Token::Folders));
            states[at + 1] |= states[at] && empty;
        }
    }
}

fn read_set(text: &[u8]) -> Result<(Token, &[u8]), &'static str> {
    let (not, text) = match text.first() {
        Some(b'!' | b'^') => (true, &text[1..]),
        _ => (false, text),
    };
    // A closing bracket that comes first is one of the set.
    let end = text.iter().skip(1).position(|&byte| byte == b']').ok_or("a [ is not closed")? + 1;
    let mut inside = &text[..end];
    let mut ranges = Vec::new();
    while let Some((&from, rest)) = inside.split_first() {
        if let [b'-', to, rest @ ..] = rest {
            ranges.push((from, *to));
            inside = rest;
        } else {
            ranges.push((from, from));
            inside = rest;
        }
    }
    Ok((Token::Set { not, ranges }, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(glob: &str, path: &str) -> bool {
        Exclude::new(&[glob.into()]).unwrap().leaves_out(path.as_bytes(), false)
    }

    #[test]
    fn a_star_stays_within_a_folder() {
        assert!(hits("*.log", "a.log") && hits("/cache/*", "cache/x") && hits("*", "x"));
        assert!(!hits("*.log", "a/b.log") && !hits("cache/*", "cache/x/y") && !hits("*.log", "a.logs"));
    }

    #[test]
    fn two_stars_cross_folders() {
        assert!(hits("**/*.pyc", "a.pyc") && hits("**/*.pyc", "a/b/c.pyc") && hits("a/**", "a/b/c") && hits("a/**/z", "a/z"));
        assert!(hits("a/**/z", "a/b/c/z") && hits("**", "a/b") && hits("**/node_modules", "x/node_modules"));
        assert!(!hits("**/z", "a/bz") && !hits("a/**", "a") && !hits("a/**/z", "ab/z"));
    }

    #[test]
    fn sets_escapes_and_single_bytes() {
        assert!(hits("a[0-9]", "a7") && hits("a[!0-9]", "ax") && hits("a?c", "abc") && hits("\\*", "*") && hits("[]]", "]"));
        assert!(!hits("a[0-9]", "ax") && !hits("a[!0-9]", "a/") && !hits("a?c", "a/c") && !hits("\\*", "x"));
    }

    #[test]
    fn a_slash_at_the_end_means_folders() {
        let exclude = Exclude::new(&["cache/".into()]).unwrap();
        assert!(exclude.leaves_out(b"cache", true) && !exclude.leaves_out(b"cache", false));
    }

    #[test]
    fn what_is_below_a_folder_that_matches_is_taken() {
        let globs = Exclude::new(&["photos".into(), "*.log".into(), "tmp/".into()]).unwrap();
        let takers = |path: &str| globs.takers(path.as_bytes(), false).collect::<Vec<_>>();
        assert_eq!((takers("photos/a/b"), takers("a.log"), takers("tmp/x")), (vec![0], vec![1], vec![2]));
        assert!(takers("photos-2").is_empty() && takers("a/b.log").is_empty() && takers("tmp").is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for glob in ["", "/", "a[b", "a\\"] {
            assert!(Exclude::new(&[glob.into()]).is_err(), "{glob}");
        }
    }
}
