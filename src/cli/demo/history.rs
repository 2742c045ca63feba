//! The demonstration's month: an application that lives, and the backups that were made of it.
//!
//! The clock is put back thirty days and then from night to night; everything else is real: the changes, the backups, the one
//! that fails because its database was moved away, the alert that this raised. The times before today are simulated, and the
//! home says so (`notice`).

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rusqlite::Connection;

use super::{Spoiled, a_day_of_changes, build_media, build_school, spoil};
use crate::catalog::{BackupType, NOTICE, NewConfiguration, Origin};
use crate::cli::output::Failure;
use crate::clock::ShiftedClock;
use crate::engine::apps::AppRequest;
use crate::engine::schedule::Schedule;
use crate::engine::vaults::VaultRequest;
use crate::engine::{Engine, Home, Passphrases, Result as EngineResult};
use crate::error::Status;
use crate::vault::Secret;

/// Days of history.
const DAYS: i64 = 30;

/// On this day of the history, counted from its end, the canteen's database was moved away.
const MOVED_DAYS_AGO: i64 = 2;

/// By this time after midnight, UTC, a night's backups are over.
const NIGHT_ENDS: SignedDuration = SignedDuration::from_hours(4);

/// The seed of the school: the same everywhere, so that what one person sees another can find.
const SEED: u64 = 20_261;

/// Where everything of a demonstration stands.
#[derive(Clone, Debug)]
pub struct Place {
    dir: PathBuf,
}

impl Place {
    /// The demonstration in `dir`.
    #[must_use]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Its home.
    #[must_use]
    pub fn home(&self) -> Home {
        Home::at(self.dir.join("home"))
    }

    /// The file with the passphrase of its vault.
    #[must_use]
    pub fn passphrase_file(&self) -> PathBuf {
        self.dir.join("passphrase")
    }

    /// The school's database.
    #[must_use]
    pub fn school(&self) -> PathBuf {
        self.dir.join("app/school.db")
    }

    /// Its media files.
    #[must_use]
    pub fn media(&self) -> PathBuf {
        self.dir.join("app/media")
    }

    fn canteen(&self) -> PathBuf {
        self.dir.join("app/canteen.db")
    }

    /// Marks a demonstration that was built to its end.
    fn finished(&self) -> PathBuf {
        self.dir.join("built")
    }

    /// True where one stands that was built to its end.
    #[must_use]
    pub fn is_built(&self) -> bool {
        self.finished().exists()
    }

    /// True where the folder is a demonstration's, whole or not, or nothing: what `--reset` may take away.
    #[must_use]
    pub fn is_ours_or_nothing(&self) -> bool {
        self.passphrase_file().exists() || std::fs::read_dir(&self.dir).map_or(true, |mut entries| entries.next().is_none())
    }

    /// Why nothing is built or removed here.
    #[must_use]
    pub fn is_anothers(&self) -> Failure {
        let message = format!("{} holds something else than a demonstration", self.dir.display());
        Failure::new(Status::Refused, message).hint("Name another folder: backstop demo --dir DIR")
    }

    /// Takes it away.
    ///
    /// # Errors
    /// The folder is not a demonstration's, or cannot be removed.
    pub fn remove(&self) -> Result<(), Failure> {
        if !self.is_ours_or_nothing() {
            return Err(self.is_anothers());
        }
        match std::fs::remove_dir_all(&self.dir) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(cannot("removed", &self.dir, &why)),
            _ => Ok(()),
        }
    }
}

/// The passphrase in the demonstration's file.
pub struct FromFile(pub PathBuf);

impl Passphrases for FromFile {
    fn passphrase(&self, _vault: &str) -> EngineResult<Secret> {
        let text = std::fs::read_to_string(&self.0);
        text.map(|text| Secret::new(text.trim().to_owned()))
            .map_err(|source| crate::engine::Error::Io { what: format!("reading {}", self.0.display()), source })
    }

