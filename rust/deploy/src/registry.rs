//! What the masters' registry demands of every master that is to read it.
//!
//! Mesos writes into its registry which capabilities a master must have to understand it: `AGENT_DRAINING` while an agent
//! drains or is deactivated, `QUOTA_V2` while quotas have limits. A master without one of them ends at once. So before a
//! master goes back to an older Mesos, the registry of the one that leads is read: when a deployment is planned, when
//! somebody orders a rollback, and once more just before each master's turn on the way back, since an agent may have
//! been drained meanwhile.

use std::cmp::Ordering;

use dcos_core::resolve::mesos_of;
use dcos_core::validate::Finding;
use dcos_core::version::compare;
use dcos_core::{PackageSet, Role};

use crate::desk::Desk;
use crate::event::{Action, Now};
use crate::member::Node;
use crate::plan::Planned;

/// The capabilities that we know of, each with the first Mesos whose masters have it.
const KNOWN: [(&str, &str); 3] = [("AGENT_UPDATE", "1.5.0"), ("AGENT_DRAINING", "1.9.0"), ("QUOTA_V2", "1.9.0")];

/// The newest Mesos whose capabilities are all in that list.
const NEWEST: &str = "1.11.0";

/// How old an answer may be to let a master go back, in milliseconds.
const LIFE: u64 = 10_000;

/// How long to wait for an answer, and after one that tells nothing, before the registry is read again, in milliseconds.
const AGAIN: u64 = 5_000;

/// What the registry demands, or why it can't be read.
pub type Demands = Result<Vec<String>, String>;

/// Whether a master may go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WayBack {
    /// It may.
    Open,
    /// That can't be told, for this reason.
    Unknown(String),
    /// It may not, for this reason.
    Closed(String),
}

/// Whether the Mesos of `to` is older than that of `from`.
pub fn is_older(to: &PackageSet, from: &PackageSet) -> bool {
    matches!((mesos_of(to), mesos_of(from)), (Some(to), Some(from)) if compare(to, from) == Ordering::Less)
}

/// Whether a master may go from one set to another, as far as its registry goes.
pub fn way_back(demands: &Demands, from: &PackageSet, to: &PackageSet) -> WayBack {
    let (Some(old), Some(new)) = (mesos_of(to), mesos_of(from)) else { return WayBack::Open };
    if !is_older(to, from) {
        return WayBack::Open;
    }
    let has = |first: &str| compare(old, first) != Ordering::Less;
    match demands {
        Ok(demands) => {
            match demands.iter().find(|name| !KNOWN.iter().any(|(known, first)| known == name && has(first))) {
                Some(name) => WayBack::Closed(format!(
                    "the masters' registry demands the capability `{name}`, and Mesos {old} is not known to have it: a master \
                 of that version would end at once"
                )),
                None => WayBack::Open,
            }
        }
        // Nothing that any of these versions writes can be in the way.
        Err(_) if KNOWN.iter().all(|(_, first)| has(first)) && compare(new, NEWEST) != Ordering::Greater => {
            WayBack::Open
        }
        Err(why) => WayBack::Unknown(format!("whether the masters' registry lets Mesos {old} in can't be told: {why}")),
    }
}

/// What an operator can do about a registry that lets no older master in.
pub const HINT: &str =
    "reactivate drained and deactivated agents and take limits off quotas, or leave the masters as they are";

/// What stands against a plan: masters that it would put below what the registry demands.
pub(crate) fn findings(nodes: &[Planned], demands: &Demands) -> Vec<Finding> {
    let refused = |node: &Planned| {
        let why = match way_back(demands, &node.from, &node.to) {
            WayBack::Open => return None,
            WayBack::Unknown(why) | WayBack::Closed(why) => why,
        };
        let (code, message) = ("registry-capability".to_owned(), format!("{}: {why}", node.node));
        Some(Finding { code, packages: Vec::new(), message, hint: Some(HINT.to_owned()) })
    };
    nodes.iter().filter(|node| goes_back(node)).filter_map(refused).collect()
}

/// Whether a node of a plan is a master that would get an older Mesos.
pub(crate) fn goes_back(node: &Planned) -> bool {
    node.role == Role::Master && node.left.is_none() && is_older(&node.to, &node.from)
}

/// What the controller knows of the registry.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// When it was asked for.
    asked: Option<u64>,
    /// What it demands, and since when that is known.
    known: Option<(u64, Demands)>,
}

impl Desk {
    /// Takes in what the registry demands.
    pub(crate) fn registry_read(&mut self, demands: Demands, now: Now) {
        self.registry.known = Some((now.mono, demands));
    }

    /// What the registry demands just now; `None` while the leading master is asked.
    fn demands(&mut self, now: Now) -> Option<Demands> {
        let fresh = |at: u64, life: u64| now.mono.saturating_sub(at) < life;
        if let Some((at, demands)) = &self.registry.known
            && fresh(*at, if demands.is_ok() { LIFE } else { AGAIN })
        {
            return Some(demands.clone());
        }
        if !self.registry.asked.is_some_and(|at| fresh(at, AGAIN)) {
            self.registry.asked = Some(now.mono);
            self.actions.push(Action::ReadRegistry);
        }
        None
    }
}

impl Node<'_> {
    /// Whether the node, whose turn to go back it is, may do so now. One that may never is given up; one for which that
    /// can't be told waits, and is late like one that gives no ticket.
    pub(crate) fn may_go_back(&mut self) -> bool {
        let member = &self.rollout.members[self.index];
        if member.role != Role::Master || !is_older(&member.from, &member.to) {
            return true;
        }
        let answer = self.desk.demands(self.now).map(|demands| {
            let member = &self.rollout.members[self.index];
            way_back(&demands, &member.to, &member.from)
        });
        match answer {
            Some(WayBack::Open) => return true,
            Some(WayBack::Closed(why)) => self.refuse(why),
            None | Some(WayBack::Unknown(_)) => {
                let now = self.now.mono;
                let mut member = self.edit();
                member.work.since.get_or_insert(now);
                if let Some(WayBack::Unknown(why)) = answer {
                    member.work.trouble = Some(why);
                }
            }
        }
        false
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
