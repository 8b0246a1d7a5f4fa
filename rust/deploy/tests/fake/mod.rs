//! Fake nodes: each a server of its own that answers as a node does, and writes down what it was told to do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use dcos_api::types::pkg::{
    Active, AvailablePackage, AvailablePackages, FetchRequest, Job, JobKind, JobState, NodeState, Running,
    ValidateRequest,
};
use dcos_api::types::restart::{BeginAnswer, BeginRequest, GoAnswer, GoRequest, RestartPlan, RestartStatus};
use dcos_core::attempt::{Answer, AttemptReport, AttemptState, CheckReport};
use dcos_core::node::NodeConfig;
use dcos_core::validate::{Finding, Report};
use dcos_core::{ExitCode, Kind, PackageSet, PkgInfo, Problem, Role, Sha256};
use jiff::Timestamp;

/// How a fake node behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// It runs what it is told at once.
    Good,
    /// Its attempts stay where they are until it behaves otherwise.
    Hangs,
    /// It says that no set can work.
    RefusesSet,
    /// It comes up badly and puts the old set back.
    FallsBack,
}

struct Node {
    name: String,
    role: Role,
    set: PackageSet,
    behaviour: Behaviour,
    /// Whether the master lists it as active.
    registered: bool,
    attempt: Option<AttemptReport>,
    ticket: Option<String>,
    slow_go: Duration,
}

type Shared = Arc<Mutex<Everything>>;

#[derive(Default)]
struct Everything {
    nodes: Vec<Node>,
    log: Vec<String>,
    terms: Vec<u64>,
    /// Whether whoever asked for offers showed credentials, each time.
    shown: Vec<bool>,
}

/// A master and agents, each on a port of its own.
pub(crate) struct Cluster {
    shared: Shared,
}

fn lock(shared: &Shared) -> MutexGuard<'_, Everything> {
    shared.lock().unwrap()
}

