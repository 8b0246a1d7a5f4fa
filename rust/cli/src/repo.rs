//! `dcos repo`: a repository's folder, on the machine of whoever publishes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use dcos_core::index::Index;
use dcos_core::node::RepositoryFacts;
use dcos_core::{ExitCode, PkgInfo, Problem};
use dcos_repo::publisher::{self, Published};
use dcos_repo::server::Server;
use indicatif::HumanBytes;
use serde::Serialize;

use crate::output::{Format, table};

/// What can be done with a repository.
#[derive(Debug, Subcommand)]
pub enum RepoCommand {
    /// Make a folder a repository without packages
    #[command(after_help = "Examples:\n  dcos repo init /srv/repository")]
    Init {
        /// The folder
        directory: PathBuf,
    },
    /// Bring archives into a repository: all of them, or none if one is not fit
    #[command(
        after_help = "Examples:\n  dcos repo publish /srv/repository mesos--1.11.0.tar.zst fizzbuzz--1.2.0+mesos1.11.0.tar.zst"
    )]
    Publish {
        /// The folder of the repository
        directory: PathBuf,
        /// Archives, as `dcos-pkg build` makes them
        #[arg(required = true)]
        archives: Vec<PathBuf>,
    },
    /// List what a repository offers
    #[command(after_help = "Examples:\n  dcos repo list /srv/repository\n  dcos repo list http://10.0.0.1/repository")]
    List {
        /// The folder of the repository, or its URL
        repository: String,
    },
    /// Serve a repository over HTTP, for trying out; any web server does it in earnest
    #[command(after_help = "The first line on stdout is the URL.

Examples:
  dcos repo serve /srv/repository
  dcos repo serve /srv/repository --listen 0.0.0.0:8080")]
    Serve {
        /// The folder of the repository
        directory: PathBuf,
        /// The address to listen on; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:0", value_name = "IP:PORT")]
        listen: SocketAddr,
    },
}

/// Does what `command` says.
///
/// # Errors
/// The refusal or failure, to be printed by the caller.
pub fn run(format: Format, command: RepoCommand) -> Result<ExitCode, Problem> {
    match command {
        RepoCommand::Init { directory } => init(format, &directory),
        RepoCommand::Publish { directory, archives } => publish(format, &directory, &archives),
        RepoCommand::List { repository } => list(format, &repository),
        RepoCommand::Serve { directory, listen } => runtime()?.block_on(serve(format, &directory, listen)),
    }
}

/// The pkginfos of everything that a repository offers; `place` is its folder or its URL.
pub(crate) fn offered(place: &str) -> Result<Vec<PkgInfo>, Problem> {
    Ok(index(place)?.packages.into_iter().map(|entry| entry.pkginfo).collect())
}

fn init(format: Format, directory: &Path) -> Result<ExitCode, Problem> {
    #[derive(Serialize)]
    struct Made<'a> {
        directory: &'a Path,
        made: bool,
    }
    let made = publisher::init(directory)?;
    format.print(&Made { directory, made }, |made| match made.made {
        true => format!("`{}` is a repository now", made.directory.display()),
        false => format!("`{}` was a repository already", made.directory.display()),
    });
    Ok(ExitCode::Done)
}

fn publish(format: Format, directory: &Path, archives: &[PathBuf]) -> Result<ExitCode, Problem> {
    let published = dcos_repo::publish(directory, archives)?;
    format.print(&published, |published| {
        let line = |published: &Published| match published.already {
            true => format!("{} was published already\n", published.id),
            false => format!("published {} ({})\n", published.id, HumanBytes(published.size)),
        };
        published.iter().map(line).collect()
    });
    Ok(ExitCode::Done)
}

fn list(format: Format, place: &str) -> Result<ExitCode, Problem> {
    let index = index(place)?;
    format.print(&index, |index| {
        let rows: Vec<Vec<String>> = index
            .packages
            .iter()
            .map(|entry| {
                vec![
                    entry.id.to_string(),
                    entry.pkginfo.kind.to_string(),
                    HumanBytes(entry.size).to_string(),
                    entry.sha256.short(12),
                ]
            })
            .collect();
        table(&["PACKAGE", "KIND", "SIZE", "SHA256"], &rows)
    });
    Ok(ExitCode::Done)
}

fn index(place: &str) -> Result<Index, Problem> {
    if !place.contains("://") {
        return Ok(publisher::list(Path::new(place))?);
    }
    let facts = RepositoryFacts { url: place.to_owned(), root_json: None, ca: None, credentials: None };
    let client = dcos_repo::Client::new("named", &facts)?;
    Ok(runtime()?.block_on(client.index())?)
}

async fn serve(format: Format, directory: &Path, listen: SocketAddr) -> Result<ExitCode, Problem> {
    #[derive(Serialize)]
    struct Serving {
        url: String,
    }
    let server = Server::bind(directory, listen).await?;
    format.print(&Serving { url: server.url() }, |serving| serving.url.clone());
    server.run().await?;
    Ok(ExitCode::Done)
}

fn runtime() -> Result<tokio::runtime::Runtime, Problem> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::new(ExitCode::Unexpected, "no-runtime", format!("can't start: {error}")))
}
