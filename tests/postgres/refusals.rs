//! Why a server lets nobody in, as an operator reads it; no password is ever in it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::thread::{self, JoinHandle};

use backstop::error::Explain;
use backstop::sources::postgres::Surroundings;

use crate::common::postgres::Plan;
use crate::{around, open};

/// The message and the hint of a connection that fails.
fn told(url: &str, around: &Surroundings) -> (String, String) {
    let error = open(url, around).err().unwrap_or_else(|| panic!("{url} was opened"));
    let all = format!("{error} {error:?} {}", error.hint().unwrap_or_default());
    assert!(!all.contains("s3cret"), "a password is told: {all}");
    assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "no hint: {error}");
    (error.to_string(), error.hint().unwrap())
}

#[track_caller]
fn assert_told(url: &str, around: &Surroundings, message: &str, hint: &str) {
    let (said, advised) = told(url, around);
    assert!(said.contains(message), "message: {said}");
    assert!(advised.contains(hint), "hint: {advised}");
}

#[test]
fn nobody_is_there() {
    let home = tempfile::tempdir().unwrap();
    let around = around(home.path(), &[]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_told(
        &format!("postgresql://127.0.0.1:{port}/d"),
        &around,
        &format!("nothing accepts connections at 127.0.0.1 port {port}"),
        "pg_isready",
    );
    let socket = format!("postgresql:///d?host={}", home.path().display());
    assert_told(
        &socket,
        &around,
        &format!("nothing accepts connections at the socket {}/.s.PGSQL.5432", home.path().display()),
        "pg_lsclusters",
    );
    assert_told("postgresql://no-such-host.invalid/d", &around, "the host “no-such-host.invalid” is not known", "getent hosts");
}

/// A server of ours that takes one connection and does `what` with it.
fn pretending(what: impl FnOnce(TcpStream) + Send + 'static) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, thread::spawn(move || what(listener.accept().unwrap().0)))
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    let home = tempfile::tempdir().unwrap();
    let (port, server) = pretending(|mut stream| {
        // To its end: until the one who connects gives up.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let url = format!("postgresql://127.0.0.1:{port}/d?connect_timeout=1");
    assert_told(&url, &around(home.path(), &[]), &format!("127.0.0.1 port {port} did not answer within 1 seconds"), "firewall");
    drop(server);
}

#[test]
fn what_answers_is_no_postgresql() {
    let home = tempfile::tempdir().unwrap();
    for sslmode in ["disable", "require"] {
        let (port, server) = pretending(|mut stream| {
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        let url = format!("postgresql://127.0.0.1:{port}/d?sslmode={sslmode}");
        let (said, _) = told(&url, &around(home.path(), &[]));
        assert!(
            said.contains("is no PostgreSQL server") || said.contains("the server at 127.0.0.1") && said.contains("has none"),
            "{said}"
        );
        server.join().unwrap();
    }
}

#[test]
fn a_server_that_starts_is_not_ready() {
    let home = tempfile::tempdir().unwrap();
    let (port, server) = pretending(|mut stream| {
        let _ = stream.read(&mut [0; 1024]).unwrap();
        let fields = b"SFATAL\0VFATAL\0C57P03\0Mdas Datenbanksystem startet\0RProcessStartupPacket\0\0";
        let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
        stream.write_all(&[&b"E"[..], &length, fields].concat()).unwrap();
    });
    let url = format!("postgresql://127.0.0.1:{port}/d?sslmode=disable");
    assert_told(&url, &around(home.path(), &[]), "takes no connections just now (das Datenbanksystem startet)", "pg_isready");
    server.join().unwrap();
}

#[test]
fn the_server_says_no() {
    let access =
        ["local all postgres trust", "local all ada scram-sha-256", "local all bob peer", "local all zoe trust", "local all eve reject"];
    let cluster = Plan::default().access(&access).start();
    let database = cluster.database("school");
    database.psql("CREATE ROLE ada LOGIN PASSWORD 'right'; CREATE ROLE bob LOGIN; CREATE ROLE eve LOGIN; CREATE ROLE tim LOGIN");
    let home = tempfile::tempdir().unwrap();
    let plain = around(home.path(), &[]);
    let url = |user: &str| database.url_of(user);

    assert_told(&url("postgres").replace("/school", "/shop"), &plain, "the server has no database “shop”", "psql -l");
    assert_told(&url("zoe"), &plain, "the server has no user “zoe”", "psql");
    assert_told(&url("bob"), &plain, "does not take us for user “bob” (Peer authentication failed", "sudo -u");
    assert_told(&url("eve"), &plain, "pg_hba.conf does not let user “eve” into “school” from here without TLS", "pg_hba.conf");
    assert_told(&url("tim"), &plain, "(no pg_hba.conf entry for host", "pg_hba.conf");

    let pgpass = home.path().join(".pgpass");
    let missing = format!("PGPASSWORD is not set and {} does not exist", pgpass.display());
    assert_told(&url("ada"), &plain, &missing, "chmod 600");
    let wrong = around(home.path(), &[("PGPASSWORD", "s3cret")]);
    assert_told(&url("ada"), &wrong, "does not accept the password of user “ada” from the variable PGPASSWORD", "PGPASSWORD");
    fs::write(&pgpass, "*:*:*:ada:s3cret\n").unwrap();
    fs::set_permissions(&pgpass, fs::Permissions::from_mode(0o640)).unwrap();
    assert_told(&url("ada"), &plain, "is not used, as others than its owner may read it", &format!("chmod 600 {}", pgpass.display()));
    fs::set_permissions(&pgpass, fs::Permissions::from_mode(0o600)).unwrap();
    assert_told(&url("ada"), &plain, &format!("the password of user “ada” from {}", pgpass.display()), "right one");
    fs::write(&pgpass, "elsewhere:*:*:ada:s3cret\n").unwrap();
    assert_told(&url("ada"), &plain, "has no line for it", "HOST:PORT:DATABASE:USER:PASSWORD");

    database.psql("ALTER ROLE ada PASSWORD 's3cret'; REVOKE CONNECT ON DATABASE school FROM public");
    let right = around(home.path(), &[("PGPASSWORD", "s3cret")]);
    assert_told(&url("ada"), &right, "user “ada” may not connect to “school”", "GRANT CONNECT");
    database.psql("GRANT CONNECT ON DATABASE school TO public; ALTER DATABASE school CONNECTION LIMIT 0");
    assert_told(&url("ada"), &right, "the server has no connection left (too many connections for database", "max_connections");
}

#[test]
fn a_service_that_is_nowhere() {
    let home = tempfile::tempdir().unwrap();
    let around = around(home.path(), &[("PGSYSCONFDIR", home.path().to_str().unwrap())]);
    assert_told("postgresql:///?service=school", &around, "there is no service “school” in any service file", "~/.pg_service.conf");
    fs::write(home.path().join(".pg_service.conf"), "[school]\nhost=h\nsslmode=no\n").unwrap();
    assert_told("postgresql:///?service=school", &around, "sslmode cannot be “no”", "service file");
}
