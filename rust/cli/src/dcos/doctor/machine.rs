//! The checks of a machine: its files, its Mesos, its repositories, its masters. Each says yes, or what is wrong and what to
//! do about it.

use std::path::Path;
use std::time::Duration;

use dcos_core::ExitCode;
use dcos_core::Problem;
use dcos_core::attempt::AttemptState;
use dcos_core::node::{NodeConfig, RepositoryFacts};
use dcos_core::ports::Generation;
use dcos_repo::backoff::Retry;
use dcos_store::{Freshness, NodeContext, Store};
use jiff::Timestamp;
use serde_json::Value;

use super::Finding;

/// How long anything may take to answer: a doctor who waits is no help.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The checks in the order in which one rests on another: without a node file nothing else can be asked.
pub(super) async fn examine(file: &Path) -> Vec<Finding> {
    let config = match read(file) {
        Ok(config) => config,
        Err(finding) => return vec![finding],
    };
    let mut findings =
        vec![Finding::ok("node file", format!("`{}`: {} in group {}", file.display(), config.role, config.group))];
    let context = NodeContext { config: config.clone(), file: file.to_owned() };
    let active = match Store::open(&config.root, Some(context)) {
        Ok(store) => store_findings(&store, &config, &mut findings),
        Err(error) => {
            findings.push(Finding::problem(
                "store",
                Problem::chain(&error),
                "is `root` of the node file right, and may this user read it?",
            ));
            None
        }
    };
    let http = dcos_repo::client::built(|| reqwest::Client::builder().timeout(TIMEOUT).no_proxy());
    match http {
        Ok(http) => ask(&http, &config, active.as_ref(), &mut findings).await,
        Err(error) => findings.push(Finding::problem("http", Problem::chain(&error), "nothing could be asked by HTTP")),
    }
    findings
}

pub(super) fn read(file: &Path) -> Result<NodeConfig, Finding> {
    let problem = |detail: String, hint: &str| Finding::problem("node file", detail, hint);
    let text = std::fs::read_to_string(file).map_err(|error| {
        problem(
            format!("can't read `{}`: {error}", file.display()),
            "name it by `--node FILE`; docs/node.toml is an example with every key",
        )
    })?;
    NodeConfig::parse(&text).map_err(|error| {
        problem(
            format!("`{}`: {}", file.display(), Problem::chain(&error)),
            "docs/node.toml is an example with every key",
        )
    })
}

/// The active generation and its health paths.
struct Active {
    generation: Generation,
    health_paths: Vec<String>,
}

/// What can be told from the files alone.
fn store_findings(store: &Store, config: &NodeConfig, findings: &mut Vec<Finding>) -> Option<Active> {
    match store.helper() {
        Ok(Some(path)) => findings.push(Finding::ok("helper", format!("`{}`", path.display()))),
        Ok(None) => findings.push(Finding::problem(
            "helper",
            "no helper is installed",
            "`dcos-restart-helper start` of an active dcos-bits package installs it",
        )),
        Err(problem) => findings.push(refused("helper", problem.into())),
    }
    let generation = match store.active() {
        Ok(Some(generation)) => generation,
        Ok(None) => {
            let hint =
                format!("activate a first set: `dcos-pkg --node FILE activate ID…` (root `{}`)", config.root.display());
            findings.push(Finding::problem("active set", "no set is active", hint));
            return None;
        }
        Err(problem) => {
            findings.push(refused("active set", problem.into()));
            return None;
        }
    };
    findings.push(Finding::ok("active set", format!("generation {}: {}", generation.number, generation.set)));
    for id in generation.set.iter() {
        let check = format!("package {id}");
        match store.verify(id) {
            Ok(report) if report.ok => findings.push(Finding::ok(check, "every file is as it was installed")),
            Ok(report) => findings.push({
                let hint = format!("`dcos-pkg repair {id}` fetches what differs");
                Finding::problem(check, report.problems.join("; "), hint)
            }),
            Err(error) => findings.push(Finding::problem(check, Problem::chain(&error), "`dcos-pkg verify` says more")),
        }
    }
    match store.launch(generation.number) {
        Ok(launch) => Some(Active { generation, health_paths: launch.health_paths }),
        Err(problem) => {
            findings.push(refused("generation", problem.into()));
            Some(Active { generation, health_paths: Vec::new() })
        }
    }
}

fn refused(check: &str, problem: Problem) -> Finding {
    let hint = problem.hints.into_iter().next().unwrap_or_else(|| "`dcos-pkg verify` says more".to_owned());
    Finding::problem(check, problem.detail, hint)
}

