//! What the host asks of us: start a family of endpoints, answer a request.
//!
//! A bad configuration must not kill Mesos, and Mesos ends when a module cannot be made. So starting never fails here:
//! where nothing can be served, every endpoint of the family answers 503 with the reason until Mesos is started again.
//!
//! The four modules share one node, one lock, one router; so they are opened once, with the parameters of whichever
//! module Mesos makes first, and a module that comes with other parameters is refused rather than half believed.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use axum::Router;
use dcos_core::problem::Problem;
use dcos_core::role::Role;
use http::StatusCode;
use tokio::runtime::Handle;

use crate::compose;
use crate::dispatch::{Reply, dispatch};
use crate::guard::{Panicked, catch};
use crate::parameters::{ParameterError, Parameters, decode};
use crate::problem::{problem, response};
use crate::request::Incoming;
use crate::routes::{Family, RoutePrefix};

/// Why a family does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The parameters could not be read.
    #[error("reading the parameters of module `{module}` failed")]
    Parameters {
        /// The family's name.
        module: &'static str,
        /// What is wrong with them.
        source: ParameterError,
    },
    /// Another module of this library was given other parameters.
    #[error("module `{module}` has the parameters {given}, module `{first}` has {expected}; all must have the same")]
    Differ {
        /// The family's name.
        module: &'static str,
        /// Its parameters.
        given: String,
        /// The family that Mesos made first.
        first: &'static str,
        /// The parameters of that one.
        expected: String,
    },
    /// The node could not be opened.
    #[error("opening this node failed")]
    Open(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Threads could not be had.
    #[error("starting the module's threads failed")]
    Runtime(#[source] std::io::Error),
    /// A defect of ours.
    #[error("starting the module failed")]
    Panicked(#[source] Panicked),
}

/// A node that serves, or why it does not.
#[derive(Clone, Debug)]
enum Service {
    Serves { runtime: Handle, router: Router, body_limit: usize },
    Refuses(Arc<Problem>),
}

impl Service {
    fn refuse(refusal: &Refusal) -> Self {
        let reason = Problem::chain(refusal);
        tracing::error!("dcos-bits serves nothing but this reason: {reason}");
        let hint = "correct it and restart this Mesos; it runs on as it is";
        Self::Refuses(Arc::new(problem(StatusCode::SERVICE_UNAVAILABLE, "module-refused", reason).hint(hint)))
    }
}

/// What the first module's parameters led to.
#[derive(Debug)]
struct Node {
    first: Family,
    parameters: Parameters,
    role: Option<Role>,
    service: Service,
}

/// The modules of one process.
#[derive(Debug, Default)]
pub struct Host {
    node: OnceLock<Node>,
    families: RwLock<HashMap<Family, Service>>,
}

impl Host {
    /// Makes `family` ready to answer and returns what to register for it. Never fails; see the module's page.
    pub fn start(&self, family: Family, parameters: &[u8]) -> Vec<RoutePrefix> {
        let (role, service) = match catch(|| self.open(family, parameters)) {
            Ok(Ok(opened)) => opened,
            Ok(Err(refusal)) => (None, Service::refuse(&refusal)),
            Err(panicked) => (None, Service::refuse(&Refusal::Panicked(panicked))),
        };
        self.families.write().unwrap_or_else(PoisonError::into_inner).insert(family, service);
        family.prefixes(role)
    }

    fn open(&self, family: Family, parameters: &[u8]) -> Result<(Option<Role>, Service), Refusal> {
        let module = family.name();
        let parameters = decode(parameters).map_err(|source| Refusal::Parameters { module, source })?;
        let node = self.node.get_or_init(|| Node {
            first: family,
            role: role(&parameters),
            service: open_node(&parameters).unwrap_or_else(|refusal| Service::refuse(&refusal)),
            parameters: parameters.clone(),
        });
        if node.parameters == parameters {
            return Ok((node.role, node.service.clone()));
        }
        let (given, expected) = (list(&parameters), list(&node.parameters));
        Err(Refusal::Differ { module, given, first: node.first.name(), expected })
    }

    /// Has `reply` answer the request, now or later.
    pub fn handle<'a, Q, H>(&self, family: Family, incoming: Incoming<'a, Q, H>, reply: impl Reply)
    where
        Q: Iterator<Item = (&'a [u8], &'a [u8])>,
        H: Iterator<Item = (&'a [u8], &'a [u8])>,
    {
        let service = self.families.read().unwrap_or_else(PoisonError::into_inner).get(&family).cloned();
        match service {
            Some(Service::Serves { runtime, router, body_limit }) => match incoming.into_request(body_limit) {
                Ok(request) => dispatch(&runtime, router, request, reply),
                Err(problem) => reply.send(response(&problem)),
            },
            Some(Service::Refuses(problem)) => reply.send(response(&problem)),
            // libprocess registers a family's routes after `start`; a dropped reply answers 503 all the same.
            None => drop(reply),
        }
    }
}

/// Puts the node together inside the runtime, so that its parts may start tasks.
fn open_node(parameters: &Parameters) -> Result<Service, Refusal> {
    let runtime = crate::runtime::handle().map_err(Refusal::Runtime)?;
    let _context = runtime.enter();
    #[cfg(feature = "test-router")]
    if parameters.contains_key("test_router") {
        let (router, body_limit) = (crate::test_router::router(), crate::test_router::BODY_LIMIT);
        return Ok(Service::Serves { runtime: runtime.clone(), router, body_limit });
    }
    match catch(|| compose::open(parameters)) {
        Ok(Ok(opened)) => {
            Ok(Service::Serves { runtime: runtime.clone(), router: opened.router, body_limit: opened.body_limit })
        }
        Ok(Err(error)) => Err(Refusal::Open(error.into())),
        Err(panicked) => Err(Refusal::Panicked(panicked)),
    }
}

/// The role of the node, if it can be read.
fn role(parameters: &Parameters) -> Option<Role> {
    #[cfg(feature = "test-router")]
    let parameters =
        &parameters.iter().filter(|(key, _)| *key != "test_router").map(|(k, v)| (k.clone(), v.clone())).collect();
    compose::role(parameters)
}

/// The parameters as `key=value` pairs, for people.
fn list(parameters: &Parameters) -> String {
    let pairs: Vec<_> = parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("`{}`", pairs.join(" "))
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use axum::body::Bytes;
    use http::Response;

    use super::*;

    struct Answer(Sender<Response<Bytes>>);

    impl Reply for Answer {
        fn send(self, response: Response<Bytes>) {
            self.0.send(response).ok();
        }
    }

    /// The status and problem that a family answers with.
    fn ask(host: &Host, family: Family, path: &str) -> (StatusCode, Problem) {
        let (sender, receiver) = channel();
        let incoming = Incoming {
            method: b"GET",
            path: path.as_bytes(),
            query: std::iter::empty(),
            headers: std::iter::empty(),
            body: b"",
            principal: None,
        };
        host.handle(family, incoming, Answer(sender));
        let response = receiver.recv_timeout(Duration::from_secs(10)).expect("an answer");
        (response.status(), serde_json::from_slice(response.body()).expect("a problem document"))
    }

    #[test]
    fn parameters_that_are_no_message_are_answered_with_503_and_the_reason() {
        let host = Host::default();
        let prefixes = host.start(Family::Pkg, &[0x0a, 0x7f]);
        assert_eq!(prefixes, Family::Pkg.prefixes(None));
        let (status, problem) = ask(&host, Family::Pkg, "/pkg/state");
        assert_eq!((status, problem.status, problem.name()), (StatusCode::SERVICE_UNAVAILABLE, 503, "module-refused"));
        assert_eq!(
            problem.detail,
            "reading the parameters of module `pkg` failed: the module's parameters are not a `Parameters` message: it \
             ends in the middle of a field"
        );
    }

    #[test]
    fn a_configuration_that_is_not_there_is_answered_with_503_and_its_path() {
        let host = Host::default();
        let parameters = b"\x0a\x17\x0a\x04node\x12\x0f/nowhere/at/all";
        host.start(Family::Restart, parameters);
        let (status, problem) = ask(&host, Family::Restart, "/restart/status");
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(problem.detail.starts_with("opening this node failed: "), "{}", problem.detail);
        assert!(problem.detail.contains("/nowhere/at/all"), "{}", problem.detail);
    }

    #[test]
    fn a_module_with_other_parameters_is_refused_and_both_are_named() {
        let host = Host::default();
        host.start(Family::Pkg, b"\x0a\x06\x0a\x01a\x12\x011");
        host.start(Family::Deploy, b"\x0a\x06\x0a\x01a\x12\x012");
        let (_, problem) = ask(&host, Family::Deploy, "/deploy/halt");
        assert_eq!(
            problem.detail,
            "module `deploy` has the parameters `a=2`, module `pkg` has `a=1`; all must have the same"
        );
    }
}
