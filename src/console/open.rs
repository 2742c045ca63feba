//! How the console is started on an engine.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use super::backend::EngineBackend;
use super::keymap::Keymap;
use super::model::{Screen, Setup};
use super::run::{End, OnHangup, run};
use super::terminal::caps;
use super::theme;
use crate::engine::Engine;
use crate::engine::access::host;
use crate::error::{Explain, Status};

/// How it is to be.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Every change is hidden and refused.
    pub read_only: bool,
    /// The theme's name; otherwise what fits the terminal.
    pub theme: Option<String>,
    /// The screen to begin with, by the name of its tab; otherwise the overview.
    pub screen: Option<String>,
    /// Nothing but ASCII is drawn.
    pub ascii: bool,
    /// The mouse is used.
    pub mouse: bool,
}

/// How the console ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The process ends with this status.
    With(Status),
    /// The operator wants the demonstration built and opened in its place.
    Demo,
}

/// Runs the console until the operator quits. What keeps it from starting is told on standard error.
#[must_use]
pub fn open(engine: Engine, options: &Options) -> Ended {
    opened(engine, options).unwrap_or_else(Ended::With)
}

fn opened(engine: Engine, options: &Options) -> Result<Ended, Status> {
    let setup = setup(options).map_err(|why| told(&why, None, Status::Usage))?;
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let hint = "For scripts there are commands with --json: backstop --help".to_owned();
        return Err(told("the console needs a terminal", Some(hint), Status::Usage));
    }
    let clock = engine.clock().clone();
    let unread = |error: crate::engine::Error| told(&error.to_string(), error.hint(), error.status());
    let backend = Arc::new(EngineBackend::new(engine, options.read_only).map_err(unread)?);
    match run(setup, backend, &clock, OnHangup::default()) {
        Ok(End::Demo) => Ok(Ended::Demo),
        Ok(End::Terminate) => Err(Status::Interrupted),
        Ok(End::Quit | End::Hangup) => Ok(Ended::With(Status::Done)),
        Err(error) => Err(told(&format!("the terminal cannot be used: {error}"), None, Status::Failed)),
    }
}

fn told(why: &str, hint: Option<String>, status: Status) -> Status {
    eprintln!("backstop: {why}");
    if let Some(hint) = hint {
        eprintln!("  {hint}");
    }
    status
}

fn setup(options: &Options) -> Result<Setup, String> {
    let mut caps = caps::decide(&|name| std::env::var(name).ok());
    caps.unicode &= !options.ascii;
    if let Some(name) = options.theme.as_ref().filter(|name| !theme::names().contains(&name.as_str())) {
        return Err(format!("there is no theme “{name}”: it is one of {}", theme::names().join(", ")));
    }
    Ok(Setup {
        host: host(),
        caps,
        theme: options.theme.clone(),
        read_only: options.read_only,
        mouse: options.mouse,
        screen: options.screen.as_deref().map_or(Ok(Screen::Overview), screen)?,
        keymap: keymap(),
    })
}

fn screen(name: &str) -> Result<Screen, String> {
    let wanted = name.to_lowercase();
    let named = Screen::TABS.into_iter().find(|(_, title)| title.to_lowercase() == wanted);
    let names = || Screen::TABS.map(|(_, title)| title.to_lowercase()).join(", ");
    named.map(|(screen, _)| screen).ok_or_else(|| format!("there is no screen “{name}”: it is one of {}", names()))
}

/// The registry's keys with the operator's own; what is wrong with those is told before the screen is taken.
fn keymap() -> Keymap {
    let folder = std::env::var_os("XDG_CONFIG_HOME").map(std::path::PathBuf::from);
    let folder = folder.or_else(|| std::env::var_os("HOME").map(|home| std::path::Path::new(&home).join(".config")));
    let Some(text) = folder.and_then(|folder| std::fs::read_to_string(folder.join("backstop/keys.toml")).ok()) else {
        return Keymap::default();
    };
    let (keymap, problems) = Keymap::with(&text);
    for problem in problems {
        eprintln!("backstop: {problem}");
    }
    keymap
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_named_by_its_tab_and_an_unknown_one_is_told() {
        assert_eq!(screen("storage"), Ok(Screen::Storage));
        assert_eq!(screen("Configs"), Ok(Screen::Configurations));
        assert!(screen("cellar").unwrap_err().contains("overview"));
        assert!(setup(&Options { theme: Some("pink".into()), ..Options::default() }).is_err());
    }
}
