//! Tells whoever asked for a job that it has ended: only at addresses that the node's configuration allows.

use std::sync::Arc;
use std::time::Duration;

use dcos_api::types::pkg::Job;
use dcos_core::node::NodeConfig;
use dcos_core::{ExitCode, Problem};
use reqwest::Url;
use tokio::runtime::Handle;

/// How often a caller is tried, with pauses that double from one second: about half a minute in all.
const TRIES: u32 = 5;

/// How long one try may take.
const TRY_WITHIN: Duration = Duration::from_secs(10);

/// Posts finished jobs.
#[derive(Clone)]
pub(super) struct Callback {
    runtime: Handle,
    origins: Arc<Vec<String>>,
}

impl Callback {
    /// For a node: its masters and its `deploy.allowed_origins` may be called.
    pub(super) fn new(config: &NodeConfig, runtime: Handle) -> Self {
        let named = config.deploy.masters.iter().chain(&config.deploy.allowed_origins);
        let origins = named.filter_map(|origin| Url::parse(origin).ok()).map(|url| origin_of(&url)).collect();
        Self { runtime, origins: Arc::new(origins) }
    }

    /// Whether `callback` may be called.
    pub(super) fn check(&self, callback: &str) -> Result<(), Problem> {
        let url = Url::parse(callback).map_err(|error| {
            Problem::new(
                ExitCode::Refused,
                "invalid-request",
                format!("the callback `{callback}` is no address: {error}"),
            )
        })?;
        if matches!(url.scheme(), "http" | "https") && self.origins.contains(&origin_of(&url)) {
            return Ok(());
        }
        let detail = format!("the callback `{callback}` is at an origin that this node's configuration does not name");
        let refused = Problem::new(ExitCode::Refused, "origin-not-allowed", detail);
        Err(refused.hint("add it to `deploy.allowed_origins` of `node.toml`"))
    }

    /// Posts `job` in a while, again if it must be. `told` is called once that is over, whatever came of it.
    pub(super) fn tell(&self, callback: String, job: Job, told: impl FnOnce() -> Result<(), Problem> + Send + 'static) {
        self.runtime.spawn(async move {
            if let Err(error) = post(&callback, &job).await {
                let why = Problem::chain(&error.without_url());
                tracing::warn!("telling `{callback}` of the end of job {} failed: {why}", job.id);
            }
            match tokio::task::spawn_blocking(told).await {
                Ok(Ok(())) => {}
                Ok(Err(problem)) => tracing::warn!("noting that job {} was told failed: {problem}", job.id),
                Err(panicked) => tracing::error!("noting that job {} was told failed: {panicked}", job.id),
            }
        });
    }
}

/// Scheme, host and port, with the scheme's own port filled in.
fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

async fn post(callback: &str, job: &Job) -> Result<(), reqwest::Error> {
    // No proxy: these are addresses inside the cluster. No redirection: only what was allowed is called.
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let client = builder.timeout(TRY_WITHIN).build()?;
    let mut pause = Duration::from_secs(1);
    for _ in 1..TRIES {
        match client.post(callback).json(job).send().await.and_then(reqwest::Response::error_for_status) {
            Ok(_) => return Ok(()),
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause *= 2;
    }
    client.post(callback).json(job).send().await?.error_for_status().map(drop)
}
