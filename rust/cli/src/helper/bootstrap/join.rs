//! Asking a master what this machine shall be, by a token that is good once.
//!
//! The token is spent on the master's side before its answer is here. So the machine makes up a word first, its claim,
//! writes it down, and shows it with the token: asked again with both, the master gives the same answer. Once the answer
//! is written down, the master is not asked any more.

use std::path::Path;

use dcos_api::types::PROTOCOL;
use dcos_api::types::join::{JoinAnswer, JoinRequest};
use dcos_core::node::DEFAULT_ROOT;
use dcos_core::{ExitCode, Problem, Sha256};
use dcos_restart::host;
use dcos_store::Store;
use serde::{Deserialize, Serialize};

use super::facts::{CREDENTIALS, MESOS_CREDENTIALS, own_address};
use super::fetch::Patience;
use super::files::{absolute, put};
use crate::client::Client;
use crate::helper::args;
use crate::output::say;

/// What is known of the joining, below `state/`. Secrets are not in it: they have files of their own.
const NAME: &str = "bootstrap.json";

const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    /// The machine's own word.
    claim: String,
    /// The digest of the token that the answer is to.
    token: Option<Sha256>,
    /// The answer, without its secrets.
    answer: Option<JoinAnswer>,
    /// Whether the answer had credentials.
    credentials: bool,
}

/// What the master answers, or has answered.
pub(super) fn ask(
    master: &str,
    node_file: &Path,
    arguments: &args::Bootstrap,
    patience: Patience,
) -> Result<JoinAnswer, Problem> {
    let Some(token) = &arguments.token else {
        let detail = "`--join` needs the token that `dcos slave token --group GROUP` makes";
        return Err(Problem::new(ExitCode::Usage, "usage", detail)
            .hint("`--token TOKEN`, or DCOS_JOIN_TOKEN in the environment"));
    };
    let root = arguments.root.clone().unwrap_or_else(|| DEFAULT_ROOT.into());
    let store = Store::open(&root, None)?;
    let mut record = read(&store)?;
    let digest = Sha256::of(token.as_bytes());
    if record.token == Some(digest)
        && let Some(answer) = record.answer
    {
        // The secret is in its file; here it matters only that there is one.
        let credentials = record.credentials.then(String::new);
        return Ok(JoinAnswer { credentials, ..answer });
    }
    refuse_node(node_file)?;
    let client = Client::new(master)?;
    let port = arguments.port.map(|port| format!(":{port}")).unwrap_or_default();
    let host = match &arguments.hostname {
        Some(hostname) => hostname.clone(),
        None => own_address(arguments)?.to_string(),
    };
    let request = JoinRequest {
        protocol: PROTOCOL,
        token: token.clone(),
        claim: record.claim.clone(),
        node: format!("{host}{port}"),
    };
    let answer = post(&client, &request, patience)?;
    for (name, text) in [(CREDENTIALS, &answer.credentials), (MESOS_CREDENTIALS, &answer.mesos_credentials)] {
        if let Some(text) = text {
            put(&absolute(node_file).with_file_name(name), text.as_bytes(), 0o600)?;
        }
    }
    record.token = Some(digest);
    record.credentials = answer.credentials.is_some();
    record.answer = Some(JoinAnswer { credentials: None, mesos_credentials: None, ..answer.clone() });
    write(&store, &record)?;
    Ok(answer)
}

/// Refuses a machine whose node file this token did not bring. Known before the master is asked: the answer would spend the
/// token, and its credentials would replace those that the node has.
fn refuse_node(node_file: &Path) -> Result<(), Problem> {
    if !node_file.exists() {
        return Ok(());
    }
    let detail = format!("`{}` is there, and this token did not bring it", node_file.display());
    Err(Problem::new(ExitCode::Refused, "node-file-differs", detail)
        .hint("to use it as it is, name only `--set ID…`")
        .hint("to have this machine join anew, move it away"))
}

/// Asks until there is an answer; a refusal is one.
fn post(client: &Client, request: &JoinRequest, patience: Patience) -> Result<JoinAnswer, Problem> {
    let runtime = crate::pkg::runtime()?;
    let mut wait = patience.waits();
    loop {
        match runtime.block_on(client.post("/deploy/join", request)) {
            Ok(answer) => return Ok(answer),
            Err(problem) if Client::may_pass(&problem) => {
                let Some(wait) = wait.next() else { return Err(problem) };
                say(&format!("{}; asking again in {:.0} s", problem.detail, wait.as_secs_f64()));
                std::thread::sleep(wait);
            }
            Err(problem) => return Err(problem),
        }
    }
}

/// The record; a new one, written down, if there is none.
fn read(store: &Store) -> Result<Record, Problem> {
    if let Some(bytes) = store.read_state(NAME)? {
        let unreadable = |why: String| {
            Problem::new(ExitCode::Refused, "unreadable-state", format!("can't use `state/{NAME}`: {why}"))
                .hint("if this machine never joined, remove it")
        };
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        return match record.format {
            FORMAT => Ok(record),
            other => Err(unreadable(format!("it has format {other}, and this release reads {FORMAT}"))),
        };
    }
    let word = host::random::<16>().map_err(|error| {
        Problem::new(ExitCode::Unexpected, "no-randomness", format!("can't make up a claim: {error}"))
    })?;
    let record = Record { format: FORMAT, claim: host::hex(&word), token: None, answer: None, credentials: false };
    write(store, &record)?;
    Ok(record)
}

fn write(store: &Store, record: &Record) -> Result<(), Problem> {
    let bytes = serde_json::to_vec_pretty(record).map_err(|error| {
        Problem::new(ExitCode::Unexpected, "unwritable-state", format!("can't render `state/{NAME}`: {error}"))
    })?;
    Ok(store.write_state(NAME, &bytes)?)
}
