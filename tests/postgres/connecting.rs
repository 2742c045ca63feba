//! Every way in: sockets, passwords and where they come from, services, lists of servers; and what pg_dump is told.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use backstop::sources::postgres::{Address, Surroundings};
use postgres::error::SqlState;

use crate::common::postgres::{Cluster, Plan, bin};
use crate::{around, one, open};

/// A cluster that lets ada in over TCP with her password alone; the superuser comes by the socket.
fn with_passwords(method: &str) -> Cluster {
    let line = format!("host all all 127.0.0.1/32 {method}");
    let cluster = Plan::default().listens().access(&["local all all trust", &line]).start();
    let encryption = if method == "md5" { "md5" } else { "scram-sha-256" };
    cluster.database("school").psql(&format!("SET password_encryption = '{encryption}'; CREATE ROLE ada LOGIN PASSWORD 'a:b\\c s3cret'"));
    cluster
}

/// A file that only its owner reads.
fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Who the server sees, and over what.
const WHO: &str = "SELECT concat_ws(' ', current_user, current_database(), CASE WHEN inet_client_addr() IS NULL THEN 'socket' ELSE 'tcp' END, \
                   current_setting('application_name'))";

#[test]
fn through_a_socket() {
    let cluster = Cluster::start();
    let database = cluster.database("böse \"Namen\"/?");
    let home = tempfile::tempdir().unwrap();
    let mut client = open(&database.url(), &around(home.path(), &[])).unwrap();
    assert_eq!(one(&mut client, WHO), "postgres böse \"Namen\"/? socket backstop");
}

#[test]
fn by_what_the_variables_say() {
    let cluster = Cluster::start();
    cluster.database("school").psql("CREATE ROLE ada LOGIN");
    let (home, socket) = (tempfile::tempdir().unwrap(), cluster.socket());
    let variables = [("PGHOST", socket.to_str().unwrap()), ("PGDATABASE", "school"), ("PGOPTIONS", "-c application_name=hers")];
    let mut client = open("postgresql://", &around(home.path(), &variables)).unwrap();
    assert_eq!(one(&mut client, "SELECT current_user || ' ' || current_database()"), "ada school");
}

#[test]
fn with_the_password_from_each_place_that_has_one() {
    for method in ["scram-sha-256", "md5", "password"] {
        let cluster = with_passwords(method);
        let url = format!("postgresql://ada@localhost:{}/school", cluster.port());
        let home = tempfile::tempdir().unwrap();
        let seen = |url: &str, around: &Surroundings| one(&mut open(url, around).unwrap(), WHO);

        let by_variable = around(home.path(), &[("PGPASSWORD", r"a:b\c s3cret")]);
        assert_eq!(seen(&url, &by_variable), "ada school tcp backstop", "{method}");

        private(&home.path().join(".pgpass"), "# mine\nother:*:*:*:no\nlocalhost:*:school:ada:a\\:b\\\\c s3cret\n*:*:*:*:no\n");
        assert_eq!(seen(&url, &around(home.path(), &[])), "ada school tcp backstop", "{method}");

        let elsewhere = home.path().join("passwords");
        fs::rename(home.path().join(".pgpass"), &elsewhere).unwrap();
        let named = around(home.path(), &[("PGPASSFILE", elsewhere.to_str().unwrap())]);
        assert_eq!(seen(&url, &named), "ada school tcp backstop", "{method}");

        let service = format!("[theirs]\nhost=127.0.0.1\nport={}\ndbname=school\nuser=ada\npassword=a:b\\c s3cret\n", cluster.port());
        fs::write(home.path().join(".pg_service.conf"), service).unwrap();
        assert_eq!(
            seen("postgresql:///?service=theirs", &around(home.path(), &[("PGUSER", "eve")])),
            "ada school tcp backstop",
            "{method}"
        );
    }
}

#[test]
fn a_service_is_looked_up_each_time() {
    let cluster = Cluster::start();
    cluster.database("one");
    cluster.database("two");
    let home = tempfile::tempdir().unwrap();
    let around = around(home.path(), &[]);
    let address = Address::parse_in("postgresql://postgres@/?service=school", &around).unwrap();
    for database in ["one", "two"] {
        let service = format!("[school]\nhost={}\ndbname={database}\nuser=nobody\n", cluster.socket().display());
        fs::write(home.path().join(".pg_service.conf"), service).unwrap();
        assert_eq!(
            one(&mut address.open_in(&around).unwrap().0, "SELECT current_user || ' ' || current_database()"),
            format!("postgres {database}")
        );
    }
}

