//! The packages of a set, from repositories that may be slow, half down or lying.
//!
//! The repository's client tries each download several times and takes nothing that it can't verify. Here the whole is
//! tried again until the deadline, also after a lie: behind one address there may be several servers of which one lies, and
//! what was verified once is kept. What no try can mend ends at once: a package that every repository was asked for and
//! none has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dcos_core::{ExitCode, PackageId, PackageSet, Problem};
use dcos_repo::fetch::{Event, Progress};
use dcos_repo::{Repositories, Wanted};
use dcos_store::{NodeContext, Store};

use crate::helper::place::Place;
use crate::output::say;

/// The waits between two tries double from the first to the last.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(30);

/// Until when to try.
#[derive(Clone, Copy, Debug)]
pub(in crate::helper) struct Patience(Instant);

impl Patience {
    pub(in crate::helper) const fn until(deadline: Instant) -> Self {
        Self(deadline)
    }

    pub(in crate::helper) fn is_over(self) -> bool {
        Instant::now() >= self.0
    }

    /// The waits before the second try, the third, and so on, for as long as there is time; the last is cut short.
    pub(super) fn waits(self) -> impl Iterator<Item = Duration> {
        let mut wait = FIRST_WAIT;
        std::iter::from_fn(move || {
            let left = self.0.saturating_duration_since(Instant::now());
            let now = wait.min(left);
            wait = (wait * 2).min(LAST_WAIT);
            (!now.is_zero()).then_some(now)
        })
    }
}

/// Brings what is missing of `set`, and verifies it.
pub(in crate::helper) fn fetch(place: &Place, set: &PackageSet, patience: Patience) -> Result<(), Problem> {
    let context = NodeContext { config: place.node.clone(), file: place.node_file.clone() };
    let store = Arc::new(Store::open(&place.node.root, Some(context))?);
    let runtime = crate::pkg::runtime()?;
    let progress: Arc<dyn Progress> = Arc::new(Told);
    let mut waits = patience.waits();
    loop {
        let missing: Vec<Wanted> = set.iter().filter(|id| !store.has(id)).cloned().map(Wanted::from).collect();
        if missing.is_empty() {
            return Ok(());
        }
        // Made anew each time: what a repository said of itself may have been the lie.
        let problem = match Repositories::new(&place.node.repositories, &store) {
            Ok(repositories) => {
                let answers = runtime.block_on(dcos_repo::fetch(&store, &repositories, &missing, &progress));
                let all = missing.len();
                let failed = missing.into_iter().zip(answers);
                let failed = failed.filter_map(|(wanted, answer)| Some((wanted.id, Problem::from(answer.err()?))));
                match dcos_repo::fetch::summary(all, failed.collect()) {
                    None => continue,
                    Some(problem) => problem,
                }
            }
            Err(error) => Problem::from(error),
        };
        let hopeless = matches!(problem.exit_code(), ExitCode::NotFound | ExitCode::Usage);
        match waits.next() {
            Some(wait) if !hopeless => {
                say(&format!("{}; trying again in {:.1} s", problem.detail, wait.as_secs_f64()));
                for finding in &problem.problems {
                    say(&format!("  - {}", finding.message));
                }
                std::thread::sleep(wait);
            }
            _ => return Err(problem.hint("what was fetched and verified is kept; the same command goes on from there")),
        }
    }
}

/// Says on stderr what came.
struct Told;

impl Progress for Told {
    fn event(&self, id: &PackageId, event: Event) {
        match event {
            Event::Present(fetched) if !fetched.already => say(&format!("fetched {id}")),
            Event::Retrying(why) => say(&format!("{id}: {why}; asking again")),
            Event::Present(_) | Event::Found { .. } | Event::Bytes(_) | Event::Failed(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Patience;
    use std::time::{Duration, Instant};

    #[test]
    fn waits_double_and_end_with_the_time() {
        let waits: Vec<Duration> =
            Patience::until(Instant::now() + Duration::from_secs(3600)).waits().take(8).collect();
        let ms: Vec<u128> = waits.iter().map(Duration::as_millis).collect();
        assert_eq!(ms, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(Patience::until(Instant::now()).waits().next(), None);
    }
}
