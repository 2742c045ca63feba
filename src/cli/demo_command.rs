//! `backstop demo`: builds the demonstration, or opens the one that stands.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::args::Common;
use super::demo::Spoiled;
use super::demo::history::{FromFile, Place, build};
use super::output::{Failure, Output};
use super::units;
use crate::clock::{Clock as _, SystemClock};
use crate::engine::Engine;
use crate::error::Status;

/// `backstop demo`.
#[derive(Clone, Debug, Default, Args)]
pub struct Demo {
    /// Where it stands; one that exists is opened as it is [default: a folder of its own beside your data].
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Build it anew, what was changed in it is lost.
    #[arg(long)]
    pub reset: bool,
    /// Build it and do not open the console.
    #[arg(long)]
    pub no_console: bool,
}

/// A demonstration that stands, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Standing {
    /// Where its home is: for `--home`.
    home: PathBuf,
    /// Where its passphrase is: for `--passphrase-file`.
    passphrase_file: PathBuf,
    /// The database of its application.
    database: PathBuf,
    /// Its media files.
    media: PathBuf,
    /// What was spoiled, where it was built just now.
    spoiled: Option<Spoiled>,
    /// How long building it took.
    duration_seconds: Option<f64>,
}

impl Demo {
    /// Builds the demonstration where none stands, says what to do in it, and gives its engine.
    ///
    /// # Errors
    /// Why it cannot be built or opened.
    pub fn engine(&self, common: &Common, output: &mut Output<'_>) -> Result<Engine, Failure> {
        let dir = self.dir.clone().map_or_else(own_folder, Ok)?;
        let place = Place::at(std::path::absolute(&dir).unwrap_or(dir));
        if self.reset {
            place.remove()?;
        }
        let begun = Instant::now();
        let spoiled = (!place.is_built()).then(|| self.build(&place, common)).transpose()?;
        let standing = Standing {
            home: place.home().root().to_owned(),
            passphrase_file: place.passphrase_file(),
            database: place.school(),
            media: place.media(),
            duration_seconds: spoiled.is_some().then(|| begun.elapsed().as_secs_f64()),
            spoiled,
        };
        if output.json() {
            output.document(&standing)?;
        } else {
            standing.lines().iter().try_for_each(|line| output.note(line))?;
        }
        let passphrase = FromFile(place.passphrase_file());
        Ok(Engine::open(place.home(), Arc::new(SystemClock), Box::new(passphrase))?)
    }

    /// Whether the console opens on it: a script that asks for a document gets that alone.
    #[must_use]
    pub fn opens_the_console(&self, common: &Common) -> bool {
        !self.no_console && !common.json
    }

    fn build(&self, place: &Place, common: &Common) -> Result<Spoiled, Failure> {
        if !place.is_ours_or_nothing() {
            return Err(place.is_anothers());
        }
        // What a build that was interrupted left behind is in the way of the next.
        place.remove()?;
        let mut stderr = io::stderr();
        let shown = stderr.is_terminal() && !common.quiet;
        let mut say = |step: &str| {
            if shown {
                // To the first column, the text, and what the last step left behind it away; that it cannot be shown stops nothing.
                let _ = write!(stderr, "\r{step}\u{1b}[K").and_then(|()| stderr.flush());
            }
        };
        let built = build(place, SystemClock.now(), &mut say);
        say("");
        built
    }
}

impl Standing {
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let (Some(spoiled), Some(seconds)) = (&self.spoiled, self.duration_seconds) {
            let took = units::duration(seconds);
            lines.push(format!("built in {took}: a school, a month of real backups of it, and a mishap: {}", spoiled.in_words()));
        }
        let (home, secret) = (self.home.display(), self.passphrase_file.display());
        lines.push(format!("commands work on it with: --home {home} --passphrase-file {secret}"));
        lines
    }
}

/// A folder beside the person's own data.
fn own_folder() -> Result<PathBuf, Failure> {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let data = data.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    data.map(|data| data.join("backstop-demo"))
        .ok_or_else(|| Failure::new(Status::Usage, "nothing says where your data is").hint("Name a folder: backstop demo --dir DIR"))
}