#[test]
fn the_server_of_several_that_is_there_and_wanted() {
    let (primary, reader) = (Cluster::start(), Plan::default().set("default_transaction_read_only=on").start());
    let home = tempfile::tempdir().unwrap();
    let around = around(home.path(), &[("PGDATABASE", "postgres"), ("PGUSER", "postgres")]);
    let hosts = format!("{}/none,{},{}", home.path().display(), reader.socket().display(), primary.socket().display());
    let is_read_only = |wanted: &str| {
        let mut client = open(&format!("postgresql://?host={hosts}&target_session_attrs={wanted}"), &around).unwrap();
        one(&mut client, "SELECT current_setting('default_transaction_read_only')") == "on"
    };
    assert!(is_read_only("any") && is_read_only("read-only") && is_read_only("prefer-standby") && is_read_only("primary"));
    assert!(!is_read_only("read-write"));
    let error = open(&format!("postgresql://?host={hosts}&target_session_attrs=standby"), &around).err().unwrap();
    assert!(error.to_string().contains("target_session_attrs=standby is wanted"), "{error}");
}

#[test]
fn a_query_is_cancelled_from_another_thread() {
    let cluster = Cluster::start();
    let database = cluster.database("school");
    let home = tempfile::tempdir().unwrap();
    let around = around(home.path(), &[]);
    let (mut client, canceller) = Address::parse_in(&database.url(), &around).unwrap().open_in(&around).unwrap();
    let sleeping = thread::spawn(move || client.batch_execute("SELECT pg_sleep(1000)"));
    while database.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "0" {}
    canceller.cancel();
    let error = sleeping.join().unwrap().unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
}

#[test]
fn rows_that_do_not_come_need_not_be_waited_for() {
    let cluster = Cluster::start();
    let database = cluster.database("school");
    let home = tempfile::tempdir().unwrap();
    let around = around(home.path(), &[]);
    let (mut client, canceller) = Address::parse_in(&database.url(), &around).unwrap().open_in(&around).unwrap();
    let mut asked = 0;
    let mut idle = || {
        asked += 1;
        if asked < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    assert!(client.copy_out("COPY (SELECT pg_sleep(100000)) TO STDOUT", &mut idle).unwrap().is_none());
    canceller.cancel();
}

/// The first table that pg_dump sees with nothing but these variables.
fn dumped(address: &Address, around: &Surroundings) -> String {
    let variables = address.environment_in(around).unwrap();
    let output = Command::new(bin().join("pg_dump")).arg("--schema-only").env_clear().envs(variables).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find(|line| line.starts_with("CREATE TABLE")).unwrap_or_default().to_owned()
}

#[test]
fn pg_dump_reaches_the_same_place() {
    let cluster = with_passwords("scram-sha-256");
    let database = cluster.existing("school");
    database.psql("CREATE TABLE hers (id int); GRANT SELECT ON hers TO ada");
    let home = tempfile::tempdir().unwrap();
    let by_socket = around(home.path(), &[]);
    assert_eq!(dumped(&Address::parse_in(&database.url(), &by_socket).unwrap(), &by_socket), "CREATE TABLE public.hers (");

    let url = format!("postgresql://ada@localhost:{}/school", cluster.port());
    let by_variable = around(home.path(), &[("PGPASSWORD", r"a:b\c s3cret")]);
    assert_eq!(dumped(&Address::parse_in(&url, &by_variable).unwrap(), &by_variable), "CREATE TABLE public.hers (");

    let service = format!("[theirs]\nhost=localhost\nport={}\ndbname=school\nuser=ada\npassword=a:b\\c s3cret\n", cluster.port());
    fs::write(home.path().join(".pg_service.conf"), service).unwrap();
    let by_service = around(home.path(), &[]);
    assert_eq!(
        dumped(&Address::parse_in("postgresql:///?service=theirs", &by_service).unwrap(), &by_service),
        "CREATE TABLE public.hers ("
    );

    private(&home.path().join(".pgpass"), "localhost:*:school:ada:a\\:b\\\\c s3cret\n");
    let by_file = around(home.path(), &[]);
    let address = Address::parse_in(&url, &by_file).unwrap();
    assert_eq!(dumped(&address, &by_file), "CREATE TABLE public.hers (");
    let told = address.environment_in(&by_file).unwrap();
    assert!(!told.iter().any(|(name, _)| name == "PGPASSWORD"), "a password that stands in a file is left there");
}
