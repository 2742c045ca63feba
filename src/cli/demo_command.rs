//! `backstop demo`: builds the demonstration, or opens the one that stands.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;

use super::args::Common;
use super::demo::history::{FromFile, Place, build};
use super::output::{Failure, Output};
use super::units;
use crate::clock::SystemClock;
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
        if !place.is_built() {
            self.build(&place, common, output)?;
        }
        let passphrase = FromFile(place.passphrase_file());
        Ok(Engine::open(place.home(), Arc::new(SystemClock), Box::new(passphrase))?)
    }

    fn build(&self, place: &Place, common: &Common, output: &mut Output<'_>) -> Result<(), Failure> {
        if !place.is_ours_or_nothing() {
            let message = "the folder holds something else".to_owned();
            return Err(Failure::new(Status::Refused, message).hint("Name another folder: backstop demo --dir DIR"));
        }
        // What a build that was interrupted left behind is in the way of the next.
        place.remove()?;
        let begun = Instant::now();
        let spoiled = build(place, &mut |step| {
            if common.verbose > 0 {
                let _ = output.note(step);
            }
        })?;
        let home = place.home();
        output.note(&format!(
            "built in {}: a school with a month of backups, and a mishap: {} salaries of {} overwritten, {} enrolments and {} grades deleted, {} e-mail addresses blanked",
            units::duration(begun.elapsed().as_secs_f64()),
            spoiled.salaries,
            spoiled.department,
            spoiled.enrolments,
            spoiled.grades,
            spoiled.emails
        ))?;
        let (root, secret) = (home.root().display(), place.passphrase_file());
        output.note(&format!("commands work on it with: --home {root} --passphrase-file {}", secret.display()))?;
        Ok(())
    }
}

/// A folder beside the person's own data.
fn own_folder() -> Result<PathBuf, Failure> {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let data = data.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    data.map(|data| data.join("backstop-demo"))
        .ok_or_else(|| Failure::new(Status::Usage, "nothing says where your data is").hint("Name a folder: backstop demo --dir DIR"))
}
