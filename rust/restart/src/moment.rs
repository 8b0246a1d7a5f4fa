//! Time that does not jump: the boot clock, which goes on during a suspend, together with the boot that it counts from.
//!
//! Tickets and deadlines are measured by it. Two moments of different boots can't be compared, and the type says so.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment of one boot of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// The boot's id, as the kernel tells it.
    pub boot: String,
    /// Milliseconds since that boot.
    pub ms: u64,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        // Both parts are positive: the clock starts at 0.
        let ms = u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
        Self { boot: crate::host::boot_id(), ms }
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later, `None` if it was in another boot.
    pub fn since(&self, earlier: &Self) -> Option<Duration> {
        (self.boot == earlier.boot).then(|| Duration::from_millis(self.ms.saturating_sub(earlier.ms)))
    }

    /// The moment `later` than this one.
    #[must_use]
    pub fn after(&self, later: Duration) -> Self {
        let ms = u64::try_from(later.as_millis()).unwrap_or(u64::MAX);
        Self { boot: self.boot.clone(), ms: self.ms.saturating_add(ms) }
    }

    /// Whether `deadline` is over: it lies in the past, or in another boot.
    pub fn is_past(&self, deadline: &Self) -> bool {
        self.boot != deadline.boot || self.ms >= deadline.ms
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;
    use std::time::Duration;

    #[test]
    fn a_deadline_of_another_boot_is_over() {
        let now = Moment { boot: "a".to_owned(), ms: 1000 };
        let other = Moment { boot: "b".to_owned(), ms: 5000 };
        assert!(now.is_past(&other));
        assert_eq!(now.since(&other), None);
        let deadline = now.after(Duration::from_secs(10));
        assert!(!now.is_past(&deadline));
        assert!(deadline.is_past(&deadline));
        assert_eq!(deadline.since(&now), Some(Duration::from_secs(10)));
        assert_eq!(now.since(&deadline), Some(Duration::ZERO));
    }

    #[test]
    fn the_clock_goes_on_and_names_its_boot() {
        let now = Moment::now();
        assert_eq!(now.boot.len(), 36, "{now:?}");
        assert!(Moment::now().since(&now).is_some());
    }
}
