//! What the repositories offer. Asking them starts a process and goes over the network, so callers share an answer; but
//! nobody gets one that is older than their question, since whoever has just published a package looks for it next.

use std::future::Future;
use std::time::Instant;

use axum::response::Response;
use dcos_core::Problem;
use tokio::sync::Mutex;

use crate::answer::ok;
use crate::types::pkg::AvailablePackages;

/// The last answer, with the moment when the repositories began to be asked for it. Callers that come in the meantime wait,
/// without a thread each, and share the next one: however many they are, two askings serve them all.
#[derive(Debug, Default)]
pub(crate) struct Available(Mutex<Option<(Instant, AvailablePackages)>>);

impl Available {
    /// The kept answer, if it was asked for after this call began, or what `ask` says. A failure is not kept.
    pub(crate) async fn get<A>(&self, ask: impl FnOnce() -> A + Send) -> Result<Response, Problem>
    where
        A: Future<Output = Result<AvailablePackages, Problem>> + Send,
    {
        let came = Instant::now();
        let mut kept = self.0.lock().await;
        if let Some((began, packages)) = kept.as_ref()
            && *began >= came
        {
            return Ok(ok(packages));
        }
        let began = Instant::now();
        let packages = ask().await?;
        let response = ok(&packages);
        *kept = Some((began, packages));
        Ok(response)
    }
}
