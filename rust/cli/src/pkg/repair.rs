//! `dcos-pkg repair`: what is damaged, fetched again.

use std::sync::Arc;

use dcos_core::{ExitCode, PackageId, Problem};
use serde::Serialize;

use super::fetch::runtime;
use super::look::not_here;
use super::place::Place;
use crate::output::Format;
use crate::progress;

/// A package that was looked at, as JSON.
#[derive(Serialize)]
struct Repaired {
    id: PackageId,
    repaired: Vec<String>,
}

pub(super) fn run(format: Format, place: Place, ids: Vec<PackageId>) -> Result<ExitCode, Problem> {
    let repositories = place.repositories()?;
    let ids = if ids.is_empty() { place.store.ids()? } else { ids };
    let store = Arc::new(place.store);
    let runtime = runtime()?;
    let progress = progress::new(format == Format::Json);
    let mut all = Vec::new();
    for id in ids {
        // Nothing is fetched for a package that is well.
        let well = store.verify(&id).map_err(not_here)?.ok;
        let repaired = match well {
            true => Vec::new(),
            false => runtime.block_on(dcos_repo::repair(&store, &repositories, &id, &progress))?,
        };
        all.push(Repaired { id, repaired });
    }
    format.print(&all, |all| {
        let line = |package: &Repaired| match package.repaired.is_empty() {
            true => format!("{} is as it was added\n", package.id),
            false => {
                let paths: String = package.repaired.iter().map(|path| format!("  - `{path}`\n")).collect();
                format!("{} is repaired:\n{paths}", package.id)
            }
        };
        all.iter().map(line).collect()
    });
    Ok(ExitCode::Done)
}
