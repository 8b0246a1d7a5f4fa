//! A node and a controller that are none: each method answers with the example that documents it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use axum::Router;
use axum::body::Body;
use dcos_api::backend::{Answer, Created, DeployBackend, Leader, NodeBackend};
use dcos_api::types::deploy::{
    Acknowledgement, ClusterNodes, CreateDeployment, DeployEvents, Deployment, DeploymentCommand, Deployments, Halt,
    HaltRequest, Halts, Ping, PulseAnswer, ResumeRequest, Summary,
};
use dcos_api::types::join::{JoinAnswer, JoinRequest, TokenAnswer, TokenRequest};
use dcos_api::types::pins::{PinRequest, Pins, UnpinRequest};
use dcos_api::types::pkg::{
    Active, AvailablePackages, CareRequest, FetchRequest, GcRequest, Job, Jobs, LocalPackages, NodeState, PackageDetail,
};
use dcos_api::types::records::{Audit, AuditEntry, Backup, DesiredSets, Restored};
use dcos_api::types::restart::{BeginAnswer, BeginRequest, GoAnswer, GoRequest, RestartStatus};
use dcos_api::{Controller, Parts, Principal};
use dcos_core::attempt::AttemptReport;
use dcos_core::node::NodeConfig;
use dcos_core::validate::Report;
use dcos_core::{ExitCode, PackageId, PackageSet, Problem};
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use crate::examples::text;

/// A `node.toml` in which each role has a principal of its name.
pub(crate) const NODE: &str = r#"
    role = "agent"
    group = "agents"
    [mesos]
    ip = "127.0.0.1"
    port = 5051
    master = "127.0.0.1:5050"
    work_dir = "/var/lib/mesos"
    [deploy]
    shared_principals = ["node"]
    [roles]
    node = "node"
    reader = "reader"
    monitor = "monitor"
    operator = "operator"
    admin = "admin"
    [limits]
    body = 4096
"#;

fn example<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&text(name)).unwrap()
}

pub(crate) fn absent(what: &str) -> Problem {
    Problem::new(ExitCode::NotFound, "not-here", format!("`{what}` is not here"))
}

/// A node that is none.
pub(crate) struct FakeNode {
    /// Whether nothing was ever activated on it.
    pub(crate) new: bool,
    /// How often its repositories were asked. They can't be reached the first time.
    pub(crate) available: AtomicU32,
    /// Until when the next answer of its repositories takes.
    pub(crate) slow: Mutex<Option<mpsc::Receiver<()>>>,
}

impl Default for FakeNode {
    fn default() -> Self {
        Self { new: false, available: AtomicU32::new(1), slow: Mutex::default() }
    }
}

impl NodeBackend for FakeNode {
    fn active(&self) -> Result<Option<Arc<Active>>, Problem> {
        Ok(if self.new { None } else { Some(Arc::new(example("pkg/active.json"))) })
    }

    fn packages(&self) -> Result<LocalPackages, Problem> {
        Ok(example("pkg/packages.json"))
    }

    fn package(&self, id: &PackageId) -> Result<PackageDetail, Problem> {
        let detail: PackageDetail = example("pkg/package.json");
        if detail.id == *id { Ok(detail) } else { Err(absent(&id.to_string())) }
    }

    fn available(&self) -> Result<AvailablePackages, Problem> {
        if let Some(slow) = self.slow.lock().unwrap().take() {
            slow.recv().unwrap();
        }
        match self.available.fetch_add(1, Ordering::SeqCst) {
            0 => Err(Problem::new(ExitCode::Unreachable, "unreachable", "the repository does not answer")),
            _ => Ok(example("pkg/available.json")),
        }
    }

    fn state(&self) -> Result<NodeState, Problem> {
        Ok(example(if self.new { "pkg/state.new-node.json" } else { "pkg/state.json" }))
    }

    fn fetch(&self, request: FetchRequest, by: &Principal) -> Result<Job, Problem> {
        assert_eq!(request, example("pkg/fetch.request.json"));
        assert_eq!(by.0.as_deref(), Some("operator"));
        Ok(example("pkg/job.running.json"))
    }

    fn verify(&self, request: CareRequest, by: &Principal) -> Result<Job, Problem> {
        assert_eq!(request, example("pkg/verify.request.json"));
        assert_eq!(by.0.as_deref(), Some("operator"));
        Ok(example("pkg/job.verify.json"))
    }

    fn repair(&self, request: CareRequest, by: &Principal) -> Result<Job, Problem> {
        assert_eq!(request, example("pkg/verify.request.json"));
        assert_eq!(by.0.as_deref(), Some("operator"));
        Ok(example("pkg/job.repair.json"))
    }