    fn at_hand(&self, vault: &str) -> Option<Secret> {
        self.passphrase(vault).ok()
    }
}

/// Builds the demonstration as it stands at `now`, and tells each step to `say`.
///
/// # Errors
/// What the file system, SQLite or the engine says; what was built so far is removed by `--reset`.
pub fn build(place: &Place, now: Timestamp, say: &mut dyn FnMut(&str)) -> Result<Spoiled, Failure> {
    let newest = newest_night(now);
    let first = before(newest, DAYS);
    say("a school's database and its media files");
    std::fs::create_dir_all(place.dir.join("app")).map_err(|why| cannot("made", &place.dir, &why))?;
    write_passphrase(place)?;
    build_school(&place.school(), SEED, first)?;
    build_media(&place.media(), SEED, first)?;
    build_canteen(&place.canteen())?;
    let clock = Arc::new(ShiftedClock::default());
    clock.set(at(first, 1));
    let engine = Engine::open(place.home(), clock.clone(), Box::new(FromFile(place.passphrase_file())))?;
    set_up(&engine, place)?;
    for ago in (0..DAYS).rev() {
        let night = before(newest, ago);
        say(&format!("night {} of {DAYS}: a day's work, then its backup", DAYS - ago));
        a_day(&engine, &clock, place, night, ago)?;
    }
    clock.set(now);
    look_ahead(&engine, now)?;
    engine.catalog().set_setting(
        NOTICE,
        &format!("Demonstration: times before {newest} 04:00 UTC are simulated; the data and the backups are real."),
    )?;
    say("a colleague's mistake");
    let spoiled = spoil(&place.school(), &place.media())?;
    std::fs::write(place.finished(), "").map_err(|why| cannot("written", &place.finished(), &why))?;
    Ok(spoiled)
}

/// Has every configuration run next after `now`: while a night goes on, what the demonstration does not run was not missed.
fn look_ahead(engine: &Engine, now: Timestamp) -> Result<(), Failure> {
    for due in engine.catalog().configurations_due(now.into(), 100)? {
        let schedule = due.schedule.as_deref().map(Schedule::parse).transpose()?;
        let next = schedule.and_then(|schedule| schedule.after(now));
        engine.catalog().set_configuration_run(&due.id, None, next.map(Into::into))?;
    }
    Ok(())
}

/// The newest night whose backups are over at `now`: nothing of the demonstration lies in the future.
fn newest_night(now: Timestamp) -> Date {
    now.checked_sub(NIGHT_ENDS).unwrap_or(now).to_zoned(TimeZone::UTC).date()
}

/// One day: people work, then the night's backups run.
fn a_day(engine: &Engine, clock: &ShiftedClock, place: &Place, night: Date, ago: i64) -> Result<(), Failure> {
    a_day_of_changes(&place.school(), &place.media(), before(night, 1))?;
    lunches(&place.canteen(), night).or_else(|error| if ago < MOVED_DAYS_AGO { Ok(()) } else { Err(error) })?;
    if ago == MOVED_DAYS_AGO - 1 {
        let away = place.canteen().with_extension("db.moved");
        std::fs::rename(place.canteen(), &away).map_err(|why| cannot("moved", &away, &why))?;
    }
    clock.set(at(night, 2));
    let weekly = night.weekday() == Weekday::Sunday || ago == DAYS - 1;
    run(engine, if weekly { "weekly-full" } else { "nightly" })?;
    clock.set(at(night, 3));
    // The canteen's fails once its database is gone: that is the alert of the demonstration.
    let canteen = run(engine, "canteen-nightly");
    if ago >= MOVED_DAYS_AGO {
        canteen?;
    }
    if night.weekday() == Weekday::Wednesday {
        let newest = engine.backup_named("latest", Some("school"))?;
        engine.verify_backup(&newest, 3)?;
    }
    Ok(())
}

