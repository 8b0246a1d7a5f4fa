//! `dcos repo`: a repository's folder, on the machine of whoever publishes.

mod mirror;
mod signing;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use dcos_core::index::Index;
use dcos_core::node::RepositoryFacts;
use dcos_core::{ExitCode, PackageId, PkgInfo, Problem};
use dcos_repo::Signer;
use dcos_repo::publisher::{self, Published};
use dcos_repo::server::Server;
use indicatif::HumanBytes;
use serde::Serialize;

use crate::output::{Format, table};

/// What can be done with a repository.
#[derive(Debug, Subcommand)]
pub enum RepoCommand {
    /// Make a folder a repository without packages
    #[command(after_help = "Examples:
  dcos repo init /srv/repository
  dcos repo init /srv/repository --keys /root/keys/release")]
    Init {
        /// The folder
        directory: PathBuf,
        /// A folder outside it for keys, which are made: the repository gets signed metadata
        #[arg(long, value_name = "KEYDIR")]
        keys: Option<PathBuf>,
        /// How many keys must sign root and targets together
        #[arg(long, default_value_t = 1, requires = "keys", value_parser = clap::value_parser!(u8).range(1..=16))]
        threshold: u8,
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
        /// The folder of the keys, if the repository has signed metadata
        #[arg(long, value_name = "KEYDIR")]
        keys: Option<PathBuf>,
    },
    /// Sign anew what lasts shortest, for a timer; targets too if its keys are there
    #[command(after_help = "Examples:\n  dcos repo refresh /srv/repository --keys /etc/dcos/keys/timer")]
    Refresh {
        /// The folder of the repository
        directory: PathBuf,
        /// The folder of the keys
        #[arg(long, value_name = "KEYDIR")]
        keys: PathBuf,
    },
    /// List how long signed metadata lasts; code 3 if some of it ends soon
    #[command(after_help = "Examples:\n  dcos repo expire /srv/repository --within 30")]
    Expire {
        /// The folder of the repository
        directory: PathBuf,
        /// How many days ahead to look; two at most for what a timer renews
        #[arg(long, default_value_t = signing::WARN_DAYS, value_name = "DAYS")]
        within: u16,
    },
    /// Take packages away from what is offered, for good
    #[command(
        after_help = "Examples:\n  dcos repo revoke /srv/repository fizzbuzz--1.2.0+mesos1.11.0 --keys /root/keys/release"
    )]
    Revoke {
        /// The folder of the repository
        directory: PathBuf,
        /// The packages
        #[arg(required = true)]
        ids: Vec<PackageId>,
        /// The folder of the keys
        #[arg(long, value_name = "KEYDIR")]
        keys: PathBuf,
    },
    /// Replace the keys of a role by new ones, and renew root
    #[command(after_help = "Examples:\n  dcos repo rotate /srv/repository timestamp --keys /root/keys/release")]
    Rotate {
        /// The folder of the repository
        directory: PathBuf,
        /// `root`, `targets`, `snapshot` or `timestamp`
        role: String,
        /// The folder of the keys
        #[arg(long, value_name = "KEYDIR")]
        keys: PathBuf,
    },
    /// Make a verified copy of a repository, or bring it up to date: for sites without a way out
    #[command(after_help = "Signatures are copied as they are: nodes trust the copy by the root of the original.

Examples:
  dcos repo mirror https://packages.example.org/release /srv/release --root-json release-root.json
  dcos repo mirror http://10.0.0.1/repository /srv/copy --verify")]
    Mirror(mirror::Mirror),
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
        RepoCommand::Init { directory, keys, threshold } => init(format, &directory, keys.as_deref(), threshold),
        RepoCommand::Publish { directory, archives, keys } => publish(format, &directory, &archives, keys.as_deref()),
        RepoCommand::Refresh { directory, keys } => signing::refresh(format, &directory, &keys),
        RepoCommand::Expire { directory, within } => signing::expire(format, &directory, within),
        RepoCommand::Revoke { directory, ids, keys } => signing::revoke(format, &directory, &keys, &ids),
        RepoCommand::Rotate { directory, role, keys } => signing::rotate(format, &directory, &keys, &role),
        RepoCommand::Mirror(arguments) => mirror::run(format, arguments),
        RepoCommand::List { repository } => list(format, &repository),
        RepoCommand::Serve { directory, listen } => runtime()?.block_on(serve(format, &directory, listen)),
    }
}

/// The pkginfos of everything that a repository offers; `place` is its folder or its URL.
pub(crate) fn offered(place: &str) -> Result<Vec<PkgInfo>, Problem> {
    Ok(index(place)?.packages.into_iter().map(|entry| entry.pkginfo).collect())
}

fn init(format: Format, directory: &Path, keys: Option<&Path>, threshold: u8) -> Result<ExitCode, Problem> {
    #[derive(Serialize)]
    struct Made<'a> {
        directory: &'a Path,
        made: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        signed: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        root_json: Option<PathBuf>,
    }
    let made = publisher::init(directory)?;
    let (signed, root_json) = keys.map(|keys| signing::init(directory, keys, threshold)).transpose()?.unzip();
    format.print(&Made { directory, made, signed, root_json }, |made| {
        let place = made.directory.display();
        let first = match made.made {
            true => format!("`{place}` is a repository now\n"),
            false => format!("`{place}` was a repository already\n"),
        };
        let second = match (made.signed, &made.root_json) {
            (Some(true), Some(root)) => format!("it is signed now; nodes trust it by `{}`\n", root.display()),
            (Some(false), Some(root)) => format!("it was signed already; nodes trust it by `{}`\n", root.display()),
            _ => String::new(),
        };
        first + &second
    });
    Ok(ExitCode::Done)
}

fn publish(format: Format, directory: &Path, archives: &[PathBuf], keys: Option<&Path>) -> Result<ExitCode, Problem> {
    let published = match keys {
        Some(keys) => publisher::publish_signed(directory, archives, &Signer::open(directory, keys)?)?,
        None => dcos_repo::publish(directory, archives)?,
    };
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
    signing::warn(place);
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
    let client = dcos_repo::Client::unsigned("named", &facts)?;
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
