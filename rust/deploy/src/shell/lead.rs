//! Which master leads: what the Mesos around this controller says.
//!
//! The module lives in a master, and Mesos tells its modules nothing about leading. But a master that does not lead sends
//! whoever asks for its agents to the one that does, so it is asked for those of an id that no agent has: a cheap question
//! with three plain answers. What it says may be old by the time that it is believed. That does no harm: the fence of the
//! log ([`crate::zookeeper`]) and the term in every action decide, and this only says who should try.

use std::time::Duration;

use dcos_api::backend::Leader;
use dcos_core::{ExitCode, Problem};
use tokio::time::MissedTickBehavior;

use super::{Message, Tasks};
use crate::client::{Directed, NodeClient};

/// How often the master is asked.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long it may take to answer.
const DEADLINE: Duration = Duration::from_secs(3);

/// What a master that leads answers by itself, and sends others on for.
const QUESTION: &str = "/master/slaves?slave_id=none";

/// What is known before the first answer.
pub(super) fn unknown() -> Leader {
    Leader::Nobody(nobody("this master has not said yet who leads"))
}

fn nobody(text: &str) -> Problem {
    Problem::new(ExitCode::Unreachable, "no-leader", text)
        .hint("the masters elect a leader within seconds if their ZooKeeper serves: try again then")
        .hint("with no master that can lead, `dcos deploy --direct` goes on from an operator's machine")
}

/// What the master at `url` says; `None` if it says nothing that can be understood.
async fn ask(client: &NodeClient, url: &str) -> Option<Leader> {
    match client.directed(url, QUESTION, DEADLINE).await {
        Ok(Directed::Answered) => Some(Leader::Here),
        Ok(Directed::To(origin)) => Some(Leader::At(origin)),
        Ok(Directed::Nowhere) => Some(Leader::Nobody(nobody("the masters have not elected a leader"))),
        Err(trouble) => {
            tracing::debug!(%trouble, "the master does not say who leads");
            None
        }
    }
}

impl Tasks {
    /// Keeps asking, and tells the controller's thread when it is its turn and when no more.
    pub(super) fn spawn_lead(&self, url: String) {
        let (sender, shared) = (self.sender.clone(), self.shared.clone());
        self.runtime.spawn(async move {
            let mut clock = tokio::time::interval(INTERVAL);
            clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                clock.tick().await;
                if sender.strong_count() == 0 {
                    return;
                }
                // A master that says nothing has not said that anything changed.
                let Some(lead) = ask(&shared.client, &url).await else { continue };
                let leads = lead == Leader::Here;
                if shared.lead() != lead {
                    tracing::info!(?lead, "who leads has changed");
                }
                shared.set_lead(lead);
                let Some(sender) = sender.upgrade() else { return };
                // Each time, so that a controller that lost the log to another one tries again only if it still leads.
                if sender.send(Message::Leads(leads)).await.is_err() {
                    return;
                }
            }
        });
    }
}
