//! What the controller has at hand beside the deployments, and what a step came to so far.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dcos_api::types::deploy::{DeployEvent, Halt};
use dcos_core::PackageSet;

use crate::event::{Action, Now, ReplyTo, Request, Token};
use crate::registry::Registry;
use crate::state::{Fact, Inventory, Rollout, Stage};

/// How many events are kept.
const EVENTS: usize = 1000;

/// What the controller knows beside the deployments, and what this step came to so far.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(crate) term: u64,
    pub(crate) newest_halt: u64,
    pub(crate) halts: Vec<Halt>,
    pub(crate) desired: BTreeMap<String, PackageSet>,
    pub(crate) events: VecDeque<DeployEvent>,
    pub(crate) newest_event: u64,
    /// What other parts keep here, by kind and id.
    pub(crate) documents: BTreeMap<(String, String), serde_json::Value>,

    /// Since when this controller acts.
    pub(crate) office: u64,
    pub(crate) inventory: Option<Inventory>,
    pub(crate) pulse: Option<u64>,
    pub(crate) registry: Registry,
    pub(crate) newest_token: Token,
    /// The `go`s that may still be honoured: until when.
    pub(crate) going: BTreeMap<(u64, usize), u64>,
    /// The deployments whose late nodes are being caught up, or shall not be just yet: until when.
    pub(crate) catching: BTreeMap<u64, u64>,
    /// Who waits for which halt to hold.
    pub(crate) halting: Vec<(ReplyTo, Halt)>,

    pub(crate) changed_headers: BTreeSet<u64>,
    pub(crate) changed_members: BTreeSet<(u64, usize)>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) actions: Vec<Action>,
}

impl Desk {
    pub(crate) fn halts_fact(&self) -> Fact {
        Fact::Halts { newest: self.newest_halt, halts: self.halts.clone() }
    }

    /// Moves a node on, with the reason, and has it written down.
    pub(crate) fn enter(&mut self, rollout: &mut Rollout, index: usize, stage: Stage, detail: String, now: Now) {
        let number = rollout.header.number;
        let mut member = rollout.members.edit(index);
        member.stage = stage;
        member.detail = detail;
        member.updated_at = now.wall;
        self.changed_members.insert((number, index));
    }

    /// Has a deployment's header written down.
    pub(crate) fn changed(&mut self, rollout: &Rollout) {
        self.changed_headers.insert(rollout.header.number);
    }

    /// Asks a node something.
    pub(crate) fn ask(&mut self, rollout: &mut Rollout, index: usize, request: Request) {
        self.newest_token += 1;
        let deployment = rollout.header.number;
        let mut member = rollout.members.edit(index);
        member.work.token = Some(self.newest_token);
        let (node, url) = (member.node.clone(), member.url.clone());
        self.actions.push(Action::Ask { deployment, index, token: self.newest_token, node, url, request });
    }

    /// Withdraws an attempt that was not told to go; nobody waits for the answer.
    pub(crate) fn cancel(&mut self, rollout: &Rollout, index: usize) {
        let member = &rollout.members[index];
        if let Some(attempt) = member.attempt.clone() {
            let (node, url) = (member.node.clone(), member.url.clone());
            let deployment = rollout.header.number;
            self.actions.push(Action::Ask {
                deployment,
                index,
                token: 0,
                node,
                url,
                request: Request::Cancel(attempt),
            });
        }
    }

    /// Writes down that something happened.
    pub(crate) fn tell(&mut self, kind: &str, about: (Option<String>, Option<String>), text: String, now: Now) {
        let (deployment, node) = about;
        let number = self.newest_event + 1;
        let event = DeployEvent { number, at: now.wall, kind: kind.to_owned(), node, deployment, text };
        self.facts.push(Fact::Event(event.clone()));
        self.keep_event(event);
    }

    pub(crate) fn keep_event(&mut self, event: DeployEvent) {
        self.newest_event = self.newest_event.max(event.number);
        self.events.push_back(event);
        while self.events.len() > EVENTS {
            self.events.pop_front();
        }
    }
}
