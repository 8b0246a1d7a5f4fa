//! Why no further node may start now, and who is there to be started.

use std::fmt;

use crate::desk::Desk;
use crate::event::Now;
use crate::state::{Phase, Rollout};
use crate::strategy;

/// How long an agent must have been away from the master's list before it counts as dead, in milliseconds: longer than
/// the 75 s that the master itself waits.
pub const DEAD_AFTER: u64 = 90_000;

/// The same for an agent that was not listed since this controller took office, in milliseconds. Its master has just
/// restarted, and an agent that does not learn that from ZooKeeper looks for it only when its pings stay away (75 s, and
/// then with growing pauses); Mesos itself gives agents ten minutes to register again.
pub const DEAD_AFTER_OFFICE: u64 = 600_000;

/// How old the list of agents may be to start anything by it, in milliseconds.
pub const INVENTORY_LIFE: u64 = 30_000;

/// Why no further node starts now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    Halted { id: String, reason: String },
    Paused { by: Option<String> },
    Stopped,
    NoInventory,
    NoPulse { seconds: u64 },
    OutsideWindows,
}

impl fmt::Display for Closed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Halted { id, reason } => write!(formatter, "waits for halt `{id}` to be cleared: {reason}"),
            Self::Paused { by: Some(by) } => write!(formatter, "waits for `start`: paused by {by}"),
            Self::Paused { by: None } => formatter.write_str("waits for `start`: paused"),
            Self::Stopped => formatter.write_str("waits for nodes under way: no further one starts"),
            Self::NoInventory => formatter.write_str("waits for the master's list of agents"),
            Self::NoPulse { seconds } => write!(formatter, "waits for a pulse: none came within {seconds} s"),
            Self::OutsideWindows => formatter.write_str("waits for the next window in which restarts may begin"),
        }
    }
}

/// Why no further node of the deployment may start now, if so.
pub(crate) fn closed(rollout: &Rollout, desk: &Desk, now: Now) -> Option<Closed> {
    let strategy = &rollout.header.strategy;
    let back = matches!(rollout.header.phase, Phase::RollingBack(_));
    if let Some(halt) = desk.halts.first() {
        return Some(Closed::Halted { id: halt.id.clone(), reason: halt.reason.clone() });
    }
    if let Some(paused) = &rollout.header.paused {
        return Some(Closed::Paused { by: paused.by.clone() });
    }
    if rollout.header.stop.is_some() {
        return Some(Closed::Stopped);
    }
    if !desk.inventory.as_ref().is_some_and(|inventory| is_fresh(inventory.at, now)) {
        return Some(Closed::NoInventory);
    }
    // Windows and pulses guard against new things. Old sets go back at any time.
    if !back && let Some(seconds) = strategy.pulse {
        let alive = desk.pulse.is_some_and(|at| now.mono.saturating_sub(at) <= seconds * 1_000);
        if !alive {
            return Some(Closed::NoPulse { seconds });
        }
    }
    (!back && !strategy::is_open(&strategy.windows, now.wall)).then_some(Closed::OutsideWindows)
}

/// A master that does not answer.
pub(crate) fn silent_master(desk: &Desk) -> Option<String> {
    desk.inventory.as_ref()?.silent_master.clone()
}

/// For how long a node has been missing from the inventory, in milliseconds; 0 while it is there.
pub(crate) fn missing_for(desk: &Desk, name: &str, now: Now) -> u64 {
    let since = match desk.inventory.as_ref().map(|inventory| inventory.nodes.get(name)) {
        Some(Some(presence)) => presence.missing_since,
        // Not heard of since this controller took office.
        Some(None) | None => Some(desk.office),
    };
    since.map_or(0, |since| now.mono.saturating_sub(since).max(1))
}

/// Whether a node that was there is not any more; `None` while that can't be told: the list is old, or a master that has
/// just taken over does not know of every agent yet.
pub(crate) fn is_gone(desk: &Desk, name: &str, now: Now) -> Option<bool> {
    let inventory = desk.inventory.as_ref().filter(|inventory| is_fresh(inventory.at, now))?;
    if missing_for(desk, name, now) == 0 {
        return Some(false);
    }
    let was_there = inventory.nodes.get(name).is_some_and(|presence| presence.was_there);
    (was_there || is_dead(desk, name, now)).then_some(true)
}

/// Whether a list of agents of then may be gone by.
const fn is_fresh(at: u64, now: Now) -> bool {
    now.mono.saturating_sub(at) <= INVENTORY_LIFE
}

/// Whether a node has been missing for so long that nobody waits for it.
pub(crate) fn is_dead(desk: &Desk, name: &str, now: Now) -> bool {
    let Some(inventory) = &desk.inventory else { return false };
    let was_there = inventory.nodes.get(name).is_some_and(|presence| presence.was_there);
    is_fresh(inventory.at, now)
        && missing_for(desk, name, now) >= if was_there { DEAD_AFTER } else { DEAD_AFTER_OFFICE }
}
