//! Where a node stands, as one of a closed list: what is said of it, and the next command, follow from this alone.
//!
//! Deployments tell a node's place as a state and a sentence. The state is a type; what a node waits for or was refused by
//! is in the sentence, which is recognised by its words. A test goes through the sentences in the controller's sources:
//! one that is new has to be given its class here.

use dcos_api::types::deploy::{ClusterNode, Deployment, DeploymentNode, NodeState};
use dcos_core::attempt::AttemptState;

use super::listed::listed;

listed! {
    /// Where a node stands.
    Class {
        /// It runs what it should.
        Well = "well",
        /// It runs another set than its group should.
        Drift = "drift",
        /// It does not answer.
        Unreachable = "unreachable",
        /// It answers, and the master does not list it.
        Unregistered = "unregistered",
        /// It is being restarted by somebody else than the newest deployment.
        RestartedByOther = "restarted-by-other",
        /// The deployment leaves it as it is.
        Skipped = "skipped",
        /// It was away when the deployment came, and is caught up later.
        Late = "late",
        /// The deployment ended before its turn.
        NeverStarted = "never-started",
        /// The deployment is being rolled back, and this node was never started.
        KeepsSet = "keeps-set",
        /// A halt stands.
        WaitsHalt = "waits-halt",
        /// The deployment is paused.
        WaitsPaused = "waits-paused",
        /// Everything is fetched; the order to restart has not come.
        WaitsStart = "waits-start",
        /// The deployment is stopping: nodes under way finish.
        WaitsStopping = "waits-stopping",
        /// The controller has no fresh list of agents.
        WaitsInventory = "waits-inventory",
        /// The monitor's pulse is missing.
        WaitsPulse = "waits-pulse",
        /// Restarts may not begin at this time of day.
        WaitsWindow = "waits-window",
        /// The wave before is being watched.
        WaitsSoak = "waits-soak",
        /// An earlier wave is not done.
        WaitsWave = "waits-wave",
        /// A master does not answer.
        WaitsMaster = "waits-master",
        /// The master does not list it as active.
        WaitsListed = "waits-listed",
        /// Others are away, and no more may be.
        WaitsOthers = "waits-others",
        /// It is next.
        WaitsNext = "waits-next",
        /// It gave no ticket, and is asked again.
        WaitsAgain = "waits-again",
        /// Others still fetch.
        WaitsFetch = "waits-fetch",
        /// Others are still asked whether their sets can work.
        WaitsValidation = "waits-validation",
        /// It waits, in words that are not known here.
        WaitsOther = "waits-other",
        /// It fetches.
        Fetching = "fetching",
        /// It is asked whether the set can work.
        Validating = "validating",
        /// It restarts.
        Restarting = "restarting",
        /// The set failed, and the old one is being put back.
        RollingBack = "rolling-back",
        /// It runs the new set, and can't tell yet whether it is well.
        Unconfirmed = "unconfirmed",
        /// It could not tell in time.
        Doubtful = "doubtful",
        /// It could not fetch.
        FetchFailed = "fetch-failed",
        /// The set can't work there.
        SetRefused = "set-refused",
        /// It never said whether the set can work.
        ValidationSilent = "validation-silent",
        /// Tasks would die of the restart.
        TaskLoss = "task-loss",
        /// The set failed there before.
        FailedBefore = "failed-before",
        /// It refused to begin for another reason.
        BeginRefused = "begin-refused",
        /// It gave no ticket in time.
        NoTicket = "no-ticket",
        /// It did not become well in time.
        Deadline = "deadline",
        /// It was not heard of after its restart began.
        Silent = "silent",
        /// It came up with another set than it was told to.
        OtherSet = "other-set",
        /// It failed, in words that are not known here.
        FailedOther = "failed-other",
        /// It runs its old set again, since the new one failed.
        RolledBack = "rolled-back",
        /// The deployment was rolled back, and this node with it.
        PutBack = "put-back",
        /// Neither set comes up.
        Lost = "lost",
    }
}

/// Words that tell what a node waits for; the first that fit count.
const WAITS: [(&str, Class); 20] = [
    ("waits for halt ", Class::WaitsHalt),
    ("waits for `start`: paused", Class::WaitsPaused),
    ("waits for `start`", Class::WaitsStart),
    ("waits for nodes under way", Class::WaitsStopping),
    ("waits for the master's list", Class::WaitsInventory),
    ("waits for a pulse", Class::WaitsPulse),
    ("waits for the next window", Class::WaitsWindow),
    ("waits for the soak", Class::WaitsSoak),
    ("waits for wave", Class::WaitsWave),
    ("waits for the master ", Class::WaitsMaster),
    ("waits until the master lists", Class::WaitsListed),
    ("is asked again soon", Class::WaitsAgain),
    ("is next", Class::WaitsNext),
    (" to settle", Class::WaitsOthers),
    (" to fetch", Class::WaitsFetch),
    (" to say whether the set can work", Class::WaitsValidation),
    ("is asked whether the set can work", Class::Validating),
    ("waits to be told to fetch", Class::Fetching),
    ("keeps its set", Class::KeepsSet),
    ("was not started before", Class::NeverStarted),
];

/// Words that tell why a node failed.
const FAILURES: [(&str, Class); 12] = [
    ("could not fetch", Class::FetchFailed),
    ("the set can't work there", Class::SetRefused),
    ("did not say whether the set can work", Class::ValidationSilent),
    (" would die: ", Class::TaskLoss),
    ("this set failed here in attempt", Class::FailedBefore),
    ("refused to begin", Class::BeginRefused),
    ("did not answer within", Class::NoTicket),
    ("could not be started within", Class::NoTicket),
    ("was not well within", Class::Deadline),
    ("was not heard of within", Class::Silent),
    ("its attempt is for another set", Class::OtherSet),
    ("its attempt is confirmed, but its set is", Class::OtherSet),
];

