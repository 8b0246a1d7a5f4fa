//! One request, one answer: run the router without making the actor wait, and answer whatever happens.
//!
//! The caller is the libprocess actor of an endpoint family, which handles one event at a time and must not block. Most
//! handlers here need no waiting at all, and a hop to the runtime's threads costs three times what the whole handler does
//! (45 µs against 13 µs). So the future is polled once on the spot, inside the runtime's context but with a waker that
//! does nothing; only if it is pending does it move to the runtime, where the first poll registers a real waker. That is
//! sound because a future must register the waker of its latest poll, and nobody else polls it in between. The price: a
//! handler's code before its first await runs on the actor and delays the family's other requests.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;
use tower::ServiceExt as _;

use crate::guard::{Guarded, Panicked};
use crate::problem::{problem, response};

/// How long a handler may take before the client gets 504. Long work answers 202 and goes on by itself, so this only
/// catches handlers that would never answer: a promise left open would hold the client's connection for ever.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// Takes the one answer to a request. An implementation that is dropped unused must answer 503 by itself.
pub trait Reply: Send + 'static {
    /// Answers.
    fn send(self, response: Response<Bytes>);
}

/// Has `router` answer `request` into `reply`: at once if it can, else on the runtime.
pub fn dispatch(runtime: &Handle, router: Router, request: Request<Body>, reply: impl Reply) {
    dispatch_within(ANSWER_WITHIN, runtime, router, request, reply);
}

/// [`dispatch`] with a patience of the caller's choice.
fn dispatch_within(patience: Duration, runtime: &Handle, router: Router, request: Request<Body>, reply: impl Reply) {
    let _context = runtime.enter();
    let mut answer = Guarded::new(answer(router, request));
    match Pin::new(&mut answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => reply.send(settle(outcome)),
        Poll::Pending => {
            runtime.spawn(async move {
                let outcome = tokio::time::timeout(patience, answer).await;
                reply.send(outcome.map_or_else(|_| too_slow(patience), settle));
            });
        }
    }
}

/// The router's response with its whole body.
async fn answer(router: Router, request: Request<Body>) -> Response<Bytes> {
    let answered = match router.oneshot(request).await {
        Ok(answered) => answered,
        Err(never) => match never {},
    };
    let (parts, body) = answered.into_parts();
    match body.collect().await {
        Ok(body) => Response::from_parts(parts, body.to_bytes()),
        Err(error) => {
            tracing::error!("collecting a response body failed: {error}");
            response(&problem(StatusCode::INTERNAL_SERVER_ERROR, "unexpected", "the response broke off"))
        }
    }
}

/// What the client gets. The panic itself is in the log, by the hook; its message is none of the client's business.
fn settle(outcome: Result<Response<Bytes>, Panicked>) -> Response<Bytes> {
    outcome.unwrap_or_else(|_| {
        let detail = "the handler of this request panicked; the log of this Mesos says where";
        response(&problem(StatusCode::INTERNAL_SERVER_ERROR, "panicked", detail))
    })
}

