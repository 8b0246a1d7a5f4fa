//! Following a deployment to its end: one line for each change, and at last what runs now.
//!
//! The master that answers may itself be restarted by the deployment, so silence is waited out for a while. Nothing is
//! lost by it: what is printed is the difference between two answers, however far apart they are.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use dcos_api::types::deploy::{ClusterNodes, Deployment, DeploymentState, DeploymentSummary, Halt, NodeState, Summary};
use dcos_core::{ExitCode, Problem};
use indicatif::{ProgressBar, ProgressStyle};
use serde::de::DeserializeOwned;

use super::{deploy, summary};
use crate::client::Client;
use crate::output::{Format, say};

/// How often the master is asked.
const INTERVAL: Duration = Duration::from_millis(250);

/// How often it is asked about a deployment with more nodes than a summary names: they are counted in lines.
const INTERVAL_OF_MANY: Duration = Duration::from_secs(1);

/// How many of the last lines of a failed node's log are shown; `dcos deploy explain` shows more.
const LOG_LINES: usize = 6;

/// How many characters of a reason are shown in a line of progress.
const REASON: usize = 200;

/// How many characters of a line of a log are shown.
const LOG_WIDTH: usize = 120;

/// Follows the deployment, prints its result, and answers how it ended; `wanted` is the state that counts as success.
pub(super) async fn follow(
    client: &Client,
    format: Format,
    id: &str,
    wanted: DeploymentState,
) -> Result<ExitCode, Problem> {
    let mut progress = Progress::new();
    let mut seen: Option<DeploymentSummary> = None;
    let (short, halts) = loop {
        let answer: Summary = ask(client, id, &deploy::in_short(Some(id)), &mut progress).await?;
        let Some(short) = answer.deployment else {
            let text = format!("there is no deployment `{id}`");
            return Err(Problem::new(ExitCode::NotFound, "no-such-deployment", text));
        };
        for line in changes(seen.as_ref(), &short) {
            progress.line(&line);
        }
        progress.show(&short);
        if is_over(short.state) {
            break (short, answer.halts);
        }
        let pause = if short.left_out > 0 { INTERVAL_OF_MANY } else { INTERVAL };
        seen = Some(short);
        tokio::time::sleep(pause).await;
    };
    let deployment: Deployment = ask(client, id, &deploy::whole(id), &mut progress).await?;
    progress.finish();
    let cluster: Result<ClusterNodes, Problem> = client.get("/deploy/nodes").await;
    format.print(&deployment, |deployment| ending(deployment, &short, cluster.as_ref().ok(), &halts));
    Ok(if short.state == wanted { ExitCode::Done } else { summary::outcome(&short) })
}

/// Whether a waiting command has nothing more to wait for: also where only a person lets it go on.
pub(super) const fn is_over(state: DeploymentState) -> bool {
    state.is_final() || matches!(state, DeploymentState::Halted | DeploymentState::Paused | DeploymentState::Staged)
}

async fn ask<T: DeserializeOwned>(
    client: &Client,
    id: &str,
    path: &str,
    progress: &mut Progress,
) -> Result<T, Problem> {
    let since = Instant::now();
    let mut told = false;
    loop {
        match client.get(path).await {
            Ok(answer) => return Ok(answer),
            Err(problem) if !Client::may_pass(&problem) => return Err(problem),
            Err(problem) if since.elapsed() > client.patience() => {
                let again = format!("`dcos deploy watch {id}` follows it again; it goes on without us");
                return Err(problem.hint(again).hint("running now: nobody answers, so it can't be told from here"));
            }
            Err(_) => {
                if !told {
                    progress.line("the master does not answer; it may be restarting");
                    told = true;
                }
                tokio::time::sleep(INTERVAL).await;
            }
        }
    }
}

/// What is different between two answers, a line each.
pub(super) fn changes(old: Option<&DeploymentSummary>, new: &DeploymentSummary) -> Vec<String> {
    let mut lines = Vec::new();
    // While packages arrive the reason counts nodes, which have lines of their own.
    let counts = matches!(new.state, DeploymentState::Fetching | DeploymentState::Validating);
    if old.is_none_or(|old| old.state != new.state || (old.reason != new.reason && !counts)) {
        let because = if new.reason.is_empty() || counts {
            String::new()
        } else {
            format!(": {}", summary::short(&new.reason, REASON))
        };
        lines.push(format!("{} {}{because}", new.id, summary::state(new.state)));
    }
    let state_before = |name: &str| {
        old.and_then(|old| old.nodes.iter().find(|node| node.node == name))
            .map(|node| (node.state, node.detail.as_str()))
    };
    let many = new.left_out > 0;
    if many && old.is_none_or(|old| old.counts != new.counts) {
        let counts = new.counts.iter().map(|(state, number)| format!("{number} {}", summary::state(state)));
        lines.push(format!("  {}", counts.collect::<Vec<_>>().join(", ")));
    }
    // Of many nodes only those are named that went wrong: they stand at the front of what is named, and stay there.
    let is_named = |state: NodeState| !many || summary::ILL.contains(&state);
    // Nodes that took the same step stand on one line: a fleet fetches all at once.
    let mut steps: BTreeMap<(u8, &str), (NodeState, Vec<&str>)> = BTreeMap::new();
    for node in new.nodes.iter().filter(|node| is_named(node.state)) {
        let before = state_before(&node.node);
        let is_news = match before {
            Some((state, detail)) => {
                state != node.state || (node.state == NodeState::Restarting && detail != node.detail)
            }
            None => node.state != NodeState::Waiting,
        };
        if is_news {
            // What a node waits for says nothing that the state does not.
            let idle = matches!(node.state, NodeState::Waiting | NodeState::Fetching | NodeState::Fetched);
            let detail = if idle { "" } else { node.detail.as_str() };
            let step = steps.entry((node.state as u8, detail)).or_insert((node.state, Vec::new()));
            step.1.push(&node.node);
        }
    }
    for ((_, detail), (state, names)) in steps {
        let why = if detail.is_empty() { String::new() } else { format!(": {}", summary::short(detail, REASON)) };
        lines.push(format!("  {} {}{why}", summary::nodes(names), summary::state(state)));
    }
    lines
}

