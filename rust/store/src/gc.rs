//! Garbage: packages, generations and helpers that nobody needs.
//!
//! Everything goes by a rename into staging, under the lock; the disk's space is freed after the lock was let go. What
//! went of one kind is made durable at once: generations before packages, so that none is ever without its own.

use std::time::{Duration, SystemTime};

use dcos_core::PackageId;
use jiff::Timestamp;
use rustix::fs::FileType;
use serde::Serialize;

use crate::directory::Directory;
use crate::error::StoreError;
use crate::generation::helper::CURRENT;
use crate::keep::Kept;
use crate::lock::Locked;
use crate::packages::{Leftover, read_manifest};
use crate::store::{GENERATIONS, HELPER, LOCK_WAIT, PACKAGES, Store};

/// What came so recently may be meant for a set that somebody is about to name: a deployment fetches long before it
/// restarts.
const RECENT: Duration = Duration::from_secs(24 * 60 * 60);

/// What may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcOptions {
    /// Say only what would go.
    pub dry_run: bool,
    /// Keep packages that were added after this instant: they may have been fetched for a set that comes.
    pub keep_added_after: Option<Timestamp>,
    /// Packages go, the oldest first, only until all that are here have no more bytes than this; without it, all that
    /// may go.
    pub budget: Option<u64>,
}

/// What went, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// The packages.
    pub packages: Vec<PackageId>,
    /// The generations.
    pub generations: Vec<u64>,
    /// The helpers, by digest.
    pub helpers: Vec<String>,
    /// The bytes of the packages' files.
    pub bytes: u64,
}

/// A package that nothing keeps.
struct Candidate {
    id: PackageId,
    /// When it was added, and its bytes; of a tree whose manifest got lost, long ago and none.
    added_at: Timestamp,
    bytes: u64,
}

impl GcOptions {
    /// Collection that nobody asked for: what came within a day stays, and the rest as long as there is room for it.
    pub fn unasked(budget: u64, now: Timestamp) -> Self {
        // Before the beginning of time nothing was added.
        let recently = now.checked_sub(jiff::SignedDuration::try_from(RECENT).unwrap_or_default());
        Self { dry_run: false, keep_added_after: recently.ok(), budget: Some(budget) }
    }
}

impl Store {
    /// Removes what nobody needs: not the active set, not what a live process uses, not what a rollback may go to, not
    /// what a journal, a job or a desired set names.
    ///
    /// # Errors
    /// If the lock is taken, or the store can't be read or written. What went before an error is gone.
    pub fn gc(&self, options: &GcOptions) -> Result<GcReport, StoreError> {
        let mut leftovers = Vec::new();
        let locked = self.lock_within("gc", LOCK_WAIT)?;
        let report = self.collect(&locked, options, &mut leftovers);
        drop(locked);
        report
    }

    fn collect(
        &self,
        locked: &Locked,
        options: &GcOptions,
        leftovers: &mut Vec<Leftover>,
    ) -> Result<GcReport, StoreError> {
        let kept = self.kept()?;
        let generations = self.generations()?.into_iter().filter(|number| !kept.generations.contains_key(number));
        let (packages, bytes) = self.superfluous(&kept, options)?;
        let helpers = self.top(HELPER)?.map(|helper| helper.entries()).transpose()?.unwrap_or_default().into_iter();
        let helpers = helpers.map(|helper| helper.name);
        let report = GcReport {
            packages,
            generations: generations.collect(),
            helpers: helpers.filter(|name| name != CURRENT && !kept.helpers.contains_key(name)).collect(),
            bytes,
        };
        if !options.dry_run {
            let names = |numbers: &[u64]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>();
            leftovers.extend(self.take_away(locked, GENERATIONS, &names(&report.generations))?);
            let ids: Vec<_> = report.packages.iter().map(ToString::to_string).collect();
            leftovers.extend(self.take_away(locked, PACKAGES, &ids)?);
            leftovers.extend(self.take_away(locked, HELPER, &report.helpers)?);
            self.sweep_partials(SystemTime::now())?;
            tracing::info!(packages = report.packages.len(), bytes = report.bytes, "collected garbage");
        }
        Ok(report)
    }

    /// The packages that may go and have to, in order of id, and the bytes of their files.
    fn superfluous(&self, kept: &Kept, options: &GcOptions) -> Result<(Vec<PackageId>, u64), StoreError> {
        let Some(packages) = self.top(PACKAGES)? else { return Ok((Vec::new(), 0)) };
        let mut total = 0;
        let mut candidates = Vec::new();
        for entry in packages.entries()?.into_iter().filter(|entry| entry.kind == FileType::Directory) {
            let Ok(id) = entry.name.parse::<PackageId>() else { continue };
            let candidate = look(&packages, id)?;
            total += candidate.bytes;
            let recent = options.keep_added_after.is_some_and(|instant| candidate.added_at > instant);
            if !recent && !kept.packages.contains_key(&candidate.id) {
                candidates.push(candidate);
            }
        }
        candidates.sort_by(|left, right| (left.added_at, &left.id).cmp(&(right.added_at, &right.id)));
        let mut gone = Vec::new();
        for candidate in candidates {
            if options.budget.is_some_and(|budget| total <= budget) {
                break;
            }
            total -= candidate.bytes;
            gone.push(candidate);
        }
        gone.sort_by(|left: &Candidate, right| left.id.cmp(&right.id));
        let bytes = gone.iter().map(|candidate| candidate.bytes).sum();
        Ok((gone.into_iter().map(|candidate| candidate.id).collect(), bytes))
    }
}

fn look(packages: &Directory, id: PackageId) -> Result<Candidate, StoreError> {
    Ok(match read_manifest(packages, &id)? {
        Some(manifest) => Candidate { id, added_at: manifest.added_at, bytes: manifest.size },
        None => Candidate { id, added_at: Timestamp::MIN, bytes: 0 },
    })
}