    fn gc(&self, request: GcRequest, by: &Principal) -> Result<Job, Problem> {
        assert_eq!(request, example("pkg/gc.request.json"));
        assert_eq!(by.0.as_deref(), Some("operator"));
        Ok(example("pkg/job.gc.json"))
    }

    fn jobs(&self) -> Result<Jobs, Problem> {
        Ok(example("pkg/jobs.json"))
    }

    fn job(&self, id: &str) -> Result<Job, Problem> {
        let job: Job = example("pkg/job.failed.json");
        if job.id == id { Ok(job) } else { Err(absent(id)) }
    }

    fn cancel_job(&self, id: &str) -> Result<Job, Problem> {
        let job: Job = example("pkg/job.cancelled.json");
        if job.id == id { Ok(job) } else { Err(absent(id)) }
    }

    fn validate(&self, set: &PackageSet) -> Result<Report, Problem> {
        if set.is_empty() {
            return Ok(example("pkg/validate.valid.json"));
        }
        let refused: Problem = example("pkg/validate.invalid.json");
        Ok(Report { valid: false, problems: refused.problems, notes: Vec::new() })
    }

    fn remove_package(&self, id: &PackageId) -> Result<(), Problem> {
        if *id == example::<PackageDetail>("pkg/package.json").id { Ok(()) } else { Err(absent(&id.to_string())) }
    }

    fn begin(&self, request: BeginRequest) -> Result<BeginAnswer, Problem> {
        Ok(example(if request.dry_run { "restart/begin.dry-run.json" } else { "restart/begin.json" }))
    }

    fn go(&self, request: &GoRequest) -> Result<GoAnswer, Problem> {
        assert_eq!(*request, example("restart/go.request.json"));
        Ok(example("restart/go.json"))
    }

    fn cancel_attempt(&self, attempt: &str) -> Result<AttemptReport, Problem> {
        let report: AttemptReport = example("restart/attempt.cancelled.json");
        if report.attempt == attempt { Ok(report) } else { Err(absent(attempt)) }
    }

    fn restart_status(&self) -> Result<RestartStatus, Problem> {
        Ok(example("restart/status.json"))
    }
}

/// The node that the fake controller asks for others.
const CLUSTER_NODE: &str = "127.0.0.1:5051";

/// A controller that answers at its second poll, as a real one that asks a task does.
#[derive(Default)]
pub(crate) struct FakeController {
    /// Who leads, if not this one.
    pub(crate) leader: Option<Leader>,
    /// What was recorded.
    pub(crate) recorded: Arc<Mutex<Vec<AuditEntry>>>,
}

fn soon<T: Send + 'static>(answer: Result<T, Problem>) -> Answer<T> {
    Box::pin(async {
        tokio::task::yield_now().await;
        answer
    })
}

fn of_id(id: &str) -> Answer<Deployment> {
    let deployment: Deployment = example("deploy/deployment.json");
    soon(if deployment.id == id { Ok(deployment) } else { Err(absent(id)) })
}

impl DeployBackend for FakeController {
    fn leader(&self) -> Leader {
        self.leader.clone().unwrap_or(Leader::Here)
    }

    fn desired(&self) -> Answer<DesiredSets> {
        soon(Ok(example("deploy/desired.json")))
    }

    fn record(&self, entry: AuditEntry) -> Answer<()> {
        self.recorded.lock().unwrap().push(entry);
        soon(Ok(()))
    }

    fn audit(&self, _after: u64) -> Answer<Audit> {
        soon(Ok(example("deploy/audit.json")))
    }

    fn backup(&self) -> Answer<Backup> {
        soon(Ok(example("deploy/backup.json")))
    }

    fn restore(&self, _backup: Backup, _by: Principal) -> Answer<Restored> {
        soon(Ok(example("deploy/restore.json")))
    }

    fn term(&self) -> Answer<u64> {
        soon(Ok(7))
    }

    fn create(&self, request: CreateDeployment, _by: Principal) -> Answer<Created> {
        soon(Ok(if request.dry_run {
            Created::Plan(Box::new(example("deploy/plan.json")))
        } else {
            Created::Deployment(Box::new(example("deploy/deployment.json")))
        }))
    }

    fn deployments(&self) -> Answer<Deployments> {
        soon(Ok(example("deploy/deployments.json")))
    }

    fn deployment(&self, id: String) -> Answer<Deployment> {
        of_id(&id)
    }

