//! Nodes over HTTP: what the controller asks, each question with a deadline.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dcos_api::types::deploy::PlannedNode;
use dcos_api::types::pkg::{
    AvailablePackages, FetchPackage, FetchRequest, Job, JobState, NodeState, PackageDetail, ValidateRequest,
};
use dcos_api::types::restart::{BeginAnswer, BeginRequest, GoAnswer, GoRequest, RestartStatus};
use dcos_core::validate::{NO_WAY_BACK, Report};
use dcos_core::{PackageId, Problem};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::{Answer, Fetching, Request, Ticket, Trouble};
use crate::trust::Trust;

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// How long a node may take to say what it has, or how far it is.
const QUICK: Duration = Duration::from_secs(5);

/// How long a node may take over what reads its packages or its repositories: validating, staging, listing offers.
const SLOW: Duration = Duration::from_secs(60);

/// How many bytes of an answer are read at most: a node with thousands of packages says some megabytes.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A client of nodes.
#[derive(Clone, Debug)]
pub struct NodeClient {
    http: reqwest::Client,
    /// The origin that nodes report to, if their configuration names it.
    report_to: Option<String>,
    trust: Trust,
    /// Where the helpers of nodes answer while their Mesos does not, by the origin of the node: as their pings say.
    helpers: Arc<Mutex<BTreeMap<String, u16>>>,
}

/// Where an answer comes from, if from anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directed {
    /// Who was asked answers itself.
    Answered,
    /// It sends to this origin.
    To(String),
    /// It knows nobody who would answer.
    Nowhere,
}

