//! Pins: nodes and groups that are left as they are until somebody takes the pin out.
//!
//! A pin is a document of the log beside the others, so it outlives controllers and is in backups. Plans pass over what is
//! pinned, and say why. A node that an unfinished deployment means to change can't be pinned: whether it has had its turn
//! would be a matter of luck. Nor is a finished deployment rolled back over a pinned node; a retry passes it over.

use std::collections::BTreeMap;

use dcos_api::types::pins::{Pin, PinRequest, Pinned, Pins};
use dcos_core::{ExitCode, Problem};

use crate::desk::Desk;
use crate::event::{Now, Outcome};
use crate::member::refusal;
use crate::state::{Fact, Member, Rollout, Stage, State};

/// What the documents are called.
const KIND: &str = "pin";

fn key(what: &Pinned) -> (String, String) {
    let id = match what {
        Pinned::Node(name) => format!("node {name}"),
        Pinned::Group(name) => format!("group {name}"),
    };
    (KIND.to_owned(), id)
}

impl Desk {
    fn pin_on(&self, what: &Pinned) -> Option<Pin> {
        // Written by this module only. One that a later release wrote and that can't be read pins nothing.
        serde_json::from_value(self.documents.get(&key(what))?.clone()).ok()
    }

    /// Why a node is left as it is, if it is pinned or its group is.
    pub(crate) fn pinned(&self, node: &str, group: &str) -> Option<String> {
        let of_node = self.pin_on(&Pinned::Node(node.to_owned()));
        let pin = of_node.or_else(|| self.pin_on(&Pinned::Group(group.to_owned())))?;
        let by = pin.by.as_deref().unwrap_or("nobody in particular");
        let what = if matches!(pin.what, Pinned::Node(_)) {
            "it is pinned".to_owned()
        } else {
            format!("{} is pinned", pin.what)
        };
        Some(format!("{what} by {by}: {}", pin.reason))
    }

    fn keep_pin(&mut self, what: &Pinned, pin: Option<serde_json::Value>) {
        let key = key(what);
        match &pin {
            Some(pin) => drop(self.documents.insert(key.clone(), pin.clone())),
            None => drop(self.documents.remove(&key)),
        }
        self.facts.push(Fact::Document { kind: key.0, id: key.1, body: pin });
    }
}

/// The pins that are set.
pub fn pins(state: &State) -> Pins {
    let mut pins: Vec<Pin> = state
        .desk
        .documents
        .iter()
        .filter(|((kind, _), _)| kind == KIND)
        .filter_map(|(_, body)| serde_json::from_value(body.clone()).ok())
        .collect();
    pins.sort_by(|left, right| left.what.cmp(&right.what));
    Pins { pins }
}

/// Sets a pin, in the place of the one before on the same.
pub(crate) fn pin(
    rollouts: &BTreeMap<u64, Rollout>,
    desk: &mut Desk,
    request: PinRequest,
    by: Option<String>,
    now: Now,
) -> Result<Outcome, Problem> {
    let PinRequest { what, reason } = request;
    let is_meant = |member: &Member| match &what {
        Pinned::Node(name) => member.node == *name,
        Pinned::Group(name) => member.group == *name,
    };
    let under_way = rollouts.values().filter(|rollout| !rollout.is_over());
    let mut members = under_way.flat_map(|rollout| rollout.members.iter().map(move |member| (rollout, member)));
    if let Some((rollout, member)) = members.find(|(_, it)| it.stage != Stage::Skipped && is_meant(it)) {
        let text = format!("deployment `{}` is about to change {}", rollout.id(), member.node);
        return Err(refusal(ExitCode::Conflict, "deployment-running", text)
            .hint(format!("wait for its end, or end it: `dcos deploy abort {}`", rollout.id()))
            .hint("`dcos deploy halt` stops everything meanwhile"));
    }
    let pin = Pin { what, reason, by, at: now.wall };
    let body = serde_json::to_value(&pin)
        .map_err(|error| refusal(ExitCode::Unexpected, "unexpected", format!("can't write the pin down: {error}")))?;
    let text = format!("{} pinned {}: {}", pin.by.as_deref().unwrap_or("nobody in particular"), pin.what, pin.reason);
    desk.keep_pin(&pin.what, Some(body));
    desk.tell("pin", (None, node_of(&pin.what)), text, now);
    Ok(Outcome::Done)
}

/// Takes a pin out.
pub(crate) fn unpin(desk: &mut Desk, what: &Pinned, by: Option<&str>, now: Now) -> Result<Outcome, Problem> {
    if !desk.documents.contains_key(&key(what)) {
        let text = format!("{what} is not pinned");
        return Err(refusal(ExitCode::NotFound, "no-such-pin", text).hint("list what is with `dcos deploy pins`"));
    }
    desk.keep_pin(what, None);
    let text = format!("{} took the pin out of {what}", by.unwrap_or("nobody in particular"));
    desk.tell("unpin", (None, node_of(what)), text, now);
    Ok(Outcome::Done)
}

fn node_of(what: &Pinned) -> Option<String> {
    match what {
        Pinned::Node(name) => Some(name.clone()),
        Pinned::Group(_) => None,
    }
}

/// Refuses what would change a pinned node.
pub(crate) fn refused<'a>(
    desk: &Desk,
    mut nodes: impl Iterator<Item = (&'a str, &'a str)>,
    what: &str,
) -> Result<(), Problem> {
    let pinned = nodes.find_map(|(node, group)| Some((node, desk.pinned(node, group)?)));
    match pinned {
        None => Ok(()),
        Some((node, why)) => Err(refusal(ExitCode::Conflict, "pinned", format!("can't {what}: {node}: {why}"))
            .hint("`dcos deploy unpin` takes a pin out")),
    }
}

#[cfg(test)]
#[path = "pins_tests.rs"]
mod tests;
