//! PostgreSQL clusters of the tests' own: real servers, each on a private socket, gone with the test that started them.
//!
//! A cluster is made by initdb once for each way to make one, kept in the target folder, and copied for each test. The server runs as
//! a user that is not root, and is a child that the system ends when the test's thread dies, however that happens.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

/// What the names of the clusters' folders begin with: nothing else is ever cleared.
const PREFIX: &str = "backstop-pg-";

/// Settings for speed: what a test's cluster holds need not outlive the machine.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "shared_buffers=16MB",
    "max_connections=40",
    "max_wal_size=256MB",
    "logging_collector=off",
    "log_destination=stderr",
    "lc_messages=C",
    // Before 14 passwords are kept as md5 where nothing else is said.
    "password_encryption=scram-sha-256",
];

/// Names another folder of PostgreSQL's programs, to run the tests on another version than the one that is installed.
const BIN: &str = "BACKSTOP_TEST_POSTGRES";

/// Where PostgreSQL's programs are: the newest version that has a server, so that its pg_dump reads every older one too.
pub fn bin() -> PathBuf {
    if let Some(named) = std::env::var_os(BIN) {
        return named.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.filter(|entry| entry.path().join("bin/initdb").exists());
    let number = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().parse::<u32>().unwrap_or(0);
    let newest = found.max_by_key(number).expect("there is no PostgreSQL server in /usr/lib/postgresql: tests/run installs it");
    newest.path().join("bin")
}

/// How a cluster is to be.
#[derive(Default)]
pub struct Plan {
    settings: Vec<String>,
    access: Vec<String>,
    certificate: Option<(PathBuf, PathBuf, PathBuf)>,
    listens: bool,
}

impl Plan {
    /// A setting of the server, as `name=value`.
    pub fn set(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    /// The lines of pg_hba.conf, in their order; without any, everybody on this machine is let in.
    pub fn access(mut self, lines: &[&str]) -> Self {
        self.access.extend(lines.iter().map(|line| (*line).to_owned()));
        self
    }

    /// Listens on a free port of 127.0.0.1 too.
    pub fn listens(mut self) -> Self {
        self.listens = true;
        self
    }

    /// Speaks TLS with this certificate and key, and takes clients' certificates that `authority` has signed.
    pub fn tls(mut self, certificate: &Path, key: &Path, authority: &Path) -> Self {
        self.certificate = Some((certificate.into(), key.into(), authority.into()));
        self.listens()
    }

    /// Starts it.
    pub fn start(self) -> Cluster {
        Cluster::of(&self)
    }
}

/// A running server with its data; stopped and removed when dropped.
pub struct Cluster {
    server: Option<Child>,
    log: Arc<Mutex<String>>,
    arguments: Vec<String>,
    port: u16,
    folder: tempfile::TempDir,
    _held: File,
}

impl Cluster {
    /// One with a socket alone.
    pub fn start() -> Self {
        Plan::default().start()
    }

    fn of(plan: &Plan) -> Self {
        clear();
        let (folder, held) = own_folder();
        let data = folder.path().join("data");
        let copied = Command::new("cp").arg("-a").arg(template()).arg(&data).status().unwrap();
        assert!(copied.success());
        if !plan.access.is_empty() {
            fs::write(data.join("pg_hba.conf"), plan.access.join("\n") + "\n").unwrap();
        }
        fs::DirBuilder::new().mode(0o755).create(folder.path().join("socket")).unwrap();
        let mut settings: Vec<String> = SETTINGS.iter().map(|setting| (*setting).to_owned()).collect();
        settings.push(format!("unix_socket_directories={}", folder.path().join("socket").display()));
        if let Some((certificate, key, authority)) = &plan.certificate {
            for (name, file) in [("ssl_cert_file", certificate), ("ssl_key_file", key), ("ssl_ca_file", authority)] {
                let own = data.join(name);
                fs::copy(file, &own).unwrap();
                fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).unwrap();
                settings.push(format!("{name}={name}"));
            }
            settings.push("ssl=on".into());
        }
        settings.extend(plan.settings.iter().cloned());
        give_away(folder.path());
        let mut cluster = Self { server: None, log: Arc::default(), arguments: Vec::new(), port: 5432, folder, _held: held };
        cluster.arguments = settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]).collect();
        cluster.run_on(plan.listens);
        cluster
    }

    /// Starts the server; where it listens, on a port that is still free when it asks for it.
    fn run_on(&mut self, listens: bool) {
        if !listens {
            self.arguments.extend(["-c".into(), "listen_addresses=".into()]);
            assert!(self.run(), "{}", self.log());
            return;
        }
        self.arguments.extend(["-c".into(), "listen_addresses=127.0.0.1".into()]);
        let taken = |log: &str| log.contains("Address already in use");
        loop {
            self.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if self.run() {
                return;
            }
            assert!(taken(&self.log()), "{}", self.log());
            self.log.lock().unwrap().clear();
        }
    }

    /// Starts the server and waits until it says that it is ready; whether it does.
    fn run(&mut self) -> bool {
        let mut command = unprivileged(&bin().join("postgres"));
        command.arg("-D").arg(self.folder.path().join("data")).arg("-p").arg(self.port.to_string()).args(&self.arguments);
        let mut server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines().map_while(Result::ok);
        let log = Arc::clone(&self.log);
        let note = move |line: &str| log.lock().unwrap().extend([line, "\n"]);
        let ready = lines.by_ref().inspect(|line| note(line)).any(|line| line.contains("ready to accept connections"));
        if !ready {
            server.wait().unwrap();
            return false;
        }
        // The pipe is read to its end: the server waits for nobody to read it.
        let log = Arc::clone(&self.log);
        thread::spawn(move || lines.for_each(|line| log.lock().unwrap().extend([&line, "\n"])));
        self.server = Some(server);
        true
    }

    /// What the server has written to its log.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The folder of its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Its port, of the socket and of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server at once, as a power cut would.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let pid = Pid::from_child(&server);
            // Quit: every process of it goes, and takes its shared memory along.
            let _ = kill_process(pid, Signal::QUIT);
            server.wait().unwrap();
        }
    }

    /// Starts it again after [`Cluster::stop`].
    pub fn restart(&mut self) {
        self.stop();
        assert!(self.run(), "{}", self.log());
    }

    /// A new, empty database in UTF-8.
    pub fn database(&self, name: &str) -> Database {
        self.database_in(name, "UTF8", "C.UTF-8")
    }

    /// A new, empty database in another encoding and locale.
    pub fn database_in(&self, name: &str, encoding: &str, locale: &str) -> Database {
        let create = format!("CREATE DATABASE {} TEMPLATE template0 ENCODING '{encoding}' LOCALE '{locale}'", quoted(name));
        self.existing("postgres").psql(&create);
        self.existing(name)
    }

    /// A database that is there.
    pub fn existing(&self, name: &str) -> Database {
        Database { socket: self.socket(), port: self.port, name: name.to_owned() }
    }

    /// What pg_dump says of a database.
    pub fn dump(&self, database: &Database, arguments: &[&str]) -> String {
        let output = database.program("pg_dump").args(arguments).output().unwrap();
        successful("pg_dump", &output)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A database of a cluster, as its superuser sees it.
#[derive(Clone)]
pub struct Database {
    socket: PathBuf,
    port: u16,
    name: String,
}

impl Database {
    /// Its URL through the socket.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Its URL through the socket for a user.
    pub fn url_of(&self, user: &str) -> String {
        format!("postgresql://{user}@/{}?host={}&port={}", encoded(&self.name), self.socket.display(), self.port)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One of PostgreSQL's programs that is to work on it, and nothing of the tester's environment.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(bin().join(name));
        command.env_clear().env("LANG", "C.UTF-8").env("PGHOST", &self.socket).env("PGPORT", self.port.to_string());
        command.env("PGUSER", "postgres").env("PGDATABASE", &self.name).env("PGCLIENTENCODING", "UTF8");
        command
    }

    /// What psql answers to statements: rows as lines, values between `|`, nothing else.
    pub fn psql(&self, sql: &str) -> String {
        successful(sql, &self.ask(sql)).trim_end_matches('\n').to_owned()
    }

    /// What psql says where the statements may fail.
    pub fn ask(&self, sql: &str) -> Output {
        let mut command = self.program("psql");
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--file=-"]);
        let mut psql = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut to, sql) = (psql.stdin.take().unwrap(), sql.to_owned());
        let writing = thread::spawn(move || to.write_all(sql.as_bytes()));
        let output = psql.wait_with_output().unwrap();
        // One that stops at an error does not read the rest.
        let _ = writing.join().unwrap();
        output
    }
}

