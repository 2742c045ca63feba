//! An application made with Django itself: what its own models say is the same before a backup, after a restore, and of a copy.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::postgres::{self, Cluster};
use crate::common::program::Place;

/// Where the application's records are: what Django calls it, and what Backstop calls it.
struct Database {
    environment: Vec<(&'static str, String)>,
    url: String,
}

impl Database {
    fn sqlite(path: &Path) -> Self {
        let name = path.display().to_string();
        Self { url: format!("sqlite:{name}"), environment: vec![("DATABASE_ENGINE", "sqlite3".into()), ("DATABASE_NAME", name)] }
    }

    fn postgres(cluster: &Cluster, database: &postgres::Database) -> Self {
        let environment = vec![
            ("DATABASE_ENGINE", "postgresql".into()),
            ("DATABASE_NAME", database.name().to_owned()),
            ("DATABASE_HOST", cluster.socket().display().to_string()),
            ("DATABASE_PORT", cluster.port().to_string()),
            ("DATABASE_USER", "postgres".into()),
        ];
        Self { url: database.url(), environment }
    }
}

/// The first Python that has Django and speaks to PostgreSQL: Debian's own has what its package installs, whatever else is in the path.
fn python() -> &'static str {
    let has_django =
        |python: &&str| Command::new(python).args(["-c", "import django, psycopg2"]).output().is_ok_and(|output| output.status.success());
    ["python3", "/usr/bin/python3"].into_iter().find(has_django).expect("the tests need Django; tests/run installs it")
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_tree(&entry.path(), &to),
            false => assert!(std::fs::copy(entry.path(), to).is_ok()),
        }
    }
}

/// The project, with a database and a media folder.
struct Project {
    folder: PathBuf,
    database: Database,
    media: PathBuf,
}

impl Project {
    /// Runs `manage.py` and gives what it printed.
    fn manage(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(python());
        command.arg("manage.py").args(arguments).current_dir(&self.folder);
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONIOENCODING", "utf-8").env("MEDIA_ROOT", &self.media);
        let output = command.envs(self.database.environment.clone()).output().unwrap();
        assert!(output.status.success(), "manage.py {arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same project on other data.
    fn on(&self, database: Database, media: PathBuf) -> Self {
        Self { folder: self.folder.clone(), database, media }
    }

    fn assert_says(&self, told: &str) {
        let now = self.manage(&["told"]);
        let differ = told.lines().zip(now.lines()).enumerate().find(|(_, (a, b))| a != b);
        assert!(now == told, "from line {differ:?} on");
        assert!(self.manage(&["check"]).contains("no issues"));
    }
}

fn agrees_with_django(place: &Place, database: Database, target: Database) {
    let folder = place.path("project");
    copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/django"), &folder);
    let project = Project { folder, database, media: place.path("media") };
    for command in [&["makemigrations", "school", "-v0"][..], &["migrate", "-v0"], &["fill"], &["check"]] {
        project.manage(command);
    }
    let good = project.manage(&["told"]);
    assert!(good.contains("\"school.Enrolment\": 212") && good.contains("\"school.Pupil\": 120"), "the project is filled");

    place.expect(0, &["vault", "init", "--location", "vault"]);
    place.expect(0, &["app", "add", "school", "--database", &project.database.url, "--files", "media=media"]);
    place.expect(0, &["backup", "--app", "school", "--type", "full"]);
    project.assert_says(&good);
    project.manage(&["spoil"]);
    let spoiled = project.manage(&["told"]);
    assert!(spoiled != good);
    place.expect(0, &["backup", "--app", "school", "--type", "incremental"]);

    let backups = place.json(&["backups"]);
    let full = backups.as_array().unwrap().iter().find(|backup| backup["type"] == "full").unwrap()["id"].as_str().unwrap().to_owned();
    let preview = ["restore", "preview", &full, "--app", "school", "--strategy", "replace", "--exact"];
    let plan = place.json(&preview);
    assert_eq!(plan["safe_to_restore"], true, "{}", plan["findings"]);
    let run = ["restore", "run", "--plan", plan["plan"].as_str().unwrap(), "--reason", "a mishap", "--yes", "--confirm", "school"];
    let done = place.json(&run);
    project.assert_says(&good);
    place.json(&["restore", "undo", done["restore"].as_str().unwrap(), "--reason", "it was meant", "--yes"]);
    project.assert_says(&spoiled);

    place.expect(0, &["restore", "to", &full, "--app", "school", "--target", &target.url, "--target", "copy"]);
    project.on(target, place.path("copy/media")).assert_says(&good);
}

#[test]
fn a_django_application_says_the_same_of_its_sqlite_database_and_media_after_every_restore() {
    let place = Place::new();
    let (database, target) = (Database::sqlite(&place.path("app.db")), Database::sqlite(&place.path("copy.db")));
    agrees_with_django(&place, database, target);
}

#[test]
fn a_django_application_says_the_same_of_its_postgresql_database_and_media_after_every_restore() {
    let (cluster, place) = (Cluster::start(), Place::new());
    let [database, target] = ["app", "copy"].map(|name| Database::postgres(&cluster, &cluster.database(name)));
    agrees_with_django(&place, database, target);
}
