//! What `/deploy` is asked and answers. Operators' requests refuse unknown fields, so that a typo never silently means
//! nothing; answers may gain fields in later releases, and their readers ignore what they don't know.
//!
//! - `plan`: what is asked for, and what would become of it; `strategy`, `amount`: how a change goes over the nodes
//! - `deployment`: where a deployment and its nodes stand; [`summary`]: the same in short
//! - `cluster`: the nodes; `orders`: halts, pulses, pings and events

mod amount;
mod cluster;
mod deployment;
mod orders;
mod plan;
mod strategy;
pub mod summary;

pub use dcos_core::attempt::Ping;
pub use dcos_core::resolve::{Change, Install, Keep, Uninstall, Upgrade};

pub use amount::{Amount, InvalidAmount};
pub use cluster::{ClusterNode, ClusterNodes};
pub use deployment::{Deployment, DeploymentCommand, DeploymentNode, DeploymentState, Deployments, NodeState};
pub use orders::{
    Acknowledgement, DeployEvent, DeployEvents, Halt, HaltRequest, Halts, PulseAnswer, PulseRequest, ResumeRequest,
};
pub use plan::{CreateDeployment, DeploymentPlan, PlannedNode, Targets, plan_refused};
pub use strategy::{Chore, Day, OnFailure, Strategy, Window};
pub use summary::{DeploymentSummary, NoteSummary, Summary, VersionCount, WaveSummary};
