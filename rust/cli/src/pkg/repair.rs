//! `dcos-pkg repair`: what is damaged, fetched again.

use std::sync::Arc;

use dcos_core::{ExitCode, PackageId, Problem};
use dcos_store::StoreError;
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
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let all = ids.len();
    for id in ids {
        let repaired = match store.verify(&id) {
            // Nothing is fetched for a package that is well.
            Ok(report) if report.ok => Ok(Vec::new()),
            Err(error @ StoreError::NotLocal(_)) => Err(not_here(error)),
            // One that can't even be looked at is fetched again all the same.
            Ok(_) | Err(_) => {
                runtime.block_on(dcos_repo::repair(&store, &repositories, &id, &progress)).map_err(Problem::from)
            }
        };
        match repaired {
            Ok(repaired) => done.push(Repaired { id, repaired }),
            Err(problem) => failed.push((id, problem)),
        }
    }
    // What could be repaired is. With `--json` the one document is the problem, if there is one.
    let problem = dcos_repo::fetch::summary_of(all, failed, "repaired");
    if problem.is_none() || format == Format::Text {
        print_done(format, &done);
    }
    problem.map_or(Ok(ExitCode::Done), Err)
}

fn print_done(format: Format, done: &Vec<Repaired>) {
    format.print(done, |all| {
        let line = |package: &Repaired| match package.repaired.is_empty() {
            true => format!("{} is as it was added\n", package.id),
            false => {
                let paths: String = package.repaired.iter().map(|path| format!("  - `{path}`\n")).collect();
                format!("{} is repaired:\n{paths}", package.id)
            }
        };
        all.iter().map(line).collect()
    });
}
