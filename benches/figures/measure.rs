//! Runs a program and says what it took: wall time, processor time and the most memory it held.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often a running program is looked at. The kernel keeps the high-water mark, so only growth in its last moments goes unseen.
const LOOK: Duration = Duration::from_millis(4);
/// Clock ticks a second in /proc: the same on every Linux that is in use.
const TICKS: f64 = 100.0;

/// What a program took.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    pub wall: f64,
    pub cpu: f64,
    /// Bytes.
    pub peak: u64,
    pub output: String,
}

/// Runs `command` to its end; it must succeed.
pub fn run(command: &mut Command) -> Cost {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let begun = Instant::now();
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = child.id();
    let (ended, is_over) = channel::<()>();
    let watch = std::thread::spawn(move || {
        let mut seen = (0.0, 0);
        loop {
            seen = look(pid).unwrap_or(seen);
            if is_over.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                return seen;
            }
        }
    });
    let output = child.wait_with_output().unwrap();
    let wall = begun.elapsed().as_secs_f64();
    drop(ended);
    let (cpu, peak) = watch.join().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    Cost { wall, cpu, peak, output: out.into_owned() }
}

/// Processor seconds of a process so far, those of its ended children included, and its peak bytes.
fn look(pid: u32) -> Option<(f64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let peak: u64 = peak.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>();
    Some((ticks / TICKS, peak * 1024))
}

/// Figures by name, in the order in which they first came.
#[derive(Default)]
pub struct Table {
    names: Vec<String>,
    costs: BTreeMap<String, Vec<Cost>>,
    stored: BTreeMap<String, Vec<u64>>,
}

impl Table {
    /// Notes a figure, and tells it at once on standard error: a round takes minutes.
    pub fn add(&mut self, name: &str, cost: Cost, stored: Option<u64>) {
        eprintln!("{name}: {:.2} s wall, {:.2} s CPU, peak {} MiB", cost.wall, cost.cpu, cost.peak >> 20);
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.into());
        }
        self.costs.entry(name.into()).or_default().push(cost);
        self.stored.entry(name.into()).or_default().extend(stored);
    }

    pub fn wall(&self, name: &str) -> Option<f64> {
        Some(median(self.costs.get(name)?.iter().map(|cost| cost.wall)))
    }

    pub fn stored(&self, name: &str) -> Option<f64> {
        let stored = self.stored.get(name).filter(|stored| !stored.is_empty())?;
        Some(median(stored.iter().map(|&bytes| bytes as f64)))
    }

    pub fn peak(&self, name: &str) -> Option<f64> {
        Some(self.costs.get(name)?.iter().map(|cost| cost.peak as f64).fold(0.0, f64::max))
    }

    pub fn print(&self) {
        println!("| step | wall s (all runs) | CPU s | peak MiB | stored MiB |\n|---|---:|---:|---:|---:|");
        for name in &self.names {
            let costs = &self.costs[name];
            let walls: Vec<_> = costs.iter().map(|cost| format!("{:.2}", cost.wall)).collect();
            let (wall, cpu) = (median(costs.iter().map(|cost| cost.wall)), median(costs.iter().map(|cost| cost.cpu)));
            let peak = self.peak(name).unwrap_or_default() / MIB;
            let stored = self.stored(name).map_or("–".into(), |bytes| format!("{:.1}", bytes / MIB));
            println!("| {name} | {wall:.2} ({}) | {cpu:.2} | {peak:.0} | {stored} |", walls.join(", "));
        }
    }
}

pub const MIB: f64 = 1024.0 * 1024.0;

pub fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    let (low, high) = (numbers[(numbers.len() - 1) / 2], numbers[numbers.len() / 2]);
    f64::midpoint(low, high)
}

/// The machine, in a line.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let field = |text: &str, name: &str| {
        text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start_matches([':', '\t', ' ']).to_owned())).unwrap_or_default()
    };
    let model = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let load = read("/proc/loadavg");
    let kernel = read("/proc/sys/kernel/osrelease");
    let profile = if cfg!(debug_assertions) { "debug build" } else { "release build" };
    format!(
        "backstop {} ({profile}); {cores} cores of {model}; memory {memory}; Linux {}; load {}",
        env!("CARGO_PKG_VERSION"),
        kernel.trim(),
        load.trim()
    )
}