/// What Mesos, the repositories and the masters answer.
async fn ask(http: &reqwest::Client, config: &NodeConfig, active: Option<&Active>, findings: &mut Vec<Finding>) {
    let origin = config.origin();
    match get(http, &format!("{origin}/version")).await {
        Ok(answer) => findings.push(version(&answer, active)),
        Err(why) => {
            let log = config.root.join("state/log/mesos.log");
            findings.push(Finding::problem(
                "mesos",
                why,
                format!("`{}` tells why it ended; `dcos-restart-helper start` starts it", log.display()),
            ));
        }
    }
    for path in active.map_or(&[][..], |active| &active.health_paths) {
        let check = format!("module {path}");
        match get(http, &format!("{origin}{path}")).await {
            Ok(_) => findings.push(Finding::ok(check, "answers 200")),
            Err(why) => {
                findings.push(Finding::problem(check, why, "a module that refused to work says why in its answer"));
            }
        }
    }
    if let Ok(status) = get(http, &format!("{origin}/restart/status")).await {
        findings.push(attempt(&status));
    }
    let repositories = [("release", &config.repositories.release), ("site", &config.repositories.site)];
    for (name, facts) in repositories {
        let Some(facts) = facts else { continue };
        findings.push(repository(name, facts).await);
    }
    for master in &config.deploy.masters {
        findings.push(match get(http, &format!("{master}/deploy/health")).await {
            Ok(_) => Finding::ok(format!("master {master}"), "its deploy module answers"),
            Err(why) => Finding::problem(format!("master {master}"), why, "this node's pings wait until it answers"),
        });
    }
}

/// Whether a repository can be fetched from, and for how long what it has signed lasts.
async fn repository(name: &str, facts: &RepositoryFacts) -> Finding {
    let check = format!("repository {name}");
    let expiries = match offered(name, facts).await {
        Ok(expiries) => expiries,
        Err(problem) => {
            let hint = "nothing new can be fetched from it; what is local goes on working".to_owned();
            return Finding::problem(check, problem.detail, problem.hints.into_iter().next().unwrap_or(hint));
        }
    };
    let now = Timestamp::now();
    match expiries.iter().find(|expiry| expiry.seconds_left(now) < soon(expiry.role)) {
        Some(expiry) => Finding::problem(
            check,
            format!("`{}`: its `{}` expires at {:.0}", facts.url, expiry.role, expiry.expires),
            "whoever publishes has to run `dcos repo refresh`, or `dcos repo rotate DIR root` for root; does their timer run?",
        ),
        None => Finding::ok(check, facts.url.clone()),
    }
}

/// How near its end a role is worth a word, in seconds: what a timer renews every few days is always near it.
fn soon(role: &str) -> i64 {
    let days = if matches!(role, "snapshot" | "timestamp") { 2 } else { 14 };
    days * 24 * 60 * 60
}

/// Asks as a node does, but keeps nothing of what it learns.
async fn offered(name: &str, facts: &RepositoryFacts) -> Result<Vec<Freshness>, Problem> {
    let scratch = tempfile::tempdir().map_err(|error| {
        let detail = format!("could not make a folder in `{}`: {error}", std::env::temp_dir().display());
        Problem::new(ExitCode::Unexpected, "no-scratch", detail)
    })?;
    let store = Store::open(scratch.path(), None)?;
    let once = Retry { attempts: 1, ..Retry::default() };
    dcos_repo::Client::new(name, facts, &store)?.with_retry(once).catalogue().await?;
    Ok(store.freshness()?)
}

fn version(answer: &Value, active: Option<&Active>) -> Finding {
    let said = answer.get("version").and_then(Value::as_str).unwrap_or("no version");
    match active {
        Some(active) if active.generation.mesos_version != said => Finding::problem(
            "mesos",
            format!("it runs {said}, and the active set has {}", active.generation.mesos_version),
            "`dcos-restart-helper status` tells whether an attempt is under way",
        ),
        _ => Finding::ok("mesos", format!("answers as {said}")),
    }
}

/// Whether the last restart left something to do.
fn attempt(status: &Value) -> Finding {
    let current = status.get("attempt").filter(|value| !value.is_null());
    let last = status.get("last_attempts").and_then(|attempts| attempts.get(0));
    let Some(report) = current.or(last) else { return Finding::ok("last attempt", "none so far") };
    let word = |key: &str| report.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let state = report.get("state").cloned().and_then(|state| serde_json::from_value::<AttemptState>(state).ok());
    let detail = format!("{} {}: {}", word("attempt"), word("state"), word("detail"));
    match state {
        Some(AttemptState::Lost) => Finding::problem(
            "last attempt",
            detail,
            "neither set comes up: look into the log, put right what it names, and run `dcos-restart-helper resume`",
        ),
        Some(_) => Finding::ok("last attempt", detail),
        None => Finding::problem("last attempt", detail, "another release of dcos-bits may run there"),
    }
}

/// The JSON at `url`, or why there is none.
async fn get(http: &reqwest::Client, url: &str) -> Result<Value, String> {
    let why = |error: reqwest::Error| {
        let error = error.without_url();
        let reason = if error.is_timeout() { "no answer in time".to_owned() } else { Problem::chain(&error) };
        format!("`{url}`: {reason}")
    };
    let response = http.get(url).send().await.map_err(why)?;
    let status = response.status();
    let bytes = response.bytes().await.map_err(why)?;
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    let detail = body.get("detail").and_then(Value::as_str).map_or_else(String::new, |detail| format!(": {detail}"));
    Err(format!("`{url}` answered {status}{detail}"))
}
