//! Service files: connections that are named in `~/.pg_service.conf` or `PGSYSCONFDIR/pg_service.conf`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::fault::Fault;
use super::settings::Settings;
use super::surroundings::Surroundings;

/// Where Debian keeps the service file of the machine.
const MACHINE: &str = "/etc/postgresql-common";

/// What a service says.
#[derive(Default)]
pub(super) struct Service {
    pub(super) settings: Settings,
    /// The password, and the file it stands in.
    pub(super) password: Option<(Zeroizing<String>, PathBuf)>,
}

/// The service `name`: from `file` where one is named, else from the user's file, else from the machine's.
pub(super) fn find(name: &str, file: Option<&str>, surroundings: &Surroundings) -> Result<Service, Fault> {
    let named = file.or_else(|| surroundings.text("PGSERVICEFILE")).map(PathBuf::from);
    let own = named.or_else(|| surroundings.at_home(".pg_service.conf"));
    let machine = PathBuf::from(surroundings.text("PGSYSCONFDIR").unwrap_or(MACHINE)).join("pg_service.conf");
    let mut looked = Vec::new();
    for path in own.into_iter().chain([machine]) {
        match fs::read_to_string(&path) {
            Ok(text) => {
                if let Some(service) = section(&Zeroizing::new(text), name, &path)? {
                    return Ok(service);
                }
                looked.push(path);
            }
            Err(why) if why.kind() == ErrorKind::NotFound => {}
            Err(why) => return Err(Fault::File { path, why: why.to_string() }),
        }
    }
    Err(Fault::Service { name: name.to_owned(), looked })
}

/// The section `[name]` of a service file's text.
fn section(text: &str, name: &str, path: &Path) -> Result<Option<Service>, Fault> {
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let mut found: Option<Service> = None;
    for (number, line) in lines {
        if let Some(title) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            found = (title.strip_suffix(']') == Some(name)).then(Service::default);
            continue;
        }
        let Some(service) = &mut found else { continue };
        // The line itself may hold a password: only its number is told.
        let fault = |why: String| Fault::File { path: path.to_owned(), why: format!("line {}: {why}", number + 1) };
        let (key, value) = line.split_once('=').ok_or_else(|| fault("“=” is missing".into()))?;
        match key.trim_end() {
            "password" => service.password = Some((Zeroizing::new(value.trim_start().to_owned()), path.to_owned())),
            "service" => return Err(fault("a service cannot name another".into())),
            key => service.settings.set(key, value.trim_start().to_owned()).map_err(|why| fault(why.to_string()))?,
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# services of the school\n\n[school]\nhost=db.school\nport = 5433\npassword=two words = s3cret\n[other]\nhost=b\n[school]\nuser=late\n";

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let service = section(FILE, "school", Path::new("/f")).unwrap().unwrap();
        assert_eq!(service.settings.iter().collect::<Vec<_>>(), [("host", "db.school"), ("port", "5433")]);
        assert_eq!(service.password.unwrap().0.as_str(), "two words = s3cret");
        assert_eq!(section(FILE, "other", Path::new("/f")).unwrap().unwrap().settings.get("host"), Some("b"));
        assert!(section(FILE, "nothing", Path::new("/f")).unwrap().is_none());
    }

    #[test]
    fn a_line_that_cannot_be_used_is_told_by_its_number_alone() {
        for line in ["s3cret", "s3cret=x", "service=s3cret"] {
            let why = section(&format!("[a]\n{line}"), "a", Path::new("/f")).err().unwrap().to_string();
            assert!(why.starts_with("/f: line 2: "), "{why}");
            assert!(line == "s3cret=x" || !why.contains("s3cret"), "{why}");
        }
    }

    #[test]
    fn the_users_file_comes_before_the_machines() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(".pg_service.conf", "[a]\nhost=own\n");
        write("pg_service.conf", "[a]\nhost=machine\n[b]\nhost=machine\n");
        write("named", "[b]\nhost=named\n");
        let place = folder.path().to_str().unwrap();
        let around = Surroundings::of([("HOME", place), ("PGSYSCONFDIR", place)], None);
        let host = |name: &str, file: Option<&str>, around: &Surroundings| {
            find(name, file, around).map(|found| found.settings.get("host").map(str::to_owned))
        };
        assert_eq!(host("a", None, &around).unwrap().as_deref(), Some("own"));
        assert_eq!(host("b", None, &around).unwrap().as_deref(), Some("machine"));
        let named = format!("{place}/named");
        assert_eq!(host("b", Some(&named), &around).unwrap().as_deref(), Some("named"));
        let why = host("c", None, &around).unwrap_err().to_string();
        assert!(why.contains("no service “c”") && why.contains(".pg_service.conf or "), "{why}");
    }
}