/// A client that can't be made.
#[derive(Debug, thiserror::Error)]
#[error("can't make an HTTP client")]
pub struct ClientError(#[source] pub(crate) reqwest::Error);

impl NodeClient {
    /// A client; nodes are asked to report to `report_to`, and shown credentials where `trust` says so.
    ///
    /// # Errors
    /// If TLS can't be set up.
    pub fn new(report_to: Option<String>, trust: Trust) -> Result<Self, ClientError> {
        let builder = || {
            reqwest::Client::builder()
                .connect_timeout(CONNECT)
                // Nodes are asked directly, whatever the environment of Mesos says, and are not followed elsewhere.
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("dcos-bits/", env!("CARGO_PKG_VERSION")))
        };
        // A machine without a list of authorities (no `ca-certificates`) speaks HTTP all the same.
        let http = builder().build().or_else(|_| builder().tls_certs_only([]).build()).map_err(ClientError)?;
        Ok(Self { http, report_to, trust, helpers: Arc::default() })
    }

    /// Asks a node what the controller wants to know. [`Request::Cancel`] has no answer.
    pub async fn ask(&self, url: &str, request: Request) -> Option<Answer> {
        Some(match request {
            Request::Fetch(packages) => Answer::Fetch(self.fetch(url, packages).await),
            Request::Job(id) => Answer::Fetch(self.job(url, &id).await),
            Request::Verify(packages) => {
                let body = serde_json::json!({ "packages": packages });
                Answer::Fetch(self.post(url, "/pkg/verify", &body, SLOW).await.map(fetching))
            }
            Request::Gc => Answer::Fetch(self.post(url, "/pkg/gc", &serde_json::json!({}), SLOW).await.map(fetching)),
            Request::Remove(packages) => Answer::Fetch(self.remove(url, packages).await),
            Request::Validate(set) => {
                let body = ValidateRequest { set };
                let answer: Result<Report, Trouble> = self.post(url, "/pkg/validate", &body, SLOW).await;
                Answer::Validated(answer.and_then(valid))
            }
            Request::Begin { attempt, set, term, retry_failed, allow_task_loss } => {
                let report_to = self.report_to.clone();
                let body =
                    BeginRequest { set, attempt, term, report_to, retry_failed, allow_task_loss, ..Default::default() };
                let answer: Result<BeginAnswer, Trouble> = self.post(url, "/restart/begin", &body, SLOW).await;
                Answer::Begun(answer.and_then(ticket))
            }
            Request::Go(ticket) => {
                let answer: Result<GoAnswer, Trouble> =
                    self.post(url, "/restart/go", &GoRequest { ticket }, QUICK).await;
                Answer::Went(answer.map(|_| ()))
            }
            Request::Status(attempt) => Answer::Status(self.status(url).await.map(|status| {
                let mut all = status.attempt.into_iter().chain(status.last_attempts);
                all.find(|report| report.attempt == attempt).map(Box::new)
            })),
            Request::Set => Answer::Set(self.state(url).await.and_then(|state| match state.active {
                Some(active) => Ok(active.packages),
                None => Err(Trouble::Unreachable("it has no active set".to_owned())),
            })),
            Request::Cancel(attempt) => {
                let path = format!("/restart/attempts/{attempt}");
                if let Err(trouble) = self.send::<(), serde_json::Value>(Method::DELETE, url, &path, None, QUICK).await
                {
                    // The ticket dies by itself soon.
                    tracing::debug!(url, attempt, %trouble, "an attempt was not cancelled");
                }
                return None;
            }
        })
    }

    /// What a node has: `GET /pkg/state`.
    ///
    /// # Errors
    /// If it does not answer, or says no.
    pub async fn state(&self, url: &str) -> Result<NodeState, Trouble> {
        self.get(url, "/pkg/state", QUICK).await
    }

    /// What a node's repositories offer: `GET /pkg/available`.
    ///
    /// # Errors
    /// If it does not answer, or says no.
    pub async fn available(&self, url: &str) -> Result<AvailablePackages, Trouble> {
        self.get(url, "/pkg/available", SLOW).await
    }

    /// A package on a node: `GET /pkg/packages/<id>`.
    ///
    /// # Errors
    /// If it does not answer, or says no.
    pub async fn package(&self, url: &str, id: &PackageId) -> Result<PackageDetail, Trouble> {
        self.get(url, &format!("/pkg/packages/{id}"), QUICK).await
    }

    /// Where a node's restarts stand: `GET /restart/status`, asked of its helper where its Mesos does not answer.
    ///
    /// # Errors
    /// If neither answers, or says no.
    pub async fn status(&self, url: &str) -> Result<RestartStatus, Trouble> {
        let answer = self.get(url, "/restart/status", QUICK).await;
        match (&answer, self.helper_of(url)) {
            (Err(Trouble::Unreachable(_)), Some(helper)) => {
                // What the node itself did not say is the better reason if the helper is silent too.
                self.get(&helper, "/restart/status", QUICK).await.or(answer)
            }
            _ => answer,
        }
    }

    /// Whether what the node at `url` says may be passed on as the cluster's: an address that our credentials may not go to
    /// is anybody's, and what it says of a group would come to be every node's config.
    pub fn vouches_for(&self, url: &str) -> bool {
        self.trust.is_open() || self.trust.for_address(url).is_some()
    }

    /// Remembers the port on which the helper of the node at `url` answers while its Mesos does not.
    pub fn learn_helper(&self, url: &str, port: u16) {
        self.helpers.lock().unwrap_or_else(PoisonError::into_inner).insert(url.trim_end_matches('/').to_owned(), port);
    }

    /// The helper's origin: only the port is taken from a ping, so that no ping leads elsewhere than to its node.
    fn helper_of(&self, url: &str) -> Option<String> {
        let url = url.trim_end_matches('/');
        let port = *self.helpers.lock().unwrap_or_else(PoisonError::into_inner).get(url)?;
        let (host, _) = url.rsplit_once(':')?;
        Some(format!("{host}:{port}"))
    }

    /// Fills in what a node says that the restart of a plan would do. Only a node that has everything can say.
    ///
    /// # Errors
    /// If it does not answer, or would refuse.
    pub async fn foresee(&self, url: &str, node: &mut PlannedNode, allow_task_loss: bool) -> Result<(), Trouble> {
        let body = BeginRequest {
            set: node.to.clone(),
            attempt: "dry-run".to_owned(),
            dry_run: true,
            allow_task_loss,
            ..Default::default()
        };
        let answer: BeginAnswer = self.post(url, "/restart/begin", &body, SLOW).await?;
        node.tasks_lost = Some(answer.plan.tasks_lost);
        node.absence_estimate_ms = answer.plan.absence_estimate_ms;
        node.notes = answer.plan.notes;
        Ok(())
    }

    async fn fetch(&self, url: &str, packages: Vec<PackageId>) -> Result<Fetching, Trouble> {
        let packages = packages.into_iter().map(|id| FetchPackage { id, url: None, sha256: None }).collect();
        let job = self.post(url, "/pkg/fetch", &FetchRequest { packages, callback: None }, SLOW).await?;
        Ok(fetching(job))
    }

    /// Removes packages one by one. What is needed there, or is not there, is no trouble.
    async fn remove(&self, url: &str, packages: Vec<PackageId>) -> Result<Fetching, Trouble> {
        for id in packages {
            let path = format!("/pkg/packages/{id}");
            match self.send::<(), serde_json::Value>(Method::DELETE, url, &path, None, SLOW).await {
                Err(Trouble::Refused(problem)) if matches!(problem.status, 404 | 409) => {}
                Err(trouble) => return Err(trouble),
                Ok(_) => {}
            }
        }
        Ok(Fetching::Done)
    }

    async fn job(&self, url: &str, id: &str) -> Result<Fetching, Trouble> {
        self.get(url, &format!("/pkg/jobs/{id}"), QUICK).await.map(fetching)
    }

    /// Asks who answers a `GET`: this server, another one, or nobody. The answer itself is not read.
    ///
    /// # Errors
    /// If it says neither.
    pub async fn directed(&self, url: &str, path: &str, deadline: Duration) -> Result<Directed, Trouble> {
        let address = format!("{}{path}", url.trim_end_matches('/'));
        let unreachable = |why: String| Trouble::Unreachable(format!("GET {address}: {why}"));
        let asked = self.authorized(Method::GET, &address).timeout(deadline).send().await;
        let response = asked.map_err(|error| unreachable(cause(&error)))?;
        match response.status() {
            StatusCode::OK => Ok(Directed::Answered),
            StatusCode::SERVICE_UNAVAILABLE => Ok(Directed::Nowhere),
            StatusCode::TEMPORARY_REDIRECT => {
                let location = response.headers().get(reqwest::header::LOCATION).and_then(|text| text.to_str().ok());
                // Mesos writes it without a scheme: `//host:port/…`.
                let target = location.and_then(|location| response.url().join(location).ok());
                let target = target.ok_or_else(|| unreachable("it redirects to no address".to_owned()))?;
                Ok(Directed::To(target.origin().ascii_serialization()))
            }
            status => Err(unreachable(status.to_string())),
        }
    }

    /// A request with our credentials, where they may go.
    fn authorized(&self, method: Method, address: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, address);
        match self.trust.for_address(address) {
            Some(credential) => request.basic_auth(&credential.principal, Some(&credential.secret)),
            None => request,
        }
    }

    /// `GET` of JSON from any server, such as the master's own endpoints.
    ///
    /// # Errors
    /// If it does not answer, or says no.
    pub async fn get<T: DeserializeOwned>(&self, url: &str, path: &str, deadline: Duration) -> Result<T, Trouble> {
        self.send::<(), T>(Method::GET, url, path, None, deadline).await
    }

    async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        url: &str,
        path: &str,
        body: &B,
        deadline: Duration,
    ) -> Result<T, Trouble> {
        self.send(Method::POST, url, path, Some(body), deadline).await
    }

    async fn send<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        url: &str,
        path: &str,
        body: Option<&B>,
        deadline: Duration,
    ) -> Result<T, Trouble> {
        let address = format!("{}{path}", url.trim_end_matches('/'));
        let what = format!("{method} {address}");
        let failed = |error: reqwest::Error| Trouble::Unreachable(format!("{what}: {}", cause(&error)));
        let mut request = self.authorized(method, &address).timeout(deadline);
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MOST_BYTES {
                return Err(Trouble::Unreachable(format!("{what}: the answer is longer than {MOST_BYTES} bytes")));
            }
        }
        if status.is_success() {
            let unreadable = |error| Trouble::Unreachable(format!("{what}: the answer is not understood: {error}"));
            return serde_json::from_slice(&bytes).map_err(unreadable);
        }
        Err(trouble(&what, status, &bytes))
    }
}

