//! The school's media files: pictures, letters, scans, with links, modes and times as they gather over years.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Error;
use super::random::{Chance, days_before};

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// Files, links aside.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Writes the media folder as it stands on `today`; the folder must not exist.
///
/// # Errors
/// What the file system says.
pub fn build_media(dir: &Path, seed: u64, today: Date) -> Result<Media, Error> {
    if dir.exists() {
        return Err(Error::Exists { path: dir.to_path_buf() });
    }
    let mut shelf = Shelf { dir, chance: Chance::new(seed ^ 0x006d_6564_6961), today, written: Media::default() };
    for number in 0..120_u64 {
        let year = i64::from(today.year()) - (number % 3) as i64;
        let size = 20_000 + shelf.chance.below(80_000) as usize;
        shelf.file(&format!("photos/{year}/IMG_{:04}.jpg", 1_000 + number), b"\xff\xd8\xff\xe0", size, 0o644)?;
    }
    for number in 0..16_u64 {
        let size = 150_000 + shelf.chance.below(200_000) as usize;
        shelf.file(&format!("scans/certificate-{number:03}.pdf"), b"%PDF-1.7\n", size, 0o600)?;
    }
    for number in 0..120_u64 {
        let name = format!("letters/{}/letter-{number:03}.txt", ["parents", "authorities", "élèves", "学生"][number as usize % 4]);
        let text = "Dear parents,\nthe excursion begins at eight o’clock. Please bring rain clothes.\n"
            .repeat(3 + shelf.chance.below(60) as usize);
        shelf.text(&name, &text, 0o640)?;
    }
    for class in 1..=24_u64 {
        shelf.text(&format!("timetables/class {class:02}.csv"), &"Mon,8:00,Algebra\nTue,9:45,Music\n".repeat(12), 0o644)?;
    }
    shelf.text("bin/publish.sh", "#!/bin/sh\nexec rsync -a photos/ web:/srv/www/photos/\n", 0o755)?;
    shelf.text("letters/empty.txt", "", 0o644)?;
    shelf.links()?;
    let written = shelf.written;
    settle(dir, moment(today, 6))?;
    Ok(written)
}

/// The files of one day: pictures of it, a line more in the chronicle. Gives how many are new and how many changed.
pub(super) fn a_day_of_files(dir: &Path, chance: &mut Chance, day: Date) -> Result<(u64, u64), Error> {
    let mut shelf = Shelf { dir, chance: chance.clone(), today: day, written: Media::default() };
    for number in 0..2 + shelf.chance.below(3) {
        let size = 15_000 + shelf.chance.below(60_000) as usize;
        shelf.file(&format!("photos/{}/DAY_{day}_{number}.jpg", day.year()), b"\xff\xd8\xff\xe0", size, 0o644)?;
    }
    let chronicle = dir.join("letters/chronicle.txt");
    let (known, before) = match fs::read_to_string(&chronicle) {
        Ok(text) => (1, text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (0, String::new()),
        Err(why) => return Err(Error::File { path: chronicle, why }),
    };
    shelf.text("letters/chronicle.txt", &format!("{before}{day}  lessons as usual\n"), 0o644)?;
    *chance = shelf.chance;
    Ok((shelf.written.files - known, known))
}

struct Shelf<'d> {
    dir: &'d Path,
    chance: Chance,
    today: Date,
    written: Media,
}

impl Shelf<'_> {
    fn file(&mut self, name: &str, begins: &[u8], size: usize, mode: u32) -> Result<(), Error> {
        let mut bytes = self.chance.bytes(size);
        bytes.splice(..begins.len().min(size), begins.iter().copied());
        self.write(name, &bytes, mode)
    }

    fn text(&mut self, name: &str, text: &str, mode: u32) -> Result<(), Error> {
        self.write(name, text.as_bytes(), mode)
    }

    fn write(&mut self, name: &str, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let path = self.dir.join(name);
        // What is written on its day keeps that day; what was there before is up to two years old.
        let age = if name.contains(&self.today.to_string()) || name.contains("chronicle") { 0 } else { 1 + self.chance.below(700) };
        let modified = moment(days_before(self.today, age), self.chance.below(12) + 7);
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(at(&path))?;
        fs::write(&path, bytes).map_err(at(&path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(at(&path))?;
        File::open(&path).and_then(|file| file.set_modified(modified)).map_err(at(&path))?;
        self.written.files += 1;
        self.written.bytes += bytes.len() as u64;
        Ok(())
    }

    fn links(&self) -> Result<(), Error> {
        let latest = self.dir.join("photos/latest");
        symlink(self.today.year().to_string(), &latest).map_err(at(&latest))?;
        let twin = self.dir.join("scans/the same certificate.pdf");
        fs::hard_link(self.dir.join("scans/certificate-000.pdf"), &twin).map_err(at(&twin))
    }
}

/// Gives every folder one time: they were all touched just now, by the building.
fn settle(dir: &Path, time: SystemTime) -> Result<(), Error> {
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let entry = entry.map_err(at(dir))?;
        if entry.file_type().map_err(at(dir))?.is_dir() {
            settle(&entry.path(), time)?;
        }
    }
    File::open(dir).and_then(|folder| folder.set_modified(time)).map_err(at(dir))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = PathBuf::from(path);
    move |why| Error::File { path, why }
}

fn moment(day: Date, hour: u64) -> SystemTime {
    let time = day.at(i8::try_from(hour).unwrap_or(12), 0, 0, 0).to_zoned(TimeZone::UTC);
    time.map_or(SystemTime::UNIX_EPOCH, |zoned| zoned.timestamp().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_folder_holds_a_few_hundred_files_of_every_kind() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("media");
        let media = build_media(&dir, 1, Date::constant(2026, 10, 20)).unwrap();
        assert!((200..400).contains(&media.files) && media.bytes < 20 << 20, "{media:?}");
        let meta = |name: &str| fs::symlink_metadata(dir.join(name)).unwrap();
        assert!(meta("photos/latest").is_symlink());
        assert_eq!(meta("bin/publish.sh").permissions().mode() & 0o777, 0o755);
        assert_eq!(meta("scans/certificate-001.pdf").permissions().mode() & 0o777, 0o600);
        assert_eq!(meta("photos/2026").modified().unwrap(), moment(Date::constant(2026, 10, 20), 6));
        assert!(matches!(build_media(&dir, 1, Date::constant(2026, 10, 20)), Err(Error::Exists { .. })));
    }

    #[test]
    fn a_day_adds_pictures_and_continues_the_chronicle() {
        let folder = tempfile::tempdir().unwrap();
        let day = Date::constant(2026, 10, 21);
        let mut chance = Chance::new(1);
        let (added, changed) = a_day_of_files(folder.path(), &mut chance, day).unwrap();
        assert!(added >= 3 && changed == 0);
        let (added, changed) = a_day_of_files(folder.path(), &mut chance, Date::constant(2026, 10, 22)).unwrap();
        assert!(added >= 2 && changed == 1);
        assert_eq!(fs::read_to_string(folder.path().join("letters/chronicle.txt")).unwrap().lines().count(), 2);
    }
}
