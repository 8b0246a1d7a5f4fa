//! What the repositories offer, kept for a short while: asking them starts a process and goes over the network.

use std::future::Future;
use std::time::{Duration, Instant};

use axum::response::Response;
use dcos_core::Problem;
use tokio::sync::Mutex;

use crate::answer::ok;
use crate::types::pkg::AvailablePackages;

/// How long an answer is good: long enough for a burst of callers, too short for an operator to notice.
const GOOD_FOR: Duration = Duration::from_secs(5);

/// The last answer. Callers that come while the repositories are being asked wait for that answer, without a thread each.
#[derive(Debug, Default)]
pub(crate) struct Available(Mutex<Option<(Instant, AvailablePackages)>>);

impl Available {
    /// The kept answer, or what `ask` says. A failure is not kept.
    pub(crate) async fn get<A>(&self, ask: impl FnOnce() -> A + Send) -> Result<Response, Problem>
    where
        A: Future<Output = Result<AvailablePackages, Problem>> + Send,
    {
        let mut kept = self.0.lock().await;
        if let Some((at, packages)) = kept.as_ref()
            && at.elapsed() < GOOD_FOR
        {
            return Ok(ok(packages));
        }
        let packages = ask().await?;
        let response = ok(&packages);
        *kept = Some((Instant::now(), packages));
        Ok(response)
    }
}
