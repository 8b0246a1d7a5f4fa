//! How often to try again, and how long to wait before.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Bounds on trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How many attempts may fail in a row without bringing anything.
    pub attempts: u32,
    /// The longest wait before the second attempt; each later one may be twice as long.
    pub first_delay: Duration,
    /// No wait is longer.
    pub longest_delay: Duration,
}

/// How slow a server may be. A connection that is silent is given up by itself; these are for one that trickles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long one attempt to get a document may take.
    pub document: Duration,
    /// After so long an attempt to get an archive is judged.
    pub window: Duration,
    /// So many bytes a second it must have brought on average by then, and from then on.
    pub rate: u64,
}

impl Default for Patience {
    /// A minute, and 1 KiB a second: in a minute that is less than what makes another attempt worth it, so a server that
    /// trickles for ever is given up after a few of them.
    fn default() -> Self {
        Self { document: Duration::from_secs(60), window: Duration::from_secs(60), rate: 1 << 10 }
    }
}

impl Patience {
    /// Whether `bytes` are too few for an attempt that has lasted so long.
    pub(crate) fn is_over(&self, lasted: Duration, bytes: u64) -> bool {
        lasted > self.window && u128::from(bytes) * 1000 < u128::from(self.rate) * lasted.as_millis()
    }
}

impl Default for Retry {
    /// Six attempts within about 15 s: a web server that is being restarted is back by then, and a machine that is
    /// gone is reported while somebody still watches.
    fn default() -> Self {
        Self { attempts: 6, first_delay: Duration::from_millis(500), longest_delay: Duration::from_secs(10) }
    }
}

impl Retry {
    /// How long to wait after the `failures`-th failure in a row (from 1); `None` to give up.
    ///
    /// `asked_for` is what the server asked for by `Retry-After`: it is heeded as far as the longest wait goes.
    pub fn delay(&self, failures: u32, asked_for: Option<Duration>) -> Option<Duration> {
        if failures >= self.attempts {
            return None;
        }
        let doublings = failures.saturating_sub(1).min(16);
        let bound = self.first_delay.saturating_mul(1 << doublings).min(self.longest_delay);
        let asked_for = asked_for.unwrap_or_default().min(self.longest_delay);
        Some(spread(bound).max(asked_for))
    }
}

/// Between half of `bound` and all of it: nodes that lost the same server don't come back at the same instant.
fn spread(bound: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 512;
    bound / 2 + bound * u32::try_from(random).unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::{Patience, Retry};
    use std::time::Duration;

    const RETRY: Retry =
        Retry { attempts: 5, first_delay: Duration::from_secs(1), longest_delay: Duration::from_secs(3) };

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        for (failures, longest) in [(1, 1), (2, 2), (3, 3), (4, 3)] {
            let longest = Duration::from_secs(longest);
            let delay = RETRY.delay(failures, None);
            assert!(delay.is_some_and(|delay| delay >= longest / 2 && delay <= longest), "{failures}: {delay:?}");
        }
        assert_eq!(RETRY.delay(5, None), None);
        assert_eq!(RETRY.delay(u32::MAX, None), None);
    }

    #[test]
    fn a_trickle_is_not_waited_for() {
        let patience = Patience::default();
        for (seconds, bytes, over) in [(59, 0, false), (61, 60_000, true), (61, 70_000, false), (600, 500_000, true)] {
            assert_eq!(patience.is_over(Duration::from_secs(seconds), bytes), over, "{bytes} bytes in {seconds} s");
        }
    }

    #[test]
    fn a_server_may_ask_for_more_time_within_bounds() {
        assert_eq!(RETRY.delay(1, Some(Duration::from_secs(2))), Some(Duration::from_secs(2)));
        assert_eq!(RETRY.delay(1, Some(Duration::from_secs(600))), Some(Duration::from_secs(3)));
    }
}