    fn summary(&self, id: Option<String>) -> Answer<Summary> {
        let summary: Summary = example("deploy/summary.json");
        let known = summary.deployment.as_ref().map(|deployment| deployment.id.clone());
        soon(match id {
            Some(id) if known.as_ref() != Some(&id) => Err(absent(&id)),
            _ => Ok(summary),
        })
    }

    fn command(&self, id: String, _command: DeploymentCommand, _by: Principal) -> Answer<Deployment> {
        of_id(&id)
    }

    fn nodes(&self) -> Answer<ClusterNodes> {
        soon(Ok(example("deploy/nodes.json")))
    }

    fn node_available(&self, node: String) -> Answer<AvailablePackages> {
        soon(if node == CLUSTER_NODE { Ok(example("pkg/available.json")) } else { Err(absent(&node)) })
    }

    fn node_package(&self, node: String, id: PackageId) -> Answer<PackageDetail> {
        let detail: PackageDetail = example("pkg/package.json");
        soon(if node == CLUSTER_NODE && detail.id == id { Ok(detail) } else { Err(absent(&node)) })
    }

    fn halt(&self, request: HaltRequest, _by: Principal) -> Answer<Halt> {
        soon(Ok(Halt { reason: request.reason, ..example("deploy/halt.json") }))
    }

    fn halts(&self) -> Answer<Halts> {
        soon(Ok(example("deploy/halts.json")))
    }

    fn resume(&self, request: ResumeRequest, _by: Principal) -> Answer<Halts> {
        assert_eq!(request, example("deploy/resume.request.json"));
        soon(Ok(example("deploy/resume.json")))
    }

    fn pins(&self) -> Answer<Pins> {
        soon(Ok(example("deploy/pins.json")))
    }

    fn pin(&self, request: PinRequest, _by: Principal) -> Answer<Pins> {
        assert_eq!(request, example("deploy/pin.request.json"));
        soon(Ok(example("deploy/pins.json")))
    }

    fn unpin(&self, request: UnpinRequest, _by: Principal) -> Answer<Pins> {
        assert_eq!(request, example("deploy/unpin.request.json"));
        soon(Ok(example("deploy/unpin.json")))
    }

    fn pulse(&self, _by: Principal) -> Answer<PulseAnswer> {
        soon(Ok(example("deploy/pulse.json")))
    }

    fn ping(&self, ping: Ping) -> Answer<Acknowledgement> {
        soon(Ok(Acknowledgement { acknowledged: ping.sequence }))
    }

    fn events(&self, after: u64) -> Answer<DeployEvents> {
        let mut events: DeployEvents = example("deploy/events.json");
        events.events.retain(|event| event.number > after);
        soon(Ok(events))
    }

    fn token(&self, request: TokenRequest, by: Principal) -> Answer<TokenAnswer> {
        assert_eq!(request, example("deploy/tokens.request.json"));
        assert_eq!(by.0.as_deref(), Some("operator"));
        soon(Ok(example("deploy/tokens.json")))
    }

    fn join(&self, request: JoinRequest) -> Answer<JoinAnswer> {
        assert_eq!(request, example("deploy/join.request.json"));
        soon(Ok(example("deploy/join.json")))
    }
}

/// The router of a fake node; `change` edits the text of its `node.toml`.
pub(crate) fn router_with(change: impl FnOnce(String) -> String, deploy: Controller) -> Router {
    let config = NodeConfig::parse(&change(NODE.to_owned())).unwrap();
    dcos_api::router(Parts::new(&config, Arc::new(FakeNode::default()), deploy))
}

/// The router of a fake master.
pub(crate) fn master() -> Router {
    router_with(|text| text, Controller::Here(Arc::new(FakeController::default())))
}

/// A request as `principal` makes it.
pub(crate) fn request(method: &str, path: &str, body: Option<&str>, principal: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let mut request = request.body(Body::from(body.unwrap_or_default().to_owned())).unwrap();
    request.extensions_mut().insert(Principal(principal.map(str::to_owned)));
    request
}

/// The answer and its body.
pub(crate) async fn ask(router: &Router, request: Request<Body>) -> (Response<()>, String) {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8(bytes.to_vec()).unwrap())
}

/// The answer's problem, which must be declared as one and carry the answer's status.
pub(crate) async fn refusal(router: &Router, request: Request<Body>) -> Problem {
    let (response, body) = ask(router, request).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json", "{body}");
    let problem: Problem = serde_json::from_str(&body).unwrap();
    assert_eq!(problem.status, response.status().as_u16());
    problem
}
