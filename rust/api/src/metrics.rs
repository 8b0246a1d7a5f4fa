//! The state of a node, and of the cluster, in Prometheus's text format (0.0.4), as `promtool check metrics` wants it: base units, a help for
//! each name, no number where nothing is known.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::types::deploy::{DeploymentState, Deployments, Halts};
use crate::types::pkg::{Job, JobKind, JobState, MetadataState, NodeState};

/// The media type of the format.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const KINDS: [JobKind; 4] = [JobKind::Fetch, JobKind::Verify, JobKind::Repair, JobKind::Gc];

const STATES: [(JobState, &str); 4] = [
    (JobState::Running, "running"),
    (JobState::Done, "done"),
    (JobState::Failed, "failed"),
    (JobState::Cancelled, "cancelled"),
];

/// The gauges of `state`. What is not known is left out, as Prometheus wants it, never told as 0.
pub(crate) fn of(state: &NodeState) -> String {
    let mut text = Text::default();
    let mesos = state.running.as_ref().map_or("", |running| running.mesos_version.as_str());
    let role = state.role.to_string();
    let node =
        [("node", state.node.as_str()), ("role", role.as_str()), ("group", &state.group), ("mesos_version", mesos)];
    text.gauge("dcos_node_info", "What this node is; always 1", [(labels(&node), 1.0)]);
    text.gauge("dcos_packages", "Packages on the node", plain(state.packages.len()));
    if let Some(active) = &state.active {
        text.gauge("dcos_active_generation", "The active generation", plain(active.generation));
        let help = "Packages of the active generation";
        text.gauge("dcos_active_packages", help, plain(active.packages.len()));
    }
    if let Some(running) = &state.running {
        let help = "The generation that the live Mesos was started from";
        text.gauge("dcos_running_generation", help, plain(running.generation));
    }
    text.gauge("dcos_jobs", "Jobs that the node remembers, by kind and state", jobs(&state.jobs));
    text.gauge("dcos_job_bytes", "Bytes of running jobs that have come or are compared, by kind", bytes(&state.jobs));
    if let Some(attempt) = &state.last_attempt {
        let busy = u8::from(!attempt.state.is_final());
        text.gauge("dcos_restart_in_progress", "Whether an attempt is under way", plain(busy));
        if let Some(absence) = attempt.absence_ms {
            let help = "How long Mesos was absent in the last attempt";
            // Exact far beyond any absence.
            #[expect(clippy::cast_precision_loss, reason = "2^53 ms are 285,000 years")]
            text.gauge("dcos_restart_absence_seconds", help, [(String::new(), absence as f64 / 1000.0)]);
        }
    }
    if !state.metadata.is_empty() {
        let help = "When the signed metadata that was seen of a repository expires, by role";
        text.gauge("dcos_repository_metadata_expiry_timestamp_seconds", help, expiries(&state.metadata));
        let help = "When the signed metadata of a repository was last found good";
        text.gauge("dcos_repository_metadata_seen_timestamp_seconds", help, seen(&state.metadata));
    }
    text.gauge("dcos_state_problems", "What of the node's state could not be told", plain(state.problems.len()));
    text.0
}

/// The gauges of the controller: the deployments, the halts and the term of the master that leads; of one that does not,
/// only that.
pub(crate) fn cluster(known: Option<(&Deployments, &Halts, u64)>) -> String {
    let mut text = Text::default();
    text.gauge("dcos_deploy_leading", "Whether this master decides", plain(u8::from(known.is_some())));
    let Some((deployments, halts, term)) = known else { return text.0 };
    text.gauge("dcos_deploy_term", "The term of office of the controller", plain(term));
    text.gauge("dcos_deploy_halts", "Halts that stand", plain(halts.halts.len()));
    let all = &deployments.deployments;
    let mut by_state: BTreeMap<String, usize> = DeploymentState::ALL.iter().map(|state| (word(state), 0)).collect();
    for deployment in all {
        *by_state.entry(word(&deployment.state)).or_default() += 1;
    }
    let samples = by_state.into_iter().map(|(state, count)| (labels(&[("state", &state)]), number(count)));
    text.gauge("dcos_deploy_deployments", "Deployments that are kept, by state", samples);
    if let Some(newest) = all.first() {
        let mut by_state: BTreeMap<String, usize> = BTreeMap::new();
        for node in &newest.nodes {
            *by_state.entry(word(&node.state)).or_default() += 1;
        }
        let samples = by_state.into_iter().map(|(state, count)| (labels(&[("state", &state)]), number(count)));
        text.gauge("dcos_deploy_newest_nodes", "Nodes of the newest deployment, by state", samples);
    }
    text.0
}

