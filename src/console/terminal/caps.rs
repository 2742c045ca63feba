//! What the terminal can do, decided from the environment alone: nothing is asked over the line.

/// How many colours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// None: bold, dim, underlined and reversed only.
    Mono,
    /// The sixteen the person chose for the terminal.
    Sixteen,
    /// The 256-colour cube.
    Cube,
    /// 24 bits.
    True,
}

/// What the terminal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// How many colours there are.
    pub depth: Depth,
    /// Whether it shows Unicode.
    pub unicode: bool,
    /// Whether it is at the other end of a network line.
    pub remote: bool,
    /// Whether tmux stands between.
    pub tmux: bool,
    /// Whether GNU screen stands between.
    pub screen: bool,
}

/// Decides from the environment, given as a look-up so that it can be tested as a table.
#[must_use]
pub fn decide(env: &dyn Fn(&str) -> Option<String>) -> Caps {
    let set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
    let term = env("TERM").unwrap_or_default();
    let colorterm = env("COLORTERM").unwrap_or_default();
    let depth = if set("NO_COLOR") || term.is_empty() || term == "dumb" || term.starts_with("vt1") || term.starts_with("vt2") {
        Depth::Mono
    } else if colorterm == "truecolor" || colorterm == "24bit" || term.ends_with("-direct") {
        Depth::True
    } else if term.contains("256color") || set("WT_SESSION") {
        Depth::Cube
    } else {
        Depth::Sixteen
    };
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env(name).filter(|value| !value.is_empty())).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    let unicode = (locale.contains("utf-8") || locale.contains("utf8")) && term != "linux" && !term.starts_with("vt1");
    Caps {
        depth,
        unicode,
        remote: set("SSH_CONNECTION") || set("SSH_TTY"),
        tmux: set("TMUX"),
        screen: set("STY") || (term.starts_with("screen") && !set("TMUX")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("TERM=xterm-256color COLORTERM=truecolor LANG=C.UTF-8", Depth::True, true)]
    #[case("TERM=xterm-256color LANG=en_US.utf8", Depth::Cube, true)]
    #[case("TERM=xterm-256color COLORTERM=truecolor NO_COLOR=1 LANG=C.UTF-8", Depth::Mono, true)]
    #[case("TERM=xterm-256color NO_COLOR= LANG=C", Depth::Cube, false)]
    #[case("TERM=linux LANG=en_US.UTF-8", Depth::Sixteen, false)]
    #[case("TERM=vt100", Depth::Mono, false)]
    #[case("TERM=dumb LANG=C.UTF-8", Depth::Mono, true)]
    #[case("LC_ALL=C LANG=en_US.UTF-8 TERM=xterm", Depth::Sixteen, false)]
    fn the_environment_decides(#[case] environment: &str, #[case] depth: Depth, #[case] unicode: bool) {
        let caps = decide(&|name| {
            environment.split(' ').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        });
        assert_eq!((caps.depth, caps.unicode), (depth, unicode));
    }
}
