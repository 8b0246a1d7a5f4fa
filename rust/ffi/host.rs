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
    #[error("module `{module}` was given other parameters than the first of our modules; give all the same")]
    Differ {
        /// The family's name.
        module: &'static str,
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

/// The modules of one process.
#[derive(Debug, Default)]
pub struct Host {
    /// What the first module's parameters led to.
    node: OnceLock<(Parameters, Option<Role>, Service)>,
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
        let (first, role, service) = self.node.get_or_init(|| {
            let role = compose::role(&parameters);
            (parameters.clone(), role, open_node(&parameters).unwrap_or_else(|refusal| Service::refuse(&refusal)))
        });
        if *first == parameters { Ok((*role, service.clone())) } else { Err(Refusal::Differ { module }) }
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
    match catch(|| compose::open(parameters)) {
        Ok(Ok(opened)) => {
            Ok(Service::Serves { runtime: runtime.clone(), router: opened.router, body_limit: opened.body_limit })
        }
        Ok(Err(error)) => Err(Refusal::Open(error.into())),
        Err(panicked) => Err(Refusal::Panicked(panicked)),
    }
}