/// A state as it goes over the wire.
fn word(state: &impl Serialize) -> String {
    serde_json::to_value(state).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Every kind and state, so that a series begins at 0 and not when it first counts.
fn jobs(jobs: &[Job]) -> Vec<(String, f64)> {
    let count = |kind, state| number(jobs.iter().filter(|job| (job.kind, job.state) == (kind, state)).count());
    let of = |kind: JobKind| {
        STATES.map(|(state, word)| (labels(&[("kind", kind.word()), ("state", word)]), count(kind, state)))
    };
    KINDS.into_iter().flat_map(of).collect()
}

fn bytes(jobs: &[Job]) -> Vec<(String, f64)> {
    let mut sums: BTreeMap<&str, u64> = KINDS.iter().map(|kind| (kind.word(), 0)).collect();
    for job in jobs.iter().filter(|job| job.state == JobState::Running) {
        *sums.entry(job.kind.word()).or_default() += job.packages.iter().map(|package| package.bytes).sum::<u64>();
    }
    sums.into_iter().map(|(kind, sum)| (labels(&[("kind", kind)]), number(sum))).collect()
}

/// Instants, as Prometheus wants them: what is left is `- time()` in a rule, and does not age between two scrapes.
fn expiries(metadata: &[MetadataState]) -> Vec<(String, f64)> {
    let sample = |known: &MetadataState| {
        let labels = labels(&[("repository", &known.repository), ("role", &known.role)]);
        (labels, number(known.expires.as_second()))
    };
    metadata.iter().map(sample).collect()
}

fn seen(metadata: &[MetadataState]) -> BTreeMap<String, f64> {
    let sample = |known: &MetadataState| {
        Some((labels(&[("repository", &known.repository)]), number(known.seen_at?.as_second())))
    };
    metadata.iter().filter_map(sample).collect()
}

/// One sample without labels.
fn plain(value: impl TryInto<u64>) -> [(String, f64); 1] {
    [(String::new(), number(value))]
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows no other numbers, and 2^53 is more than there is")]
fn number(value: impl TryInto<u64>) -> f64 {
    value.try_into().unwrap_or(u64::MAX) as f64
}

/// `{name="value",…}`.
fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs = pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (String, f64)>) {
        // Writing to a string can't fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{expiries, labels, seen};
    use crate::types::pkg::MetadataState;

    #[test]
    fn each_role_expires_and_each_repository_was_seen() {
        let known = |role: &str, expires: i64, seen_at: Option<i64>| MetadataState {
            repository: "site".to_owned(),
            role: role.to_owned(),
            expires: jiff::Timestamp::constant(expires, 0),
            seen_at: seen_at.map(|second| jiff::Timestamp::constant(second, 0)),
        };
        let metadata = [known("timestamp", 500, Some(7)), known("root", 900, Some(7))];
        let expected =
            [("{repository=\"site\",role=\"timestamp\"}", 500.0), ("{repository=\"site\",role=\"root\"}", 900.0)];
        assert_eq!(expiries(&metadata), expected.map(|(labels, value)| (labels.to_owned(), value)));
        assert_eq!(seen(&metadata).into_iter().collect::<Vec<_>>(), [("{repository=\"site\"}".to_owned(), 7.0)]);
        assert!(seen(&[known("root", 900, None)]).is_empty());
    }

    #[test]
    fn values_of_labels_can_not_end_early() {
        assert_eq!(labels(&[("a", "b\"c\\d\ne"), ("f", "")]), "{a=\"b\\\"c\\\\d\\ne\",f=\"\"}");
    }
}