/// An identifier as SQL.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn successful(what: &str, output: &Output) -> String {
    assert!(output.status.success(), "{what}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The user that servers run as: they refuse to be root.
fn user() -> Option<&'static str> {
    let known = |name: &&str| Command::new("id").arg(name).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success();
    rustix::process::geteuid().is_root().then(|| ["postgres", "nobody"].into_iter().find(known).expect("a user that is not root"))
}

/// A program as that user, which the system ends when the thread that starts it dies.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if let Some(user) = user() {
        command.args(["--reuid", user, "--regid", &group(user), "--clear-groups"]);
    }
    command.arg("--").arg(program).current_dir("/").env_clear().env("LC_ALL", "C.UTF-8");
    command
}

fn group(user: &str) -> String {
    let output = Command::new("id").args(["-g", user]).output().unwrap();
    successful("id", &output).trim().to_owned()
}

fn give_away(folder: &Path) {
    if let Some(user) = user() {
        assert!(Command::new("chown").arg("-R").arg(format!("{user}:{}", group(user))).arg(folder).status().unwrap().success());
    }
}

/// The folder that every cluster is a copy of, made by the first test that needs it.
fn template() -> PathBuf {
    let bin = bin();
    let version = successful("initdb", &Command::new(bin.join("initdb")).arg("--version").output().unwrap());
    let name: String = version.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name.trim_matches('-'));
    let lock = File::create(kept.with_extension("lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    if !kept.exists() {
        // Not where it is kept: a checkout may stand in a folder that the server's user cannot enter.
        let (folder, _held) = own_folder();
        give_away(folder.path());
        let made = folder.path().join("data");
        let mut initdb = unprivileged(&bin.join("initdb"));
        initdb.args(["--no-sync", "--wal-segsize=1", "--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres", "--auth=trust", "-D"]);
        successful("initdb", &initdb.arg(&made).output().unwrap());
        let unfinished = kept.with_extension("new");
        let _ = fs::remove_dir_all(&unfinished);
        assert!(Command::new("cp").arg("-a").arg(&made).arg(&unfinished).status().unwrap().success());
        fs::rename(&unfinished, &kept).unwrap();
    }
    kept
}

/// A new folder that nobody clears while it is held.
fn own_folder() -> (tempfile::TempDir, File) {
    let gate = File::open(std::env::temp_dir()).unwrap();
    flock(&gate, FlockOperation::LockShared).unwrap();
    let folder = tempfile::Builder::new().prefix(PREFIX).permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap();
    let held = File::open(folder.path()).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    (folder, held)
}

/// Removes what tests that were killed have left.
fn clear() {
    let gate = File::open(std::env::temp_dir()).unwrap();
    if flock(&gate, FlockOperation::NonBlockingLockExclusive).is_err() {
        // Somebody makes one just now, or uses the same gate for folders of its own; the next to come clears.
        return;
    }
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(folder) = File::open(entry.path()) else { continue };
        if flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
