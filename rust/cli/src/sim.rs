//! `dcos-sim`: the controller of deployments against simulated clusters, as many as one likes.
//!
//! `make test` runs two thousand small ones; this is for many more, for large ones, and for running one again that failed.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use dcos_core::ExitCode;
use dcos_deploy::simulator::{Report, Scenario, run};
use serde::Serialize;

use crate::output::{Format, say};

const EXAMPLES: &str = "\
Examples:
  dcos-sim --seeds 100000             clusters of a few nodes, with every sort of trouble
  dcos-sim --nodes 10000 --seeds 20   large ones
  dcos-sim --seed 4711                one of them again, with what came of it

Exit codes: 0 no rule was broken · 1 one was";

/// Runs the controller of deployments against simulated clusters, and checks that its rules hold
#[derive(Debug, Parser)]
#[command(name = "dcos-sim", version, after_help = EXAMPLES)]
struct Arguments {
    /// How many nodes each cluster has [default: a few, as the seed says]
    #[arg(long)]
    nodes: Option<usize>,
    /// How many clusters, each with a seed of its own
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// This seed only, and everything that came of it
    #[arg(long, conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
    /// Print one JSON document on stdout
    #[arg(long)]
    json: bool,
}

/// What came of all runs.
#[derive(Clone, Debug, Default, Serialize)]
struct Summary {
    runs: u64,
    violations: Vec<String>,
    started: usize,
    failovers: usize,
    halts: usize,
    caught_up: usize,
    writes: usize,
    done: u64,
    seconds: f64,
    cpu_seconds: f64,
    /// The most memory that this process had resident, in bytes: every simulated node included.
    peak_memory: u64,
}

impl Summary {
    fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.started += report.started;
        self.failovers += report.failovers;
        self.halts += report.halts;
        self.caught_up += report.caught_up;
        self.writes += report.writes;
        self.done += u64::from(report.ending.starts_with("Done"));
        let seed = report.scenario.seed;
        self.violations.extend(report.violations.iter().map(|violation| format!("seed {seed}: {violation}")));
    }

    fn text(&self) -> String {
        let mut lines = self.violations.clone();
        lines.push(format!(
            "{} of the deployments ended well; {} nodes started, {} failovers, {} writes, {} halts, {} nodes caught up",
            self.done, self.started, self.failovers, self.writes, self.halts, self.caught_up
        ));
        lines.push(format!(
            "{:.1} s, {:.1} s of CPU, {:.0} MB at most",
            self.seconds,
            self.cpu_seconds,
            self.peak_memory as f64 / 1e6
        ));
        lines.push(format!("{} runs, {} violations", self.runs, self.violations.len()));
        lines.join("\n")
    }
}

/// Runs the program; the process ends with the answered code.
pub fn main() -> std::process::ExitCode {
    let arguments: Arguments = match crate::usage::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code.into(),
    };
    let scenario = |seed: u64| arguments.nodes.map_or_else(|| Scenario::of(seed), |nodes| Scenario::large(seed, nodes));
    let seeds = match arguments.seed {
        Some(seed) => seed..seed + 1,
        None => arguments.first..arguments.first.saturating_add(arguments.seeds),
    };
    let summary = campaign(seeds, arguments.seed.is_some(), scenario);
    Format::from_flag(arguments.json).print(&summary, Summary::text);
    if summary.violations.is_empty() { ExitCode::Done.into() } else { ExitCode::Unexpected.into() }
}

/// Runs a scenario for each seed, on as many threads as there are processors.
fn campaign(seeds: Range<u64>, in_full: bool, scenario: impl Fn(u64) -> Scenario + Sync) -> Summary {
    let (next, summary) = (AtomicU64::new(seeds.start), Mutex::new(Summary::default()));
    let (began, told) = (Instant::now(), Mutex::new(Instant::now()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let report = run(scenario(seed));
            if in_full {
                say(&format!("{report:#?}"));
            }
            // A run that panics ends the campaign with its message; nothing half-done is left behind it.
            let mut summary = summary.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            summary.add(&report);
            let mut told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if told.elapsed() >= Duration::from_secs(10) {
                *told = Instant::now();
                say(&format!("{} runs, {} violations so far", summary.runs, summary.violations.len()));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    summary.seconds = began.elapsed().as_secs_f64();
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    summary.cpu_seconds = Duration::try_from(cpu).unwrap_or_default().as_secs_f64();
    summary.peak_memory = peak_memory();
    summary.violations.sort();
    summary
}

/// `VmHWM` of `/proc/self/status`, in bytes; 0 where there is none.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
