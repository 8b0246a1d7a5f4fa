//! Packages from the repositories, and what these offer.

use std::collections::BTreeSet;
use std::sync::Arc;

use dcos_api::types::pkg::{AvailablePackage, AvailablePackages};
use dcos_core::{ExitCode, PackageId, Problem, Sha256};
use dcos_repo::Wanted;
use indicatif::HumanBytes;
use serde::Serialize;

use super::args;
use super::place::Place;
use crate::output::{Format, table};
use crate::progress;

/// A package that is in the store now, as JSON.
#[derive(Serialize)]
struct Present {
    id: PackageId,
    sha256: Sha256,
    already: bool,
}

pub(super) fn run(format: Format, place: Place, fetch: args::Fetch) -> Result<ExitCode, Problem> {
    if fetch.sha256.is_some() && fetch.ids.len() != 1 {
        let detail = "`--url` and `--sha256` describe one archive, and several packages are named";
        return Err(Problem::new(ExitCode::Usage, "usage", detail));
    }
    let wanted: BTreeSet<PackageId> = fetch.ids.into_iter().collect();
    let wanted: Vec<Wanted> =
        wanted.into_iter().map(|id| Wanted { id, url: fetch.url.clone(), sha256: fetch.sha256 }).collect();
    let repositories = place.repositories()?;
    let store = Arc::new(place.store);
    let progress = progress::new(format == Format::Json);
    let answers = runtime()?.block_on(dcos_repo::fetch(&store, &repositories, &wanted, &progress));
    let (mut present, mut failed) = (Vec::new(), Vec::new());
    let all = answers.len();
    for (wanted, answer) in wanted.into_iter().zip(answers) {
        match answer {
            Ok(fetched) => present.push(Present { id: wanted.id, sha256: fetched.sha256, already: fetched.already }),
            Err(error) => failed.push((wanted.id, Problem::from(error))),
        }
    }
    // What did come is here and stays. With `--json` the one document is the problem, if there is one.
    let problem = dcos_repo::fetch::summary(all, failed);
    if problem.is_none() || format == Format::Text {
        print_present(format, &present);
    }
    problem.map_or(Ok(ExitCode::Done), Err)
}

fn print_present(format: Format, present: &Vec<Present>) {
    format.print(present, |present| {
        let line = |present: &Present| match present.already {
            true => format!("{} was here already\n", present.id),
            false => format!("fetched {}\n", present.id),
        };
        present.iter().map(line).collect()
    });
}

pub(super) fn available(format: Format, place: &Place, names: &[String]) -> Result<ExitCode, Problem> {
    let repositories = place.repositories()?;
    if repositories.is_empty() {
        let detail = "no repository is configured, so none can be asked what it offers";
        let problem = Problem::new(ExitCode::Usage, "no-repository", detail);
        return Err(problem.hint("name one as `[repositories.release]` in the node file, and that by `--node`"));
    }
    let offered = runtime()?.block_on(repositories.available())?;
    let packages = offered
        .into_iter()
        .filter(|offer| names.is_empty() || names.iter().any(|name| name == offer.entry.id.name().as_str()))
        .map(|offer| AvailablePackage {
            local: place.store.has(&offer.entry.id),
            kind: offer.entry.pkginfo.kind,
            id: offer.entry.id,
            repository: offer.repository,
            size: offer.entry.size,
            sha256: offer.entry.sha256,
            pkginfo: offer.entry.pkginfo,
        })
        .collect();
    format.print(&AvailablePackages { packages }, |available| {
        let row = |package: &AvailablePackage| {
            vec![
                package.id.to_string(),
                package.kind.to_string(),
                package.repository.clone(),
                HumanBytes(package.size).to_string(),
                if package.local { "here" } else { "" }.to_owned(),
            ]
        };
        let rows: Vec<Vec<String>> = available.packages.iter().map(row).collect();
        table(&["PACKAGE", "KIND", "REPOSITORY", "SIZE", "HERE"], &rows)
    });
    Ok(ExitCode::Done)
}

/// Two threads drive connections; unpacking has threads of its own.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Problem> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Problem::new(ExitCode::Unexpected, "no-runtime", format!("can't start: {error}")))
}
