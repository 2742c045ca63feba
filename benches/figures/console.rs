//! The console on the demonstration, in a pseudo-terminal: how soon its first frame stands, and how long a key takes to be seen.

#[allow(dead_code)]
#[path = "../../tests/common/terminal.rs"]
mod terminal;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::measure::{median, run};
use super::place::{Place, backstop, setting};
use terminal::Terminal;

/// What marks the row that the cursor is on.
const MARK: char = '▸';

/// Builds the demonstration.
pub fn demo() {
    let place = Place::new();
    println!("## The demonstration\n");
    let walls: Vec<f64> = (0..setting("BENCH_RUNS", 3))
        .map(|_| {
            let cost = run(&mut build(&place.fresh("demo")));
            println!("built in {:.1} s ({:.1} s of processor time, peak {} MiB)", cost.wall, cost.cpu, cost.peak >> 20);
            cost.wall
        })
        .collect();
    verdict("the demonstration is built", median(walls.into_iter()), 30.0, "s");
}

fn build(folder: &Path) -> Command {
    backstop(folder, &["demo", "--dir", folder.join("school").to_str().unwrap(), "--no-console"])
}

/// First frames, then keys while backups run one after another in another process.
pub fn console() {
    let place = Place::new();
    let folder = place.fresh("console");
    run(&mut build(&folder));
    let school = School { home: folder.join("school/home"), passphrase: folder.join("school/passphrase") };
    println!("## The console on the demonstration, 120×40\n");
    let firsts: Vec<f64> = (0..21).map(|_| school.first_frame()).collect();
    let first = tell("start to first frame", firsts);
    verdict("first frame", first.median, 100.0, "ms");
    let keys = setting("BENCH_KEYS", 5000);
    tell("key to drawn frame, nothing else running", school.keys(keys));
    let (during, backups) = school.while_backing_up(|| school.keys(keys));
    println!("({backups} full backups, each a new base, were made meanwhile)");
    let during = tell("key to drawn frame, while a backup runs", during);
    verdict("key to drawn frame while a backup runs, p99", during.p99, 16.0, "ms");
    println!();
}

struct School {
    home: PathBuf,
    passphrase: PathBuf,
}

impl School {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = backstop(&self.home, arguments);
        command.args(["--passphrase-file", self.passphrase.to_str().unwrap()]).current_dir(&self.home);
        command
    }

    fn open(&self) -> Terminal {
        Terminal::start(&self.command(&["console"]), 120, 40)
    }

    fn first_frame(&self) -> f64 {
        let begun = Instant::now();
        let mut terminal = self.open();
        terminal.wait_until("the first frame", |screen| !screen.trim().is_empty());
        let taken = milliseconds(begun);
        terminal.keys("q");
        terminal.end();
        taken
    }

    /// Moves the cursor up and down a list and changes screens; each key must be seen before the next is typed.
    fn keys(&self, keys: u64) -> Vec<f64> {
        let mut terminal = self.open();
        let mut taken = Vec::new();
        terminal.wait("school");
        while (taken.len() as u64) < keys {
            for (screen, shows) in [("3", "STARTED"), ("4", "TAKEN")] {
                taken.push(time(&mut terminal, screen, |screen| screen.contains(shows)));
            }
            terminal.wait_until("the list", |screen| marked(screen).is_some());
            for key in ["j", "j", "j", "j", "k", "k", "k", "k"] {
                let before = marked(&terminal.screen());
                taken.push(time(&mut terminal, key, |screen| marked(screen) != before));
            }
        }
        terminal.keys("q");
        terminal.end();
        taken
    }

    /// Backs the school up again and again until `meanwhile` is over; says how often.
    fn while_backing_up<T>(&self, meanwhile: impl FnOnce() -> T) -> (T, u64) {
        let (over, made) = (AtomicBool::new(false), AtomicU64::new(0));
        let given = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    run(&mut self.command(&["backup", "--app", "school", "--type", "full", "--new-base", "--json"]));
                    made.fetch_add(1, Ordering::Relaxed);
                }
            });
            let given = meanwhile();
            over.store(true, Ordering::Relaxed);
            given
        });
        (given, made.into_inner())
    }
}

/// The line that the cursor is on.
fn marked(screen: &str) -> Option<usize> {
    screen.lines().position(|line| line.trim_start().starts_with(MARK))
}

fn time(terminal: &mut Terminal, key: &str, seen: impl Fn(&str) -> bool) -> f64 {
    let begun = Instant::now();
    terminal.keys(key);
    terminal.wait_until(key, seen);
    milliseconds(begun)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

struct Spread {
    median: f64,
    p99: f64,
}

fn tell(what: &str, mut taken: Vec<f64>) -> Spread {
    taken.sort_by(f64::total_cmp);
    let at = |percent: usize| taken[(taken.len() - 1) * percent / 100];
    let (p50, p95, p99, most) = (at(50), at(95), at(99), at(100));
    println!("{what}: {} times; p50 {p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms, most {most:.1} ms", taken.len());
    Spread { median: p50, p99 }
}

fn verdict(what: &str, measured: f64, limit: f64, unit: &str) {
    println!("{} {what}: {measured:.1} {unit} of {limit} {unit}", if measured < limit { "reached:" } else { "MISSED:" });
}
