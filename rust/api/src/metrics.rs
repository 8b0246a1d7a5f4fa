//! The state of a node in Prometheus's text format (0.0.4).

use std::fmt::Write as _;

use crate::types::pkg::{JobState, NodeState};

/// The media type of the format.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The gauges of `state`. What is not known is left out, as Prometheus wants it, never told as 0.
pub(crate) fn of(state: &NodeState) -> String {
    let mut text = String::new();
    let count = |wanted: JobState| state.jobs.iter().filter(|job| job.state == wanted).count() as u64;

    gauge(&mut text, "dcos_packages", "Packages on the node", &[("", state.packages.len() as u64)]);
    if let Some(active) = &state.active {
        gauge(&mut text, "dcos_active_generation", "The active generation", &[("", active.generation)]);
    }
    if let Some(running) = &state.running {
        let help = "The generation that the live Mesos was started from";
        gauge(&mut text, "dcos_running_generation", help, &[("", running.generation)]);
    }
    let jobs = [
        ("{state=\"running\"}", count(JobState::Running)),
        ("{state=\"done\"}", count(JobState::Done)),
        ("{state=\"failed\"}", count(JobState::Failed)),
        ("{state=\"cancelled\"}", count(JobState::Cancelled)),
    ];
    gauge(&mut text, "dcos_jobs", "Jobs that the node remembers, by their state", &jobs);
    if let Some(attempt) = &state.last_attempt {
        let busy = u64::from(!attempt.state.is_final());
        gauge(&mut text, "dcos_restart_in_progress", "Whether an attempt is under way", &[("", busy)]);
        if let Some(absence) = attempt.absence_ms {
            let help = "How long Mesos was absent in the last attempt";
            gauge(&mut text, "dcos_restart_absence_milliseconds", help, &[("", absence)]);
        }
    }
    let problems = state.problems.len() as u64;
    gauge(&mut text, "dcos_state_problems", "What of the node's state could not be told", &[("", problems)]);
    text
}

fn gauge(text: &mut String, name: &str, help: &str, samples: &[(&str, u64)]) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in samples {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}
