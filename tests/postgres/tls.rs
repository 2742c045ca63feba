//! TLS: who is trusted in each mode, and what is said where somebody is not.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use backstop::error::Explain;
use backstop::rows::{Digest, Row, Value};
use backstop::sources::Looking;
use backstop::sources::database::Database as Source;
use backstop::sources::postgres::Address;

use crate::certificates::Certificates;
use crate::common::postgres::{Cluster, Plan, bin};
use crate::{around, one, open};

const EVERYBODY: [&str; 2] = ["local all all trust", "hostssl all all 127.0.0.1/32 trust"];

/// A server with the certificate `name`, for those who come with TLS.
fn serving(certificates: &Certificates, name: &str, authority: &str) -> Cluster {
    let (certificate, authority) = (certificates.certificate(name), certificates.certificate(authority));
    Plan::default().tls(&certificate, &certificates.key(name), &authority).access(&EVERYBODY).start()
}

/// Opens a connection to `host`, which is 127.0.0.1 under that name; gives the version of TLS that is spoken.
fn spoken(cluster: &Cluster, certificates: &Certificates, host: &str, settings: &str) -> Result<String, String> {
    let home = certificates.folder();
    let url = format!("postgresql://postgres@{host}:{}/postgres?hostaddr=127.0.0.1&{settings}", cluster.port());
    let url = url.replace("FOLDER", home.to_str().unwrap());
    let around = around(home, &[]);
    let mut client = open(&url, &around).map_err(|error| format!("{error} | {}", error.hint().unwrap()))?;
    Ok(one(&mut client, "SELECT coalesce(version, 'none') FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
}

/// An authority, and a server's certificate for db.school that it has signed.
fn usual() -> Certificates {
    let certificates = Certificates::new();
    certificates.own("authority", "The School's Authority");
    certificates.own("stranger", "Some Other Authority");
    certificates.signed("server", "db", "authority", "subjectAltName=DNS:db.school\n");
    certificates
}

#[track_caller]
fn assert_refused(outcome: Result<String, String>, why: &str) {
    let error = outcome.expect_err("it was opened");
    assert!(error.contains(why), "{error}");
}

#[test]
fn each_mode_trusts_whom_it_should() {
    let certificates = usual();
    let cluster = serving(&certificates, "server", "authority");
    let spoken = |host: &str, settings: &str| spoken(&cluster, &certificates, host, settings);
    let tls = Ok("TLSv1.3".to_owned());
    for settings in ["sslmode=allow", "sslmode=prefer", "sslmode=require", ""] {
        assert_eq!(spoken("elsewhere", settings), tls, "{settings}");
    }
    let (right, wrong) = ("sslrootcert=FOLDER/authority.crt", "sslrootcert=FOLDER/stranger.crt");
    assert_eq!(spoken("db.school", &format!("sslmode=verify-full&{right}")), tls);
    assert_eq!(spoken("elsewhere", &format!("sslmode=verify-ca&{right}")), tls);
    assert_eq!(spoken("elsewhere", &format!("sslmode=require&{right}")), tls);
    assert_refused(spoken("elsewhere", &format!("sslmode=verify-full&{right}")), "is not for “elsewhere” but for");
    for mode in ["verify-full", "verify-ca", "require"] {
        assert_refused(spoken("db.school", &format!("sslmode={mode}&{wrong}")), "is not signed by any that is trusted");
    }
    assert_refused(spoken("db.school", "sslrootcert=system"), "is not signed by any that is trusted");
    assert_refused(spoken("db.school", "sslmode=verify-full"), "there are no certificates to trust");
    assert_refused(spoken("db.school", "sslmode=verify-full&sslrootcert=/none"), "/none: ");
    assert_refused(spoken("db.school", "sslmode=disable"), "from here without TLS");
    assert!(spoken("db.school", "sslmode=disable").unwrap_err().contains("sslmode=require"));
}

#[test]
fn a_root_certificate_at_home_makes_require_verify() {
    let certificates = usual();
    let cluster = serving(&certificates, "server", "authority");
    let at_home = certificates.folder().join(".postgresql");
    fs::create_dir(&at_home).unwrap();
    fs::copy(certificates.certificate("stranger"), at_home.join("root.crt")).unwrap();
    assert_refused(spoken(&cluster, &certificates, "db.school", "sslmode=require"), "is not signed by any that is trusted");
    fs::copy(certificates.certificate("authority"), at_home.join("root.crt")).unwrap();
    assert_eq!(spoken(&cluster, &certificates, "elsewhere", "sslmode=require").unwrap(), "TLSv1.3");
}

#[test]
fn a_certificate_out_of_its_time() {
    let certificates = usual();
    let names = "subjectAltName=DNS:db.school\n";
    certificates.dated("old", "db", "authority", names, "20200101000000Z", "20200201000000Z");
    certificates.dated("early", "db", "authority", names, "20980101000000Z", "20990101000000Z");
    for (name, why) in [("old", "has expired"), ("early", "is not valid yet")] {
        let cluster = serving(&certificates, name, "authority");
        let trusted = spoken(&cluster, &certificates, "db.school", "sslmode=verify-full&sslrootcert=FOLDER/authority.crt");
        assert_refused(trusted, why);
        assert_refused(spoken(&cluster, &certificates, "db.school", &format!("sslmode=verify-full&sslrootcert=FOLDER/{name}.crt")), why);
        assert_eq!(spoken(&cluster, &certificates, "db.school", "sslmode=require").unwrap(), "TLSv1.3");
    }
}

#[test]
fn a_certificate_that_signs_itself_is_trusted_where_it_is_named() {
    let certificates = usual();
    certificates.own("self", "db.school");
    let cluster = serving(&certificates, "self", "authority");
    let spoken = |host: &str, settings: &str| spoken(&cluster, &certificates, host, settings);
    assert_eq!(spoken("db.school", "sslmode=verify-full&sslrootcert=FOLDER/self.crt").unwrap(), "TLSv1.3");
    assert_refused(spoken("elsewhere", "sslmode=verify-full&sslrootcert=FOLDER/self.crt"), "is not for “elsewhere” but for db.school");
    assert_refused(spoken("db.school", "sslmode=verify-full&sslrootcert=FOLDER/authority.crt"), "the certificate of db.school port");
}

#[test]
fn a_certificate_of_version_one_protects_but_proves_nothing() {
    let certificates = usual();
    certificates.signed("plain", "db.school", "authority", "");
    let cluster = serving(&certificates, "plain", "authority");
    assert_eq!(spoken(&cluster, &certificates, "db.school", "sslmode=require").unwrap(), "TLSv1.3");
    let verified = spoken(&cluster, &certificates, "db.school", "sslmode=verify-full&sslrootcert=FOLDER/authority.crt");
    assert_refused(verified, "X.509 version 3");
}

#[test]
fn older_tls_is_spoken_too() {
    let certificates = usual();
    let (certificate, key) = (certificates.certificate("server"), certificates.key("server"));
    let plan = Plan::default().tls(&certificate, &key, &certificates.certificate("authority")).access(&EVERYBODY);
    let cluster = plan.set("ssl_max_protocol_version=TLSv1.2").start();
    let verified = spoken(&cluster, &certificates, "db.school", "sslmode=verify-full&sslrootcert=FOLDER/authority.crt");
    assert_eq!(verified.unwrap(), "TLSv1.2");
}

#[test]
fn a_server_without_tls() {
    let certificates = usual();
    let cluster = Plan::default().listens().start();
    assert_eq!(spoken(&cluster, &certificates, "db.school", "").unwrap(), "none");
    for mode in ["require", "verify-full&sslrootcert=FOLDER/authority.crt"] {
        assert_refused(
            spoken(&cluster, &certificates, "db.school", &format!("sslmode={mode}")),
            "asks for TLS, and the server at db.school port",
        );
    }
}

#[test]
fn prefer_goes_without_tls_where_tls_is_not_let_in() {
    let certificates = usual();
    let (certificate, key) = (certificates.certificate("server"), certificates.key("server"));
    let plan = Plan::default().tls(&certificate, &key, &certificates.certificate("authority"));
    let cluster = plan.access(&["local all all trust", "hostnossl all all 127.0.0.1/32 trust"]).start();
    assert_eq!(spoken(&cluster, &certificates, "db.school", "sslmode=prefer").unwrap(), "none");
    assert_refused(spoken(&cluster, &certificates, "db.school", "sslmode=require"), "from here with TLS");
}

#[test]
fn our_own_certificate_says_who_we_are() {
    let certificates = usual();
    certificates.signed("ada", "ada", "authority", "");
    let (certificate, key) = (certificates.certificate("server"), certificates.key("server"));
    let plan = Plan::default().tls(&certificate, &key, &certificates.certificate("authority"));
    let cluster = plan.access(&["local all all trust", "hostssl all all 127.0.0.1/32 cert"]).start();
    cluster.existing("postgres").psql("CREATE ROLE ada LOGIN");
    let home = certificates.folder();
    let url = |user: &str, settings: &str| {
        let url = format!("postgresql://{user}@127.0.0.1:{}/postgres?sslmode=require{settings}", cluster.port());
        url.replace("FOLDER", home.to_str().unwrap())
    };
    let hers = "&sslcert=FOLDER/ada.crt&sslkey=FOLDER/ada.key";
    let mut client = open(&url("ada", hers), &around(home, &[])).unwrap();
    assert_eq!(one(&mut client, "SELECT current_user::text"), "ada");
    let said = |url: String| open(&url, &around(home, &[])).err().unwrap().to_string();
    assert!(said(url("postgres", hers)).contains("does not take us for user “postgres”"));
    assert!(said(url("ada", "")).contains("connection requires a valid client certificate"));
    assert!(said(url("ada", "&sslcert=FOLDER/ada.crt")).contains("sslkey is missing"));
    assert!(said(url("ada", "&sslcert=FOLDER/ada.crt&sslkey=FOLDER/server.key")).contains("it is not the key of "));
    assert!(said(url("ada", "&sslcert=FOLDER/ada.crt&sslkey=FOLDER/ada.crt")).contains("others than its owner may read this key"));
}

#[test]
fn a_password_is_bound_to_the_connection() {
    let certificates = usual();
    let (certificate, key) = (certificates.certificate("server"), certificates.key("server"));
    let plan = Plan::default().tls(&certificate, &key, &certificates.certificate("authority"));
    let cluster = plan.access(&["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"]).start();
    cluster.existing("postgres").psql("CREATE ROLE ada LOGIN PASSWORD 's3cret'");
    let around = around(certificates.folder(), &[("PGPASSWORD", "s3cret")]);
    let url = |mode: &str| format!("postgresql://ada@127.0.0.1:{}/postgres?channel_binding=require&sslmode={mode}", cluster.port());
    assert_eq!(one(&mut open(&url("require"), &around).unwrap(), "SELECT current_user::text"), "ada");
    let error = open(&url("disable"), &around).err().unwrap();
    assert!(error.to_string().contains("does not bind the password to the TLS connection"), "{error}");
}

#[test]
fn pg_dump_verifies_as_we_do_and_a_query_is_cancelled_over_tls() {
    let certificates = usual();
    let cluster = serving(&certificates, "server", "authority");
    let around = around(certificates.folder(), &[]);
    let dumped = |host: &str, authority: &str| {
        let root = certificates.certificate(authority);
        let settings = format!("hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}", root.display());
        let url = format!("postgresql://postgres@{host}:{}/postgres?{settings}", cluster.port());
        let variables = Address::parse_in(&url, &around).unwrap().environment_in(&around).unwrap();
        Command::new(bin().join("pg_dump")).env_clear().envs(variables).output().unwrap().status.success()
    };
    assert!(dumped("db.school", "authority"));
    assert!(!dumped("db.school", "stranger") && !dumped("elsewhere", "authority"));

    let url = format!("postgresql://postgres@127.0.0.1:{}/postgres?sslmode=require", cluster.port());
    let (mut client, canceller) = Address::parse_in(&url, &around).unwrap().open_in(&around).unwrap();
    let sleeping = std::thread::spawn(move || client.batch_execute("SELECT pg_sleep(1000)"));
    while cluster.existing("postgres").psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "0" {}
    canceller.cancel();
    assert!(sleeping.join().unwrap().is_err());
}

#[test]
fn rows_come_the_same_way_with_tls_and_without() {
    let certificates = usual();
    let (certificate, key) = (certificates.certificate("server"), certificates.key("server"));
    let plan = Plan::default().tls(&certificate, &key, &certificates.certificate("authority"));
    let cluster = plan.access(&["local all all trust", "host all all 127.0.0.1/32 trust"]).start();
    let database = cluster.database("school");
    database.psql(
        "CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t SELECT g, repeat('x', g % 1000) FROM generate_series(1, 20000) g;
         INSERT INTO t VALUES (0, repeat('long', 1000000))",
    );
    let tcp = |mode: &str| format!("postgresql://postgres@127.0.0.1:{}/school?sslmode={mode}", cluster.port());
    for url in [tcp("require"), tcp("prefer"), tcp("disable"), database.url()] {
        let held = Source::parse(&url).unwrap().snapshot(Duration::from_secs(5), Path::new("/")).unwrap();
        for most in [100, usize::MAX] {
            let mut seen = Vec::new();
            let mut each = |row: Row| {
                seen.push(row.values[1].clone());
                if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            held.scan(&held.relations()[0], &Looking, &mut each).unwrap();
            assert_eq!(seen.len(), most.min(20_001), "{url}");
            assert!(matches!(&seen[0], Value::Large(large) if large.content == Digest::of("long".repeat(1_000_000).as_bytes())));
            assert!(seen.iter().enumerate().skip(1).all(|(id, value)| value.same(&Value::text(&"x".repeat(id % 1000)))));
        }
    }
}
