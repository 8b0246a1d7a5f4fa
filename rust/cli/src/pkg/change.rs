//! The commands that change the store. Each holds the node's lock while it does.

use std::path::Path;

use dcos_core::ports::Generation;
use dcos_core::{ExitCode, PackageId, PackageSet, Problem, Sha256};
use dcos_restart::phase::Phase;
use dcos_store::{Activation, GcOptions, LOCK_WAIT, StoreError};
use indicatif::HumanBytes;
use serde::Serialize;

use super::args;
use super::look::{described, not_here, render_active};
use super::place::Place;
use crate::output::Format;

/// A package that is in the store now, as JSON.
#[derive(Serialize)]
struct Present<'a> {
    id: &'a PackageId,
    sha256: Sha256,
    size: u64,
    already: bool,
}

pub(super) fn add(format: Format, place: &Place, file: &Path, sha256: Option<Sha256>) -> Result<ExitCode, Problem> {
    let added = place.store.add_file(file, sha256).map_err(|error| absent(error, file))?;
    let present = Present { id: &added.id, sha256: added.sha256, size: added.size, already: added.already };
    format.print(&present, |present| {
        let id = present.id;
        if present.already {
            format!("{id} was here already")
        } else {
            format!("added {id} ({})", HumanBytes(present.size))
        }
    });
    Ok(ExitCode::Done)
}

/// A mistyped name of a file is no failure of the store.
fn absent(error: StoreError, file: &Path) -> Problem {
    match &error {
        StoreError::Io { path, source, .. } if path == file && source.kind() == std::io::ErrorKind::NotFound => {
            Problem::new(ExitCode::NotFound, "no-such-file", Problem::chain(&error)).hint(
                "name an archive: `NAME--VERSION.tar.gz` or `.tar.zst`; `dcos-pkg fetch ID` gets one from a repository",
            )
        }
        _ => error.into(),
    }
}

pub(super) fn activate(
    format: Format,
    place: &Place,
    ids: Vec<PackageId>,
    activation: args::Activation,
) -> Result<ExitCode, Problem> {
    let set: PackageSet = ids.into_iter().collect();
    let locked = place.store.lock_within("dcos-pkg activate", LOCK_WAIT)?;
    refuse_under_way(place, activation)?;
    let generation = place.store.activate(&locked, &set, &options(activation)).map_err(invalid)?;
    Ok(report(format, generation))
}

pub(super) fn swap(
    format: Format,
    place: &Place,
    ids: &[PackageId],
    activation: args::Activation,
) -> Result<ExitCode, Problem> {
    // The lock first: the set that is changed must be the one that is active then.
    let locked = place.store.lock_within("dcos-pkg swap", LOCK_WAIT)?;
    refuse_under_way(place, activation)?;
    let active = place.store.active()?.ok_or(StoreError::NothingActive)?;
    let generation = place.store.activate(&locked, &active.set.with(ids), &options(activation)).map_err(invalid)?;
    Ok(report(format, generation))
}

pub(super) fn rollback(format: Format, place: &Place, activation: args::Activation) -> Result<ExitCode, Problem> {
    let locked = place.store.lock_within("dcos-pkg rollback", LOCK_WAIT)?;
    refuse_under_way(place, activation)?;
    let generation = place.store.rollback(&locked, &options(activation)).map_err(invalid)?;
    Ok(report(format, generation))
}

/// A helper that is about to start Mesos, or tries again and again to, makes its own set active: whatever is made active
/// here would be undone behind somebody's back.
fn refuse_under_way(place: &Place, activation: args::Activation) -> Result<(), Problem> {
    let Some(journal) = place.journal().filter(|_| !activation.offline) else { return Ok(()) };
    match journal.phase {
        Phase::Ordered | Phase::Moving { .. } | Phase::Lost => {}
        // In these it touches nothing any more, or not before somebody's ticket. A Mesos that runs is found otherwise.
        Phase::Planned
        | Phase::Staged
        | Phase::Confirmed
        | Phase::Unconfirmed
        | Phase::RolledBack
        | Phase::Cancelled => {
            return Ok(());
        }
    }
    let (attempt, state) = (&journal.attempt, journal.state().word());
    let detail =
        format!("the attempt `{attempt}` of this node stands at {state}: its helper would make another set active");
    Err(Problem::new(ExitCode::Conflict, "attempt-under-way", detail)
        .hint("`dcos-restart-helper run --set ID…` brings the node onto another set; `status` says what it does now")
        .hint("`--offline` overrides, if you know that no helper will go on"))
}

/// Each reason is listed, with its hint, so the sentence need not repeat them.
fn invalid(error: StoreError) -> Problem {
    let reasons = match &error {
        StoreError::InvalidSet(report) => report.problems.len(),
        _ => return error.into(),
    };
    let mut problem = Problem::from(error);
    problem.detail = match reasons {
        1 => "the set can't be activated".to_owned(),
        count => format!("the set can't be activated, for {count} reasons"),
    };
    problem.hints.clear();
    problem
}

const fn options(activation: args::Activation) -> Activation {
    Activation { offline: activation.offline, leave: activation.leave }
}

fn report(format: Format, generation: Generation) -> ExitCode {
    format.print(&described(generation), render_active);
    ExitCode::Done
}

pub(super) fn remove(format: Format, place: &Place, ids: &[PackageId]) -> Result<ExitCode, Problem> {
    #[derive(Serialize)]
    struct Removed<'a> {
        removed: &'a [PackageId],
    }
    for id in ids {
        // One lock each: whoever else waits does not wait for all of it.
        let locked = place.store.lock_within("dcos-pkg remove", LOCK_WAIT)?;
        place.store.remove(&locked, id).map_err(not_here)?;
    }
    format.print(&Removed { removed: ids }, |removed| {
        removed.removed.iter().map(|id| format!("removed {id}\n")).collect()
    });
    Ok(ExitCode::Done)
}

pub(super) fn gc(format: Format, place: &Place, options: &GcOptions) -> Result<ExitCode, Problem> {
    let report = place.store.gc(options)?;
    format.print(&report, |report| {
        let verb = if options.dry_run { "would remove" } else { "removed" };
        let mut text: String = report.packages.iter().map(|id| format!("{verb} {id}\n")).collect();
        text.extend(report.generations.iter().map(|number| format!("{verb} generation {number}\n")));
        text.extend(report.helpers.iter().map(|digest| format!("{verb} helper {digest}\n")));
        match text.is_empty() {
            true => "nothing to remove\n".to_owned(),
            false => format!("{text}{} in all\n", HumanBytes(report.bytes)),
        }
    });
    Ok(ExitCode::Done)
}