fn too_slow(patience: Duration) -> Response<Bytes> {
    let detail = format!("the request was not answered within {} s", patience.as_secs());
    response(&problem(StatusCode::GATEWAY_TIMEOUT, "too-slow", detail))
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};
    use std::sync::{Arc, Barrier};
    use std::thread::ThreadId;

    use axum::routing::get;
    use http_body_util::{Full, Limited};

    use super::*;

    /// Reports the answer and the thread that it was given on, or that it was dropped.
    struct Recorder(Option<Sender<Fate>>);

    /// The thread and the answer, or nothing for a reply that was dropped.
    type Fate = Option<(ThreadId, Response<Bytes>)>;

    impl Recorder {
        fn new() -> (Self, Receiver<Fate>) {
            let (sender, receiver) = mpsc::channel();
            (Self(Some(sender)), receiver)
        }
    }

    impl Reply for Recorder {
        fn send(mut self, response: Response<Bytes>) {
            if let Some(sender) = self.0.take() {
                sender.send(Some((std::thread::current().id(), response))).ok();
            }
        }
    }

    impl Drop for Recorder {
        fn drop(&mut self) {
            if let Some(sender) = self.0.take() {
                sender.send(None).ok();
            }
        }
    }

    /// A router that waits for `gate` where it waits.
    fn router(gate: &Arc<Barrier>) -> Router {
        let (awaited, blocked) = (Arc::clone(gate), Arc::clone(gate));
        let behind_a_task = async move || {
            let passed = tokio::spawn(async { tokio::task::spawn_blocking(move || awaited.wait()).await });
            if matches!(passed.await, Ok(Ok(_))) { "passed" } else { "lost" }
        };
        let blocking = async move || {
            let passed = tokio::task::spawn_blocking(move || blocked.wait()).await;
            if passed.is_ok() { "passed" } else { "lost" }
        };
        Router::new()
            .route("/quick", get(async || "quick"))
            .route("/behind-a-task", get(behind_a_task))
            .route("/blocking", get(blocking))
            .route(
                "/panics",
                get(async || {
                    if true {
                        panic!("at once")
                    }
                }),
            )
            .route(
                "/panics-later",
                get(async || {
                    tokio::task::yield_now().await;
                    if true {
                        panic!("later")
                    }
                }),
            )
    }

    /// Asks, and passes the gate with those who wait at it.
    fn ask(path: &str, gated: bool) -> (ThreadId, Response<Bytes>) {
        let (reply, recorded) = Recorder::new();
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let gate = Arc::new(Barrier::new(2));
        dispatch(&crate::runtime::handle().expect("a runtime"), router(&gate), request, reply);
        if gated {
            gate.wait();
        }
        let answered = recorded.recv_timeout(Duration::from_secs(10)).expect("an answer or a drop");
        answered.expect("not dropped")
    }

    #[test]
    fn what_need_not_wait_is_answered_on_the_calling_thread() {
        let (thread, response) = ask("/quick", false);
        assert_eq!(thread, std::thread::current().id());
        assert_eq!(response.body(), "quick");
    }

    #[test]
    fn what_waits_is_answered_by_the_runtime() {
        for path in ["/behind-a-task", "/blocking"] {
            let (thread, response) = ask(path, true);
            assert_ne!(thread, std::thread::current().id());
            assert_eq!(response.body(), "passed");
        }
    }

    #[test]
    fn panics_are_500_wherever_they_happen() {
        for path in ["/panics", "/panics-later"] {
            let (_, response) = ask(path, false);
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let body = String::from_utf8_lossy(response.body()).into_owned();
            assert!(body.contains("urn:dcos-bits:panicked") && !body.contains("later"), "{body}");
        }
    }

    #[test]
    fn a_handler_that_never_answers_is_504_in_the_end() {
        let (reply, recorded) = Recorder::new();
        let request = Request::get("/").body(Body::empty()).expect("a request");
        let router = Router::new().route("/", get(std::future::pending::<()>));
        let handle = crate::runtime::handle().expect("a runtime");
        dispatch_within(Duration::from_millis(1), &handle, router, request, reply);
        let (_, response) = recorded.recv_timeout(Duration::from_secs(10)).expect("an answer").expect("not dropped");
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    }

    #[test]
    fn a_body_that_breaks_off_is_500() {
        let (reply, recorded) = Recorder::new();
        let request = Request::get("/").body(Body::empty()).expect("a request");
        let router = Router::new().route("/", get(async || Body::new(Limited::new(Full::new(Bytes::from("five")), 3))));
        dispatch(&crate::runtime::handle().expect("a runtime"), router, request, reply);
        let (_, response) = recorded.recv_timeout(Duration::from_secs(10)).expect("an answer").expect("not dropped");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
