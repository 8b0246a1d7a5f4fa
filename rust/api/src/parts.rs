//! The concrete parts that a router is made of.

use std::sync::Arc;

use dcos_core::Problem;
use dcos_core::node::NodeConfig;

use crate::authorization::Access;
use crate::backend::{DeployBackend, NodeBackend};

/// What a router is made of.
#[derive(Clone)]
pub struct Parts {
    /// The node.
    pub node: Arc<dyn NodeBackend>,
    /// The controller, or where it is.
    pub deploy: Controller,
    /// Who may do what.
    pub access: Access,
    /// The largest request body, in bytes.
    pub body_limit: usize,
}

/// The controller of deployments, seen from one node.
#[derive(Clone)]
pub enum Controller {
    /// It is in this process.
    Here(Arc<dyn DeployBackend>),
    /// This node is an agent: the controller is on one of these masters, by their URLs.
    Elsewhere(Vec<String>),
    /// It should be here, and can't be started for this reason.
    Broken(Problem),
}

impl Parts {
    /// The parts of a node with the bounds and roles of its configuration.
    pub fn new(config: &NodeConfig, node: Arc<dyn NodeBackend>, deploy: Controller) -> Self {
        Self { node, deploy, access: Access::of(config), body_limit: config.limits.body }
    }
}