/// Why nothing was answered: what the operating system or the peer said, without the layers above it.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// What an answer other than success means.
fn trouble(what: &str, status: StatusCode, body: &[u8]) -> Trouble {
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    match status {
        // Mesos, or something in between, speaks for a module that is not up: that may pass.
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            let why = problem.map_or_else(String::new, |problem| format!(": {}", problem.detail));
            Trouble::Unreachable(format!("{what}: {status}{why}"))
        }
        _ => Trouble::Refused(problem.unwrap_or_else(|| {
            let code = dcos_core::ExitCode::from_http_status(status.as_u16());
            let mut problem = Problem::new(code, "unexpected-answer", format!("{what}: {status}"));
            problem.status = status.as_u16();
            problem
        })),
    }
}

fn fetching(job: Job) -> Fetching {
    match job.state {
        JobState::Running => Fetching::Running(job.id),
        JobState::Done => Fetching::Done,
        JobState::Failed | JobState::Cancelled => {
            let of_package = job
                .packages
                .into_iter()
                .find_map(|package| package.detail.map(|detail| format!("`{}`: {detail}", package.id)));
            let why = job.problem.map(|problem| problem.detail).or(of_package);
            Fetching::Failed(why.unwrap_or_else(|| "the job was cancelled".to_owned()))
        }
    }
}

/// What a valid set should be known for.
fn valid(report: Report) -> Result<Vec<String>, Trouble> {
    if report.valid {
        let way_back = report.notes.into_iter().filter(|note| note.code == NO_WAY_BACK);
        return Ok(way_back.map(|note| note.message).collect());
    }
    let mut problem = Problem::new(dcos_core::ExitCode::Refused, "invalid-set", "the set can't work there");
    problem.problems = report.problems;
    Err(Trouble::Refused(problem))
}

fn ticket(answer: BeginAnswer) -> Result<Ticket, Trouble> {
    match (answer.ticket, answer.expires_in_ms) {
        (Some(ticket), Some(expires_in_ms)) => Ok(Ticket { ticket, expires_in_ms }),
        _ => Err(Trouble::Unreachable("it began without giving a ticket".to_owned())),
    }
}
