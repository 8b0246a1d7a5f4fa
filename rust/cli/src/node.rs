//! `dcos-node`: the endpoints of a node as a plain server, for a machine that has no Mesos yet and for trying them out.
//!
//! It is the same router that answers inside Mesos; what stands behind it is put together by the caller of [`main`],
//! which is the program, since that is the one place that knows the concrete parts. `[server]` of the node's file names
//! those who may call by name (`guard`) and the certificate to serve under (`tls`); without, every caller is nobody in
//! particular, and `[limits]` says what nobody may do.

mod guard;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use axum::Router;
use clap::{Parser, Subcommand};
use dcos_core::node::{DEFAULT_PATH, NodeConfig};
use dcos_core::{ExitCode, Problem, Role};
use serde::Serialize;
use tokio::net::TcpListener;

use self::tls::TlsListener;
use crate::output::Format;
use crate::usage;

/// Serves the endpoints of a node without Mesos
#[derive(Debug, Parser)]
#[command(
    name = "dcos-node",
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  dcos-node serve --node /etc/dcos/node.toml
  dcos-node serve --role agent --node node.toml --listen 127.0.0.1:0"
)]
struct Arguments {
    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer until ended; the first line on stdout says where
    Serve(Serve),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// The file with the facts of this host
    #[arg(long, value_name = "FILE", env = "DCOS_NODE", default_value = DEFAULT_PATH)]
    node: PathBuf,
    /// What this host must be; refused if its file says otherwise
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,
    /// Where to listen, port 0 for any free one [default: the address of Mesos in the node's file]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
}

/// Where the server listens.
#[derive(Debug, Serialize)]
struct Listening {
    url: String,
}

/// The command line, for completions and man pages.
pub(crate) fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// Runs the program. `open` makes the router from module parameters, as Mesos would give them, inside a runtime.
pub fn main(open: impl FnOnce(&BTreeMap<String, String>) -> Result<Router, Problem>) -> std::process::ExitCode {
    let arguments = match usage::parse::<Arguments>() {
        Ok(arguments) => arguments,
        Err(code) => return code.into(),
    };
    log_to_stderr();
    let format = Format::from_flag(arguments.json);
    let Command::Serve(serve) = arguments.command;
    let code = match run(format, &serve, open) {
        Ok(()) => ExitCode::Done,
        Err(problem) => format.refuse(&problem),
    };
    code.into()
}

fn run(
    format: Format,
    serve: &Serve,
    open: impl FnOnce(&BTreeMap<String, String>) -> Result<Router, Problem>,
) -> Result<(), Problem> {
    let (path, config) = read(&serve.node)?;
    if let Some(role) = serve.role.filter(|role| *role != config.role) {
        let detail =
            format!("`{}` is the file of the role `{}`, and `--role {role}` was given", path.display(), config.role);
        return Err(Problem::new(ExitCode::Usage, "wrong-role", detail)
            .hint("leave out `--role`, or name the file of this host by `--node FILE`"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| unexpected("starting the runtime failed", &error))?;
    let _context = runtime.enter();
    let parameters = BTreeMap::from([("node".to_owned(), path.display().to_string())]);
    let mut router = open(&parameters)?;
    if let Some(credentials) = &config.server.credentials {
        router = guard::guarded(router, credentials)?;
    }
    // Both or neither: the node's file was checked for that.
    let acceptor = match (&config.server.certificate, &config.server.key) {
        (Some(certificate), Some(key)) => Some(tls::acceptor(certificate, key)?),
        _ => None,
    };
    runtime.block_on(async {
        let address = serve.listen.unwrap_or_else(|| SocketAddr::new(config.mesos.ip, config.mesos.port));
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let code = match error.kind() {
                std::io::ErrorKind::AddrInUse => ExitCode::Conflict,
                _ => ExitCode::Unexpected,
            };
            Problem::new(code, "can-not-listen", format!("listening on `{address}` failed: {error}"))
        })?;
        let address = listener.local_addr().map_err(|error| unexpected("asking for the address failed", &error))?;
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let listening = Listening { url: format!("{scheme}://{address}") };
        format.print(&listening, |listening| format!("listening on {}", listening.url));
        let served = match acceptor {
            None => axum::serve(listener, router).await,
            Some(acceptor) => {
                let listener = TlsListener::new(listener, acceptor);
                axum::serve(listener.map_err(|error| unexpected("listening failed", &error))?, router).await
            }
        };
        served.map_err(|error| unexpected("serving failed", &error))
    })
}

/// Refuses a file with a secret in it that everybody on the machine can read.
fn private(path: &Path) -> Result<(), String> {
    const OTHERS: u32 = 0o007;
    let mode = std::fs::metadata(path).map_err(|error| error.to_string())?.mode();
    if mode & OTHERS == 0 { Ok(()) } else { Err("everybody on this machine can read it".to_owned()) }
}

/// The node's file and its absolute path: what stands behind the router has no current directory.
fn read(path: &Path) -> Result<(PathBuf, NodeConfig), Problem> {
    let unusable = |why: String| {
        let detail = format!("`{}` can't be used: {why}", path.display());
        Problem::new(ExitCode::Usage, "invalid-node-file", detail).hint("name the file of this host with `--node FILE`")
    };
    let absolute = std::path::absolute(path).map_err(|error| unusable(error.to_string()))?;
    let text = std::fs::read_to_string(&absolute).map_err(|error| unusable(error.to_string()))?;
    let config = NodeConfig::parse(&text).map_err(|error| unusable(Problem::chain(&error)))?;
    Ok((absolute, config))
}

fn unexpected(what: &str, error: &dyn std::error::Error) -> Problem {
    Problem::new(ExitCode::Unexpected, "unexpected", format!("{what}: {}", Problem::chain(error)))
}

/// Every change that is asked for is worth a line here, so this program says more than those that run and end.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("DCOS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(terminal).with_writer(std::io::stderr);
    // Somebody else's logging stays if there is any: a test's.
    let _ = subscriber.try_init();
}
