//! The layers of the crate, checked on its source text: dependencies point down only.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each part of `src` with the parts that it may use, itself aside. `clock`, `error` and `numbers` stand below all.
const LAYERS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("error", &[]),
    ("numbers", &[]),
    ("rows", &["clock", "error", "numbers"]),
    ("sources", &["clock", "error", "numbers", "rows"]),
    ("vault", &["clock", "error", "numbers", "rows"]),
    ("catalog", &["clock", "error", "numbers", "rows"]),
    ("engine", &["clock", "error", "numbers", "rows", "sources", "vault", "catalog"]),
    ("console", &["clock", "error", "numbers", "rows", "sources", "vault", "catalog", "engine"]),
    ("cli", &["clock", "error", "numbers", "rows", "sources", "vault", "catalog", "engine"]),
];

/// Where the terminal itself is spoken to; every other screen file draws and maps keys without knowing which terminal.
const MAY_NAME_CROSSTERM: &[&str] = &["console/terminal", "console/run"];

struct SourceFile {
    /// Below `src`, with slashes.
    path: String,
    code: String,
}

impl SourceFile {
    fn part(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

fn source_files() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut pending: Vec<PathBuf> = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.push(SourceFile { path, code: without_comments(&text) });
            }
        }
    }
    assert!(found.len() > 5, "the source files were not found");
    found
}

/// The text without what follows `//` at the start of a line or after a space (a `//` inside a URL stays).
fn without_comments(text: &str) -> String {
    let uncommented = |line: &str| match line.find("//") {
        Some(at) if line[..at].trim().is_empty() || line[..at].ends_with(' ') => line[..at].to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(|line| uncommented(line) + "\n").collect()
}

/// The parts of the crate that `code` names through `crate::`, `backstop::` or a chain of `super::`.
fn parts_named(code: &str) -> BTreeSet<String> {
    let known = |name: &str| LAYERS.iter().any(|(part, _)| *part == name);
    let mut named = BTreeSet::new();
    for root in ["crate::", "backstop::"] {
        for rest in paths_after(code, root) {
            named.extend(first_names(rest));
        }
    }
    for rest in paths_after(code, "super::super::") {
        let rest = rest.trim_start_matches("super::");
        named.extend(first_names(rest).into_iter().filter(|name| known(name)));
    }
    named
}

/// What follows each `root` in `code` that begins a path.
fn paths_after<'a>(code: &'a str, root: &str) -> Vec<&'a str> {
    code.match_indices(root)
        .filter(|(at, _)| !code[..*at].ends_with(|before: char| before.is_alphanumeric() || "_:".contains(before)))
        .map(|(at, _)| &code[at + root.len()..])
        .collect()
}

/// The first name of each path of a use tree: `a::b` gives a; `{a::b, c, d::{e, f}}` gives a, c, d.
fn first_names(tree: &str) -> Vec<String> {
    let name = |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(group) = tree.strip_prefix('{') else { return vec![name(tree)] };
    let (mut depth, mut names, mut start) = (1, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            names.push(name(&group[start..at]));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// What `file` names against the layers, in words.
fn violations(file: &SourceFile) -> Vec<String> {
    let part = file.part();
    if ["lib", "main"].contains(&part) {
        return Vec::new();
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == part) else {
        return vec![format!("src/{}: {part} has no layer; give it one in tests/architecture.rs", file.path)];
    };
    let is_part = |name: &str| LAYERS.iter().any(|(part, _)| *part == name);
    parts_named(&file.code)
        .into_iter()
        .filter(|name| is_part(name) && name != part && !allowed.contains(&name.as_str()))
        .map(|name| format!("src/{}: {part} must not use {name}", file.path))
        .collect()
}

#[test]
fn dependencies_point_down_only() {
    let found: Vec<String> = source_files().iter().flat_map(violations).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn only_the_terminal_and_the_loop_name_crossterm() {
    let names_it = |file: &SourceFile| {
        let may = MAY_NAME_CROSSTERM.iter().any(|place| file.path.starts_with(place));
        (file.code.contains("crossterm") && !may).then(|| format!("src/{} names crossterm", file.path))
    };
    let found: Vec<String> = source_files().iter().filter_map(names_it).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_path_upwards_or_sideways_is_seen_in_every_form() {
    let vault = |code: &str| violations(&SourceFile { path: "vault/pack.rs".to_owned(), code: without_comments(code) });
    assert!(vault("use crate::rows::{Key, Row};\nuse crate::{clock::Clock, error};").is_empty());
    assert!(vault("/// As [`crate::engine`] does.\nfn f() {} // crate::catalog").is_empty());
    assert_eq!(vault("use crate::catalog::Catalog;").len(), 1);
    assert_eq!(vault("use crate::{\n    rows::{Key, Row},\n    sources,\n    engine::{Engine},\n};").len(), 2);
    assert_eq!(vault("fn f() -> crate::sources::Error { }").len(), 1);
    assert_eq!(vault("use super::super::engine::Engine;").len(), 1);
    assert_eq!(violations(&SourceFile { path: "utils.rs".to_owned(), code: String::new() }).len(), 1);
    assert_eq!(violations(&SourceFile { path: "cli/mod.rs".to_owned(), code: "use crate::console;".to_owned() }).len(), 1);
}
