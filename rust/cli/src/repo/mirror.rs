//! `dcos repo mirror`: a verified copy of a repository.

use std::path::{Path, PathBuf};

use clap::Args;
use dcos_core::node::RepositoryFacts;
use dcos_core::{ExitCode, Problem};
use dcos_repo::Mirrored;
use indicatif::HumanBytes;

use crate::output::Format;
use crate::progress;

/// What is copied, and where to.
#[derive(Debug, Args)]
pub struct Mirror {
    /// The URL of the repository
    url: String,
    /// The folder of the copy
    directory: PathBuf,
    /// The root of trust that the repository's operator gave out; needed if its metadata is signed
    #[arg(long, value_name = "FILE")]
    root_json: Option<PathBuf>,
    /// The authority that the server's certificate is by, if it is none that everybody knows
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Who we are to the server: `{"principal": "…", "secret": "…"}`
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Read and compare what is there already, too
    #[arg(long)]
    verify: bool,
}

pub(super) fn run(format: Format, mirror: Mirror) -> Result<ExitCode, Problem> {
    let Mirror { url, directory, root_json, ca, credentials, verify } = mirror;
    let facts = RepositoryFacts { url, root_json, ca, credentials };
    let progress = progress::new(format == Format::Json);
    let runtime = crate::pkg::runtime()?;
    let mirrored = runtime.block_on(dcos_repo::mirror(&facts, &directory, verify, progress))?;
    format.print(&mirrored, |mirrored| text(mirrored, &directory));
    Ok(ExitCode::Done)
}

fn text(mirrored: &Mirrored, directory: &Path) -> String {
    let Mirrored { packages, fetched, bytes, removed, root } = mirrored;
    let signed = root.map_or_else(|| "without signatures".to_owned(), |root| format!("signed by root {root}"));
    format!(
        "`{}` has {packages} packages, {signed}: {fetched} files fetched ({}), {removed} removed\n",
        directory.display(),
        HumanBytes(*bytes)
    )
}
