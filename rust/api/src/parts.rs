//! The concrete parts that a router is made of.

use std::sync::Arc;

use dcos_core::Problem;
use dcos_core::node::NodeConfig;

use crate::authorization::Access;
use crate::backend::{DeployBackend, NodeBackend, ProvisionBackend};

/// What a router is made of.
#[derive(Clone)]
pub struct Parts {
    /// The node.
    pub node: Arc<dyn NodeBackend>,
    /// The controller, or where it is.
    pub deploy: Controller,
    /// Where new agents come from.
    pub provision: Provisioner,
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

/// Provisioning, seen from one master.
#[derive(Clone, Default)]
pub enum Provisioner {
    /// No provider is configured.
    #[default]
    NotConfigured,
    /// It is in this process.
    Here(Arc<dyn ProvisionBackend>),
    /// It should be here, and can't be started for this reason.
    Broken(Problem),
}

impl Parts {
    /// The parts of a node with the bounds and roles of its configuration, and no provisioning.
    pub fn new(config: &NodeConfig, node: Arc<dyn NodeBackend>, deploy: Controller) -> Self {
        let (access, body_limit) = (Access::of(config), config.limits.body);
        Self { node, deploy, provision: Provisioner::default(), access, body_limit }
    }
}
