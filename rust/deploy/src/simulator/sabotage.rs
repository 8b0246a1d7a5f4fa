//! Controllers that break a rule, each in one way: a rule that no controller can break guards nothing.
//!
//! They are the production controller with something around it gone wrong: it is told what is not so, its log forgets, its
//! plan was tampered with, its answers come too soon. The rules themselves are judged by the scenario and by the nodes.

use dcos_api::types::deploy::Amount;

use crate::plan::{Draft, Left};
use crate::state::{Fact, Stage};

/// A way to break a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sabotage {
    /// More nodes are away at once than may be.
    NoLimit,
    /// What the canary shows is not waited for.
    NoCanary,
    /// The log forgets halts, so that they end with the controller.
    ForgetsHalts,
    /// A halt is answered at once, while nodes may still be told to go.
    HaltsTooSoon,
    /// Dead agents are taken for living ones.
    WaitsForTheDead,
    /// Masters are passed over.
    SkipsMasters,
    /// The log forgets that a node was told to go.
    ForgetsStarts,
    /// Agents come before masters.
    AgentsFirst,
    /// What the masters' registry demands is not read.
    IgnoresRegistry,
    /// Its clock stops, so that no deadline passes and nobody is asked again.
    StandsStill,
}

/// When the clock of [`Sabotage::StandsStill`] stops, in milliseconds.
pub(super) const LAST_MOMENT: u64 = 30_000;

impl Sabotage {
    /// Every way.
    pub const ALL: [Self; 10] = [
        Self::NoLimit,
        Self::NoCanary,
        Self::ForgetsHalts,
        Self::HaltsTooSoon,
        Self::WaitsForTheDead,
        Self::SkipsMasters,
        Self::ForgetsStarts,
        Self::AgentsFirst,
        Self::IgnoresRegistry,
        Self::StandsStill,
    ];

    /// Tampers with a plan.
    pub(super) fn draft(self, draft: &mut Draft) {
        match self {
            Self::NoLimit => draft.strategy.max_unavailable = Amount::Percent(100),
            Self::NoCanary => {
                let agents = draft.waves.split_off(draft.master_waves);
                draft.waves.extend(Some(agents.concat()).filter(|wave| !wave.is_empty()));
                draft.strategy.max_failures = u32::MAX;
            }
            Self::SkipsMasters => {
                let agents = draft.waves.split_off(draft.master_waves);
                for index in draft.waves.drain(..).flatten() {
                    draft.nodes[index].left = Some(Left { reason: "sabotage".to_owned(), late: false });
                }
                draft.waves = agents;
                draft.master_waves = 0;
            }
            Self::AgentsFirst => {
                // The nodes themselves change places, so that waves stay ranges.
                draft.waves.reverse();
                let order: Vec<usize> = draft.waves.iter().flatten().copied().collect();
                let mut planned: Vec<usize> = order.clone();
                planned.sort_unstable();
                let nodes = draft.nodes.clone();
                for (to, from) in planned.iter().zip(&order) {
                    draft.nodes[*to] = nodes[*from].clone();
                }
                let mut places = planned.into_iter();
                for index in draft.waves.iter_mut().flatten() {
                    *index = places.next().unwrap_or(*index);
                }
                draft.master_waves = 0;
            }
            Self::ForgetsHalts
            | Self::HaltsTooSoon
            | Self::WaitsForTheDead
            | Self::ForgetsStarts
            | Self::IgnoresRegistry
            | Self::StandsStill => {}
        }
    }

    /// Whether the log forgets a fact.
    pub(super) fn forgets(self, fact: &Fact) -> bool {
        match (self, fact) {
            (Self::ForgetsHalts, Fact::Halts { .. }) => true,
            (Self::ForgetsStarts, Fact::Node { member, .. }) => {
                matches!(member.stage, Stage::Going | Stage::Watching(_) | Stage::Checking)
            }
            _ => false,
        }
    }
}