fn run(engine: &Engine, configuration: &str) -> Result<(), Failure> {
    let configuration = engine.configuration(configuration, None)?;
    let mut request = engine.configured_backup(&configuration);
    request.origin = Origin::Scheduled;
    engine.backup(&request)?;
    Ok(())
}

fn set_up(engine: &Engine, place: &Place) -> Result<(), Failure> {
    let locations = ["vault-here", "vault-there"].map(|name| place.dir.join(name).display().to_string());
    let passphrase = FromFile(place.passphrase_file()).passphrase("main")?;
    engine.create_vault(&VaultRequest { name: "main", locations: &locations, passphrase: &passphrase, recovery: false })?;
    let url = |path: PathBuf| Some(format!("sqlite:{}", path.display()));
    let media = vec![format!("media={}", place.media().display())];
    let school = AppRequest { name: "school".into(), database: url(place.school()), files: media, ..AppRequest::default() };
    let school = engine.add_app(&school)?;
    let canteen = engine.add_app(&AppRequest { name: "canteen".into(), database: url(place.canteen()), ..AppRequest::default() })?;
    let configurations = [
        ("weekly-full", &school.id, BackupType::Full, "0 2 * * 0", "Everything, read and compared whole"),
        ("nightly", &school.id, BackupType::Incremental, "0 2 * * 1-6", "What changed since the last backup"),
        ("canteen-nightly", &canteen.id, BackupType::Database, "0 3 * * *", "The canteen's orders"),
    ];
    for (name, app, kind, schedule, description) in configurations {
        let new = NewConfiguration::new(name, app.as_str(), kind);
        let (schedule, description) = (Some(schedule.to_owned()), Some(description.to_owned()));
        engine.create_configuration(NewConfiguration { schedule, description, retention_days: Some(90), ..new })?;
    }
    Ok(())
}

/// A second, small application.
fn build_canteen(path: &Path) -> Result<(), super::Error> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "CREATE TABLE meal (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, price NUMERIC NOT NULL);
         CREATE TABLE lunch (id INTEGER PRIMARY KEY, day TEXT NOT NULL, meal_id INTEGER NOT NULL REFERENCES meal (id), served INTEGER NOT NULL);
         INSERT INTO meal (name, price) VALUES ('Smørrebrød', 42.5), ('Frikadeller', 55), ('Gullasch', 49.95), ('麻婆豆腐', 52), ('Ποικιλία', 58);",
    )?;
    Ok(())
}

/// A day's lunches; the canteen's application opens only a database that is there.
fn lunches(path: &Path, day: Date) -> Result<(), super::Error> {
    let connection = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let sql = "INSERT INTO lunch (day, meal_id, served) SELECT ?1, id, 20 + (id * 37 + ?2) % 60 FROM meal";
    connection.execute(sql, rusqlite::params![day.to_string(), i64::from(day.day())])?;
    Ok(())
}

fn write_passphrase(place: &Place) -> Result<(), Failure> {
    let path = place.passphrase_file();
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(|error| Failure::new(Status::Failed, format!("the system gives no random bytes: {error}")))?;
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|why| cannot("written", &path, &why))
}

fn cannot(done: &str, path: &Path, why: &std::io::Error) -> Failure {
    let message = format!("{} cannot be {done}: {why}", path.display());
    Failure::new(Status::Failed, message).hint("See whether the folder can be written and has room, or name another with --dir DIR.")
}

fn before(day: Date, days: i64) -> Date {
    day.checked_sub(days.days()).unwrap_or(day)
}

fn at(day: Date, hour: i8) -> Timestamp {
    day.at(hour, 0, 0, 0).to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_night_is_over_and_no_day_old_at_every_hour() {
        let midnight: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        for minutes in (0..48 * 60).step_by(7) {
            let now = midnight.checked_add(SignedDuration::from_mins(minutes)).unwrap();
            let over = at(newest_night(now), 4);
            assert!(over <= now && now.duration_since(over) < SignedDuration::from_hours(24), "{now}: {over}");
        }
    }
}
