//! Garbage: packages, generations and helpers that nobody needs.
//!
//! Everything goes by a rename into staging, under the lock; the disk's space is freed after the lock was let go.

use std::time::SystemTime;

use dcos_core::PackageId;
use jiff::Timestamp;
use serde::Serialize;

use crate::error::StoreError;
use crate::generation::helper::CURRENT;
use crate::lock::Locked;
use crate::packages::{Leftover, read_manifest};
use crate::staging::Staging;
use crate::store::{GENERATIONS, HELPER, LOCK_WAIT, PACKAGES, STAGING, Store};

/// What may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcOptions {
    /// Say only what would go.
    pub dry_run: bool,
    /// Keep packages that were added after this instant: they may have been fetched for a set that comes.
    pub keep_added_after: Option<Timestamp>,
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

impl Store {
    /// Removes what nobody needs: not the active set, not what a live process uses, not what a rollback may go to, not
    /// what a journal, a job or a desired set names.
    ///
    /// # Errors
    /// If the lock is taken, or the store can't be read or written. What went before an error is gone.
    pub fn gc(&self, options: &GcOptions) -> Result<GcReport, StoreError> {
        let mut leftovers = Vec::new();
        let locked = self.lock_within("dcos-pkg gc", LOCK_WAIT)?;
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
        let mut report = GcReport::default();
        // Generations first: a package is never missing to one that is there.
        for number in self.generations()? {
            if !kept.generations.contains_key(&number) {
                report.generations.push(number);
                if !options.dry_run {
                    leftovers.push(self.take_from(locked, GENERATIONS, &number.to_string())?);
                }
            }
        }
        let packages = self.top(PACKAGES)?;
        for id in self.ids()? {
            let Some(packages) = packages.as_ref().filter(|_| !kept.packages.contains_key(&id)) else { continue };
            let Some(manifest) = read_manifest(packages, &id)? else { continue };
            if options.keep_added_after.is_some_and(|instant| manifest.added_at > instant) {
                continue;
            }
            report.bytes += manifest.size;
            if !options.dry_run {
                leftovers.push(self.take_away(locked, &id)?);
            }
            report.packages.push(id);
        }
        let helpers = self.top(HELPER)?.map(|helper| helper.entries()).transpose()?.unwrap_or_default();
        for helper in helpers {
            if helper.name != CURRENT && !kept.helpers.contains_key(&helper.name) {
                if !options.dry_run {
                    leftovers.push(self.take_from(locked, HELPER, &helper.name)?);
                }
                report.helpers.push(helper.name);
            }
        }
        if !options.dry_run {
            self.sweep_partials(SystemTime::now())?;
            tracing::info!(packages = report.packages.len(), bytes = report.bytes, "collected garbage");
        }
        Ok(report)
    }

    fn take_from(&self, _locked: &Locked, directory: &str, name: &str) -> Result<Leftover, StoreError> {
        let directory = self.make_top(directory)?;
        let staging = Staging::create(&self.make_top(STAGING)?)?;
        directory.rename(name, staging.directory(), name)?;
        directory.sync()?;
        Ok(Leftover::new(staging))
    }
}
