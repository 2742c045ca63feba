//! Figures: what a backup, a preview, a restore and the console cost, beside what an operator would use today.
//!
//! `benches/run --help` says what can be measured. Every comparison is a ratio to a tool that ran in the same round: a number from
//! another day or machine proves nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../../tests/common/postgres.rs"]
#[allow(dead_code)]
mod cluster;
mod console;
mod corpus;
mod database;
mod measure;
mod place;
mod postgres;

use measure::machine;

const HELP: &str = "\
benches/run [WHAT …]

  database   a SQLite database: first, unchanged and changed backups, preview, restore; beside .backup and restic
  postgres   the same as a PostgreSQL database; beside pg_dump and pg_restore
  console    first frame, and key to drawn frame while a backup runs, in a pseudo-terminal on the demonstration
  demo       how long the demonstration takes to build

  BENCH_MIB    size of the database, about, in MiB (1024)
  BENCH_RUNS   rounds; medians are shown (3)
  BENCH_DIR    where everything is written (a folder of its own in the system's temporary folder, removed at the end)
  BENCH_BINARY another backstop to measure, to compare two builds
  BENCH_KEYS   keys that are typed (5000)

sqlite3 is needed for the comparisons of `database`; restic is used where it is installed. `postgres` needs a PostgreSQL server's programs.";

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if asked.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{HELP}");
        return;
    }
    let all = ["database", "postgres", "console", "demo"];
    if let Some(unknown) = asked.iter().find(|argument| !all.contains(&argument.as_str())) {
        eprintln!("{unknown} cannot be measured\n\n{HELP}");
        std::process::exit(2);
    }
    println!("{}\n", machine());
    let wanted = |what: &str| asked.is_empty() || asked.iter().any(|argument| argument == what);
    if wanted("demo") {
        console::demo();
    }
    if wanted("console") {
        console::console();
    }
    if wanted("database") {
        database::database();
    }
    if wanted("postgres") {
        postgres::postgres();
    }
}