/// What is said at the end. The last line tells what is running now.
fn ending(
    deployment: &Deployment,
    short: &DeploymentSummary,
    cluster: Option<&ClusterNodes>,
    halts: &[Halt],
) -> String {
    let mut text = String::new();
    if let Some(ill) = summary::first_failure(short).filter(|_| short.state != DeploymentState::Done) {
        // The summary leaves logs out.
        let log = deployment.nodes.iter().find(|node| node.node == ill.node).map_or(&[][..], |node| &node.log);
        for line in &log[log.len().saturating_sub(LOG_LINES)..] {
            text.push_str(&format!("  {}: {}\n", ill.node, summary::short(line, LOG_WIDTH)));
        }
    }
    if short.state != DeploymentState::Done {
        text.push_str(&format!("next: `{}`\n", summary::next_command(short, halts)));
    }
    let running = match cluster {
        Some(cluster) => summary::running_now(short, Some(cluster)),
        None => "nobody answers, so it can't be told".to_owned(),
    };
    let state = summary::state(short.state);
    text.push_str(&format!("{}: {state}; running now: {running}\n", summary::change(&short.change)));
    text
}

/// Lines as they come, and on a terminal a bar below them.
struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new() -> Self {
        Self { bar: std::io::stderr().is_terminal().then(ProgressBar::new_spinner) }
    }

    fn line(&self, text: &str) {
        let line = format!("{} {text}", jiff::Zoned::now().strftime("%H:%M:%S"));
        match &self.bar {
            Some(bar) => bar.suspend(|| say(&line)),
            None => say(&line),
        }
    }

    fn show(&self, deployment: &DeploymentSummary) {
        let Some(bar) = &self.bar else { return };
        if bar.length().is_none() {
            bar.set_length((deployment.total() - deployment.count(&[NodeState::Skipped])) as u64);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:24} {pos}/{len} {msg}") {
                bar.set_style(style);
            }
        }
        bar.set_position(deployment.count(&[NodeState::Confirmed]) as u64);
        bar.set_message(format!("waiting for: {}", summary::waiting_for(deployment)));
        bar.tick();
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::changes;
    use crate::dcos::summary::tests::upgrade;

    #[test]
    fn only_what_is_different_is_told_and_nodes_that_did_the_same_share_a_line() {
        let before = upgrade("fetching", &[("a:1", "waiting"), ("b:1", "fetching"), ("c:1", "fetching")]);
        assert_eq!(changes(None, &before), ["d-1 fetching", "  b:1, c:1 fetching"]);
        assert_eq!(changes(Some(&before), &before), Vec::<String>::new());
        let after = upgrade("restarting", &[("a:1", "restarting"), ("b:1", "fetched"), ("c:1", "fetched")]);
        assert_eq!(changes(Some(&before), &after), ["d-1 restarting", "  b:1, c:1 fetched", "  a:1 restarting"]);
    }

    #[test]
    fn a_fleet_is_counted() {
        let names = ["a:1", "b:1", "c:1", "d:1", "e:1"];
        let nodes: Vec<(&str, &str)> = names.iter().map(|name| (*name, "fetched")).collect();
        assert_eq!(changes(None, &upgrade("fetching", &nodes)), ["d-1 fetching", "  5 nodes fetched"]);
    }

    #[test]
    fn of_more_nodes_than_a_summary_names_only_those_are_named_that_went_wrong() {
        let fleet = |ill: &'static str, done: usize| {
            let names: Vec<String> = (0..200).map(|place| format!("a{place}:1")).collect();
            let state = |place: usize| match place {
                199 => ill,
                place if place < done => "confirmed",
                _ => "waiting",
            };
            let nodes: Vec<(&str, &str)> =
                names.iter().enumerate().map(|(place, name)| (name.as_str(), state(place))).collect();
            upgrade("restarting", &nodes)
        };
        let (begun, later) = (fleet("waiting", 0), fleet("lost", 5));
        assert_eq!(changes(None, &begun), ["d-1 restarting", "  200 waiting"]);
        assert_eq!(changes(Some(&begun), &later), ["  194 waiting, 5 confirmed, 1 lost", "  a199:1 lost"]);
        assert_eq!(changes(Some(&later), &later), Vec::<String>::new());
    }
}