fn told<const N: usize>(words: &[(&str, Class); N], detail: &str, otherwise: Class) -> Class {
    // "waits to be told to fetch" is both; what begins the sentence says more than what ends it.
    let begins = words.iter().find(|(words, _)| detail.starts_with(words));
    begins.or_else(|| words.iter().find(|(words, _)| detail.contains(words))).map_or(otherwise, |(_, class)| *class)
}

/// Why a waiting node waits.
pub(super) fn waits(detail: &str) -> Class {
    told(&WAITS, detail, Class::WaitsOther)
}

/// Why a node failed. A refusal to begin says by whom it was refused before it says why.
pub(super) fn failed(detail: &str) -> Class {
    let why = detail.strip_prefix("refused to begin: ").unwrap_or(detail);
    match told(&FAILURES, why, Class::FailedOther) {
        Class::FailedOther if why.len() < detail.len() => Class::BeginRefused,
        class => class,
    }
}

/// Where the node stands.
pub(super) fn classify(node: &ClusterNode, deployment: Option<&Deployment>, part: Option<&DeploymentNode>) -> Class {
    let (Some(deployment), Some(part)) = (deployment, part) else { return alone(node) };
    match part.state {
        NodeState::Waiting | NodeState::Fetched if deployment.state.is_final() => Class::NeverStarted,
        NodeState::Waiting | NodeState::Fetched => waits(&part.detail),
        NodeState::Fetching => Class::Fetching,
        NodeState::Restarting if part.detail.starts_with("rolling back") => Class::RollingBack,
        NodeState::Restarting => Class::Restarting,
        NodeState::Unconfirmed if part.detail.starts_with("could not tell within") => Class::Doubtful,
        NodeState::Unconfirmed => Class::Unconfirmed,
        NodeState::Failed => failed(&part.detail),
        // Put back by the deployment: its attempt was one into the old set, and is confirmed.
        NodeState::RolledBack if part.detail.is_empty() => Class::PutBack,
        NodeState::RolledBack => Class::RolledBack,
        NodeState::Lost => Class::Lost,
        NodeState::Skipped if !node.reachable => Class::Late,
        // What happened since it was done says more than that it was done.
        NodeState::Skipped | NodeState::Confirmed => match alone(node) {
            Class::Well if part.state == NodeState::Skipped => Class::Skipped,
            class => class,
        },
    }
}

/// Where a node stands that no deployment has anything to say of.
fn alone(node: &ClusterNode) -> Class {
    let attempt = node.last_attempt.as_ref().map(|attempt| attempt.state);
    match attempt {
        Some(AttemptState::Lost) => Class::Lost,
        _ if !node.reachable => Class::Unreachable,
        Some(
            AttemptState::Stopping
            | AttemptState::Stopped
            | AttemptState::Switched
            | AttemptState::Starting
            | AttemptState::Watching
            | AttemptState::RollingBack,
        ) => Class::RestartedByOther,
        Some(AttemptState::Unconfirmed) => Class::Unconfirmed,
        _ if !node.registered => Class::Unregistered,
        _ if node.drift => Class::Drift,
        Some(
            AttemptState::Planned
            | AttemptState::Staged
            | AttemptState::Confirmed
            | AttemptState::RolledBack
            | AttemptState::Cancelled,
        )
        | None => Class::Well,
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, FAILURES, WAITS, failed, waits};

    const VIEW: &str = include_str!("../../../../deploy/src/view.rs");
    const GATE: &str = include_str!("../../../../deploy/src/gate.rs");
    const MEMBER: &str = include_str!("../../../../deploy/src/member.rs");
    const ROLLOUT: &str = include_str!("../../../../deploy/src/rollout.rs");
    const RESTART: &str = include_str!("../../../../restart/src/plan.rs");

    /// The texts between quotes in a source, with something in place of what is filled in.
    fn literals(source: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let mut parts = line.split('"');
            while let (Some(_), Some(text)) = (parts.next(), parts.next()) {
                texts.push(
                    text.split(['{', '}']).enumerate().map(|(i, part)| if i % 2 == 0 { part } else { "x" }).collect(),
                );
            }
        }
        texts
    }

    #[test]
    fn every_reason_to_wait_has_its_class() {
        let mut found = 0;
        for text in literals(VIEW).into_iter().chain(literals(GATE)) {
            if text.starts_with("waits ") || text.starts_with("keeps ") || text.starts_with("is next") {
                assert_ne!(waits(&text), Class::WaitsOther, "`{text}` has no class");
                found += 1;
            }
        }
        assert!(found > 12, "{found}: the controller's sentences are somewhere else");
        for (words, _) in WAITS {
            assert!([VIEW, GATE].iter().any(|source| source.contains(words)), "nobody writes `{words}` any more");
        }
    }

    #[test]
    fn every_failure_that_is_looked_for_is_written_somewhere() {
        for (words, class) in FAILURES {
            assert!([MEMBER, ROLLOUT, RESTART].iter().any(|source| source.contains(words)), "nobody writes `{words}`");
            assert_eq!(failed(&format!("{words} and so on")), class);
        }
        for text in literals(MEMBER).into_iter().filter(|text| text.contains(" within x")) {
            let known = [failed(&text), waits(&text)];
            assert!(known[0] != Class::FailedOther || text.starts_with("could not tell"), "`{text}` has no class");
        }
        assert_eq!(failed("refused to begin: no room for it"), Class::BeginRefused);
        assert_eq!(
            failed("refused to begin: 2 tasks of frameworks that do not checkpoint would die: a"),
            Class::TaskLoss
        );
    }
}
