//! The rule about what an agent finds when it starts again: the checkpoint of the one before it.
//!
//! Forwards it forbids: the agent would end at once. Back it is told only: the set can work, and growth that an agent
//! accepts is growth that its predecessor would refuse to lose. [`crate::checkpoint`] has the comparison itself.

use std::collections::BTreeMap;

use super::{Findings, NodeFacts, SetFacts};
use crate::checkpoint::{Agent, Reason};
use crate::id::PackageId;
use crate::role::Role;

/// The new agent would not accept the checkpoint that is there.
pub const CHECKPOINT_REFUSED: &str = "checkpoint-refused";

/// The agent before would not accept what the new one will leave, so the way back needs a clean work directory.
pub const NO_WAY_BACK: &str = "no-way-back";

/// The variables that an agent's description of itself is made of.
const DESCRIPTION: [&str; 7] = [
    "MESOS_RESOURCES",
    "MESOS_DEFAULT_ROLE",
    "MESOS_ATTRIBUTES",
    "MESOS_HOSTNAME",
    "MESOS_PORT",
    "MESOS_DOMAIN",
    "MESOS_RECONFIGURATION_POLICY",
];

pub(super) fn check(set: &SetFacts, node: &NodeFacts, findings: &mut Findings) {
    let (Some(Role::Agent), Some(agent), Some((config, _))) = (node.role, &node.agent, set.config()) else { return };
    let old = &agent.left_by.environment;
    let new = environment(set, &agent.host);
    if DESCRIPTION.iter().all(|name| old.get(*name) == new.get(*name)) {
        return;
    }
    let generation = agent.left_by.generation;
    match (Agent::rendered(old), Agent::rendered(&new)) {
        (_, Err(error)) => {
            findings.problem("agent-malformed", [config], format!("the agent would not start: {error}"), None);
        }
        (Err(error), Ok(_)) => {
            let why = format!("what generation {generation} said of the agent can't be compared: {error}");
            refused(config, generation, &why, findings);
        }
        (Ok(old), Ok(new)) => {
            let reasons = new.refusals(&old);
            if !reasons.is_empty() {
                return refused(config, generation, &listed(&reasons), findings);
            }
            let reasons = old.refusals(&new);
            if !reasons.is_empty() {
                let message = format!(
                    "once the agent has run with this set, generation {generation} would not accept its checkpoint: {}",
                    listed(&reasons)
                );
                let hint = "going back will need a clean work directory, which ends the agent's tasks";
                findings.note(NO_WAY_BACK, [config], message, Some(hint));
            }
        }
    }
}

fn refused(config: &PackageId, generation: u64, why: &str, findings: &mut Findings) {
    let message = format!("the agent would not accept the checkpoint that generation {generation} left: {why}");
    let hint = "keep what an agent says of itself, let it only grow under `reconfiguration_policy=additive`, or start it \
                with a clean work directory, which ends its tasks";
    findings.problem(CHECKPOINT_REFUSED, [config], message, Some(hint));
}

fn listed(reasons: &[Reason]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What the set's agent would be started with on this host, as far as it describes itself by it.
fn environment(set: &SetFacts, host: &crate::node::MesosFacts) -> BTreeMap<String, String> {
    let configured = set.config().into_iter().flat_map(|(_, config)| &config.environment);
    let packaged = set.local().flat_map(|(_, local)| &local.pkginfo.environment);
    let mut environment: BTreeMap<String, String> =
        configured.chain(packaged).map(|(name, value)| (name.clone(), value.clone())).collect();
    // As `dcos-store` renders them.
    let rendered = [
        ("MESOS_PORT", Some(host.port.to_string())),
        ("MESOS_HOSTNAME", Some(host.advertised_name())),
        ("MESOS_ATTRIBUTES", host.attributes.clone()),
    ];
    environment.extend(rendered.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    environment
}
