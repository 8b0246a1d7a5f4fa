//! How far a fetch is, on stderr: bars on a terminal, a line for each thing that happens elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};

use dcos_core::PackageId;
use dcos_repo::{Event, Progress};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};

use crate::output::say;

/// The best way to show progress here.
pub(crate) fn new(quiet: bool) -> Arc<dyn Progress> {
    match (quiet, std::io::stderr().is_terminal()) {
        (true, _) => Arc::new(Nothing),
        (false, true) => Arc::new(Bars::default()),
        (false, false) => Arc::new(Lines),
    }
}

struct Nothing;

impl Progress for Nothing {
    fn event(&self, _: &PackageId, _: Event) {}
}

struct Lines;

impl Progress for Lines {
    fn event(&self, id: &PackageId, event: Event) {
        match event {
            Event::Found { size: Some(size) } => say(&format!("fetching {id} ({})", HumanBytes(size))),
            Event::Found { size: None } => say(&format!("fetching {id}")),
            Event::Retrying(why) => say(&format!("fetching {id}: {why}; trying again")),
            // The result is told on stdout, and failures are told at the end.
            Event::Bytes(_) | Event::Present(_) | Event::Failed(_) => {}
        }
    }
}

#[derive(Default)]
struct Bars {
    all: MultiProgress,
    bars: Mutex<BTreeMap<PackageId, ProgressBar>>,
}

impl Progress for Bars {
    fn event(&self, id: &PackageId, event: Event) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(id.clone()).or_insert_with(|| {
            // Dressed before it is shown: a bar is drawn as soon as it is added.
            self.all.add(ProgressBar::no_length().with_style(style()).with_prefix(id.to_string()))
        });
        match event {
            Event::Found { size } => size.into_iter().for_each(|size| bar.set_length(size)),
            Event::Bytes(count) => bar.set_position(count),
            Event::Retrying(why) => bar.set_message(why),
            Event::Present(_) | Event::Failed(_) => bar.finish_and_clear(),
        }
    }
}

fn style() -> ProgressStyle {
    let template = "{prefix} [{bar:25}] {bytes}/{total_bytes} {bytes_per_sec} {msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
