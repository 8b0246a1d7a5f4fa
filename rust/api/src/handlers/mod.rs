//! One handler per operation of the table: read the request, ask the backend, write the answer.

pub(crate) mod deploy;
pub(crate) mod pins;
pub(crate) mod pkg;
pub(crate) mod provision;
pub(crate) mod restart;

use axum::response::Response;
use dcos_core::{ExitCode, Problem};

use crate::answer::Failure;
use crate::backend::NodeBackend;
use crate::router::App;

/// What a handler ends with.
pub(crate) type Outcome = Result<Response, Failure>;

/// Asks the node on a thread that may block.
async fn blocking<T, F>(app: &App, ask: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnOnce(&dyn NodeBackend) -> Result<T, Problem> + Send + 'static,
{
    let node = app.node();
    // It fails only if `ask` panicked, since nothing here aborts it; the panic itself is in the log.
    tokio::task::spawn_blocking(move || ask(node.as_ref())).await.unwrap_or_else(|_| {
        Err(Problem::new(ExitCode::Unexpected, "panicked", "the handler of this request panicked; the log says where"))
    })
}