fn set(mesos: &str) -> PackageSet {
    let ids = [format!("mesos--{mesos}"), format!("dcos-bits--0.1.0+mesos{mesos}"), "mesos-config--abc".to_owned()];
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

impl Cluster {
    pub(crate) async fn start(agents: usize) -> Self {
        let shared = Shared::default();
        for place in 0..=agents {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let name = listener.local_addr().unwrap().to_string();
            let role = if place == 0 { Role::Master } else { Role::Agent };
            let (set, behaviour, slow_go) = (set("1.10.0"), Behaviour::Good, Duration::ZERO);
            let (attempt, ticket, registered) = (None, None, true);
            lock(&shared).nodes.push(Node { name, role, set, behaviour, registered, attempt, ticket, slow_go });
            let router = router(place, Arc::clone(&shared));
            tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        }
        Self { shared }
    }

    /// The `node.toml` of the master.
    pub(crate) fn config(&self) -> NodeConfig {
        let name = self.name(0);
        let (ip, port) = name.split_once(':').unwrap();
        let mesos = format!("[mesos]\nip = \"{ip}\"\nport = {port}\nwork_dir = \"/var/lib/mesos\"");
        let deploy = format!("[deploy]\nmasters = [\"http://{name}\"]");
        NodeConfig::parse(&format!("role = \"master\"\ngroup = \"masters\"\n{mesos}\n{deploy}")).unwrap()
    }

    pub(crate) fn name(&self, place: usize) -> String {
        lock(&self.shared).nodes[place].name.clone()
    }

    pub(crate) fn place(&self, name: &str) -> usize {
        lock(&self.shared).nodes.iter().position(|node| node.name == name).unwrap()
    }

    /// The agents in the order in which they have their turn.
    pub(crate) fn agents_in_order(&self) -> Vec<String> {
        let mut names: Vec<String> = lock(&self.shared).nodes.iter().skip(1).map(|node| node.name.clone()).collect();
        names.sort();
        names
    }

    pub(crate) fn behave(&self, place: usize, behaviour: Behaviour) {
        let mut everything = lock(&self.shared);
        everything.nodes[place].behaviour = behaviour;
        everything.nodes[place].proceed();
    }

    /// Has the master list an agent as active, or not.
    pub(crate) fn register(&self, place: usize, registered: bool) {
        lock(&self.shared).nodes[place].registered = registered;
    }

    /// Has every node take its time to answer a `go`.
    pub(crate) fn slow_go(&self, duration: Duration) {
        lock(&self.shared).nodes.iter_mut().for_each(|node| node.slow_go = duration);
    }

    /// Whether whoever asked nodes for offers showed credentials, in order.
    pub(crate) fn shown(&self) -> Vec<bool> {
        lock(&self.shared).shown.clone()
    }

    /// What nodes were told to do, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        lock(&self.shared).log.clone()
    }

    pub(crate) fn terms(&self) -> Vec<u64> {
        lock(&self.shared).terms.clone()
    }

    pub(crate) async fn wait_for(&self, text: &str) {
        while !self.log().iter().any(|line| line.contains(text)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Node {
    /// An attempt that was told to go goes on.
    fn proceed(&mut self) {
        let Some(attempt) = self.attempt.as_mut().filter(|it| it.state == AttemptState::Starting) else { return };
        match self.behaviour {
            Behaviour::Hangs => {}
            Behaviour::FallsBack => {
                let (name, detail) = ("alive".to_owned(), "mesos-agent ended with signal 6".to_owned());
                attempt.checks = vec![CheckReport { name, answer: Answer::No, detail }];
                attempt.log = vec!["starting".to_owned(), "Aborted at main".to_owned()];
                attempt.state = AttemptState::RolledBack;
            }
            Behaviour::Good | Behaviour::RefusesSet => {
                attempt.state = AttemptState::Confirmed;
                self.set = attempt.set.clone();
            }
        }
    }

    fn running(&self) -> Running {
        let mesos = self.set.iter().find(|id| id.name().as_str() == "mesos").unwrap();
        Running { generation: 1, packages: self.set.clone(), mesos_version: mesos.version().base().to_owned(), pid: 1 }
    }
}

type Here = State<(usize, Shared)>;

fn router(place: usize, shared: Shared) -> Router {
    Router::new()
        .route("/master/slaves", get(slaves))
        .route("/pkg/state", get(state))
        .route("/pkg/available", get(available))
        .route("/pkg/fetch", post(fetch))
        .route("/pkg/jobs/{id}", get(async || job(JobState::Done)))
        .route("/pkg/validate", post(validate))
        .route("/restart/begin", post(begin))
        .route("/restart/go", post(go))
        .route("/restart/status", get(status))
        .route("/restart/attempts/{id}", delete(cancel))
        .with_state((place, shared))
}

fn refused(name: &str, code: ExitCode) -> Response {
    let problem = Problem::new(code, name, format!("refused: {name}"));
    (StatusCode::from_u16(problem.status).unwrap(), Json(problem)).into_response()
}

async fn slaves(State((_, shared)): Here) -> Json<serde_json::Value> {
    let everything = lock(&shared);
    let slaves = everything.nodes.iter().enumerate().skip(1).map(|(place, node)| {
        let (host, port) = node.name.split_once(':').unwrap();
        let (id, pid) = (format!("S{place}"), format!("slave(1)@{}", node.name));
        let port: u16 = port.parse().unwrap();
        serde_json::json!({"id": id, "hostname": host, "port": port, "pid": pid, "active": node.registered, "attributes": {}})
    });
    Json(serde_json::json!({"slaves": slaves.collect::<Vec<_>>(), "recovered_slaves": []}))
}

async fn state(State((place, shared)): Here) -> Json<NodeState> {
    let everything = lock(&shared);
    let node = &everything.nodes[place];
    let running = node.running();
    let active = Active {
        generation: 1,
        packages: node.set.clone(),
        modules: Vec::new(),
        mesos_version: running.mesos_version.clone(),
    };
    Json(NodeState {
        protocol: 1,
        node: node.name.clone(),
        role: node.role,
        group: format!("{}s", node.role),
        active: Some(active),
        packages: node.set.iter().cloned().collect(),
        running: Some(running),
        jobs: Vec::new(),
        last_attempt: node.attempt.clone(),
        metadata: Vec::new(),
        problems: Vec::new(),
    })
}

async fn available(State((_, shared)): Here, headers: HeaderMap) -> Json<AvailablePackages> {
    lock(&shared).shown.push(headers.contains_key(AUTHORIZATION));
    let infos = [
        r#"{"format":1,"name":"mesos","version":"1.11.0","kind":"mesos","mesos":{"version":"1.11.0"}}"#,
        r#"{"format":1,"name":"dcos-bits","version":"0.1.0+mesos1.11.0","kind":"plain"}"#,
    ];
    let package = |text: &&str| {
        let pkginfo = PkgInfo::parse(text).unwrap();
        let (id, repository) = (pkginfo.id(), "release".to_owned());
        AvailablePackage { id, kind: Kind::Mesos, repository, size: 1, sha256: Sha256::of(b""), local: false, pkginfo }
    };
    Json(AvailablePackages { packages: infos.iter().map(package).collect() })
}

fn job(state: JobState) -> Json<Job> {
    let (started_at, id) = (Timestamp::now(), "job-1".to_owned());
    Json(Job {
        id,
        kind: JobKind::Fetch,
        state,
        packages: Vec::new(),
        problem: None,
        started_at,
        finished_at: None,
        dry_run: false,
        collected: None,
    })
}

async fn fetch(State((place, shared)): Here, Json(request): Json<FetchRequest>) -> (StatusCode, Json<Job>) {
    let mut everything = lock(&shared);
    let line = format!("{} fetch {} packages", everything.nodes[place].name, request.packages.len());
    everything.log.push(line);
    (StatusCode::ACCEPTED, job(JobState::Running))
}

async fn validate(State((place, shared)): Here, Json(_): Json<ValidateRequest>) -> Response {
    if lock(&shared).nodes[place].behaviour != Behaviour::RefusesSet {
        return Json(Report { valid: true, ..Report::default() }).into_response();
    }
    let message = "`dcos-bits--0.1.0+mesos1.11.0` was built for 1.10.0".to_owned();
    let code = "module-mesos-version".to_owned();
    let mut problem = Problem::new(ExitCode::Refused, "invalid-set", "the set is not valid");
    problem.problems = vec![Finding { code, packages: Vec::new(), message, hint: None }];
    (StatusCode::UNPROCESSABLE_ENTITY, Json(problem)).into_response()
}

async fn begin(State((place, shared)): Here, Json(request): Json<BeginRequest>) -> Response {
    let plan = |from: &PackageSet| RestartPlan {
        notes: Vec::new(),
        from: from.clone(),
        to: request.set.clone(),
        steps: ["stop", "switch", "start", "watch"].map(str::to_owned).to_vec(),
        tasks_lost: Vec::new(),
        absence_estimate_ms: Some(900),
    };
    let mut everything = lock(&shared);
    let everything = &mut *everything;
    let node = &mut everything.nodes[place];
    if node.attempt.as_ref().is_some_and(|attempt| !attempt.state.is_final()) {
        return refused("attempt-running", ExitCode::Conflict);
    }
    everything.log.push(format!("{} begin {}", node.name, request.attempt));
    everything.terms.push(request.term);
    let ticket = format!("ticket-{}", request.attempt);
    node.ticket = Some(ticket.clone());
    node.attempt = Some(AttemptReport {
        attempt: request.attempt.clone(),
        state: AttemptState::Staged,
        detail: String::new(),
        set: request.set.clone(),
        generation: Some(2),
        previous_generation: Some(1),
        started_at: Timestamp::now(),
        changed_at: Timestamp::now(),
        checks: Vec::new(),
        absence_ms: None,
        log: Vec::new(),
    });
    let answer = BeginAnswer {
        protocol: 1,
        attempt: request.attempt.clone(),
        ticket: Some(ticket),
        expires_in_ms: Some(10_000),
        generation: Some(2),
        plan: plan(&node.set),
    };
    (StatusCode::ACCEPTED, Json(answer)).into_response()
}

async fn go(State((place, shared)): Here, Json(request): Json<GoRequest>) -> Response {
    let (slow, attempt) = {
        let mut everything = lock(&shared);
        let everything = &mut *everything;
        let node = &mut everything.nodes[place];
        if node.ticket.take() != Some(request.ticket) {
            return refused("spent-ticket", ExitCode::Conflict);
        }
        let attempt = node.attempt.as_ref().unwrap().attempt.clone();
        everything.log.push(format!("{} go {attempt}", node.name));
        (node.slow_go, attempt)
    };
    tokio::time::sleep(slow).await;
    let mut everything = lock(&shared);
    let everything = &mut *everything;
    let node = &mut everything.nodes[place];
    everything.log.push(format!("{} went {attempt}", node.name));
    if let Some(attempt) = &mut node.attempt {
        attempt.state = AttemptState::Starting;
    }
    node.proceed();
    (StatusCode::ACCEPTED, Json(GoAnswer { attempt, state: AttemptState::Staged })).into_response()
}

async fn status(State((place, shared)): Here) -> Json<RestartStatus> {
    let everything = lock(&shared);
    let node = &everything.nodes[place];
    let (mut attempt, mut last_attempts) = (node.attempt.clone(), Vec::new());
    if attempt.as_ref().is_some_and(|attempt| attempt.state.is_final()) {
        last_attempts.extend(attempt.take());
    }
    let running = Some(node.running());
    let name = node.name.clone();
    Json(RestartStatus {
        protocol: 1,
        node: name,
        running,
        active_generation: Some(1),
        attempt,
        last_attempts,
        problem: None,
    })
}

async fn cancel(State((place, shared)): Here, Path(id): Path<BTreeMap<String, String>>) -> Response {
    let mut everything = lock(&shared);
    let line = format!("{} cancel {}", everything.nodes[place].name, id.values().next().unwrap());
    everything.log.push(line);
    refused("not-now", ExitCode::Conflict)
}
