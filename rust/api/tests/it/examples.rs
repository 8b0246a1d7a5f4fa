//! `docs/http-api/`: each file is what its type reads and writes, and none is missing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dcos_api::routes::ROUTES;
use dcos_api::types::deploy::{
    Acknowledgement, ClusterNode, ClusterNodes, CreateDeployment, DeployEvents, Deployment, DeploymentPlan,
    DeploymentSummary, Deployments, Halt, HaltRequest, Halts, Ping, PulseAnswer, PulseRequest, ResumeRequest, Summary,
};
use dcos_api::types::health::Health;
use dcos_api::types::join::{JoinAnswer, JoinRequest, TokenAnswer, TokenRequest};
use dcos_api::types::pins::{PinRequest, Pins, UnpinRequest};
use dcos_api::types::pkg::{
    Active, AvailablePackages, CareRequest, FetchRequest, GcRequest, Job, Jobs, LocalPackages, NodeState,
    PackageDetail, ValidateRequest,
};
use dcos_api::types::provision::{AddSlave, DecommissionSlave, Operation, Operations, Slave, Slaves};
use dcos_api::types::records::{Audit, Backup, DesiredSets, Restored};
use dcos_api::types::restart::{BeginAnswer, BeginRequest, GoAnswer, GoRequest, RestartStatus};
use dcos_api::types::whoami::WhoAmI;
use dcos_core::Problem;
use dcos_core::attempt::AttemptReport;
use dcos_core::validate::Report;
use serde::Serialize;
use serde::de::DeserializeOwned;

type Rewrite = fn(&str) -> Result<String, serde_json::Error>;

const EXAMPLES: &[(&str, Rewrite)] = &[
    ("health.json", rewrite::<Health>),
    ("problem.json", rewrite::<Problem>),
    ("pkg/active.json", rewrite::<Active>),
    ("pkg/packages.json", rewrite::<LocalPackages>),
    ("pkg/package.json", rewrite::<PackageDetail>),
    ("pkg/available.json", rewrite::<AvailablePackages>),
    ("pkg/state.json", rewrite::<NodeState>),
    ("pkg/state.new-node.json", rewrite::<NodeState>),
    ("pkg/fetch.request.json", rewrite::<FetchRequest>),
    ("pkg/job.running.json", rewrite::<Job>),
    ("pkg/job.done.json", rewrite::<Job>),
    ("pkg/job.failed.json", rewrite::<Job>),
    ("pkg/job.cancelled.json", rewrite::<Job>),
    ("pkg/job.verify.json", rewrite::<Job>),
    ("pkg/job.repair.json", rewrite::<Job>),
    ("pkg/job.gc.json", rewrite::<Job>),
    ("pkg/verify.request.json", rewrite::<CareRequest>),
    ("pkg/gc.request.json", rewrite::<GcRequest>),
    ("pkg/jobs.json", rewrite::<Jobs>),
    ("pkg/validate.request.json", rewrite::<ValidateRequest>),
    ("pkg/validate.valid.json", rewrite::<Report>),
    ("pkg/validate.invalid.json", rewrite::<Problem>),
    ("restart/status.json", rewrite::<RestartStatus>),
    ("restart/begin.request.json", rewrite::<BeginRequest>),
    ("restart/begin.json", rewrite::<BeginAnswer>),
    ("restart/begin.dry-run.json", rewrite::<BeginAnswer>),
    ("restart/go.request.json", rewrite::<GoRequest>),
    ("restart/go.json", rewrite::<GoAnswer>),
    ("restart/attempt.cancelled.json", rewrite::<AttemptReport>),
    ("deploy/create.upgrade.request.json", rewrite::<CreateDeployment>),
    ("deploy/create.install.request.json", rewrite::<CreateDeployment>),
    ("deploy/create.uninstall.request.json", rewrite::<CreateDeployment>),
    ("deploy/create.set.request.json", rewrite::<CreateDeployment>),
    ("deploy/plan.json", rewrite::<DeploymentPlan>),
    ("deploy/deployment.json", rewrite::<Deployment>),
    ("deploy/deployments.json", rewrite::<Deployments>),
    ("deploy/summary.json", rewrite::<Summary>),
    ("deploy/nodes.json", rewrite::<ClusterNodes>),
    ("deploy/node.json", rewrite::<ClusterNode>),
    ("deploy/desired.json", rewrite::<DesiredSets>),
    ("deploy/audit.json", rewrite::<Audit>),
    ("deploy/backup.json", rewrite::<Backup>),
    ("deploy/restore.json", rewrite::<Restored>),
    ("deploy/halt.request.json", rewrite::<HaltRequest>),
    ("deploy/halt.json", rewrite::<Halt>),
    ("deploy/halts.json", rewrite::<Halts>),
    ("deploy/resume.request.json", rewrite::<ResumeRequest>),
    ("deploy/resume.json", rewrite::<Halts>),
    ("deploy/create.keep.request.json", rewrite::<CreateDeployment>),
    ("deploy/pin.request.json", rewrite::<PinRequest>),
    ("deploy/pins.json", rewrite::<Pins>),
    ("deploy/unpin.request.json", rewrite::<UnpinRequest>),
    ("deploy/unpin.json", rewrite::<Pins>),
    ("deploy/pulse.request.json", rewrite::<PulseRequest>),
    ("deploy/pulse.json", rewrite::<PulseAnswer>),
    ("deploy/status.request.json", rewrite::<Ping>),
    ("deploy/status.json", rewrite::<Acknowledgement>),
    ("deploy/events.json", rewrite::<DeployEvents>),
    ("deploy/tokens.request.json", rewrite::<TokenRequest>),
    ("deploy/tokens.json", rewrite::<TokenAnswer>),
    ("deploy/join.request.json", rewrite::<JoinRequest>),
    ("deploy/whoami.json", rewrite::<WhoAmI>),
    ("deploy/join.json", rewrite::<JoinAnswer>),
    ("provision/add_slave.request.json", rewrite::<AddSlave>),
    ("provision/decommission_slave.request.json", rewrite::<DecommissionSlave>),
    ("provision/operation.add.json", rewrite::<Operation>),
    ("provision/operation.decommission.json", rewrite::<Operation>),
    ("provision/operations.json", rewrite::<Operations>),
    ("provision/slaves.json", rewrite::<Slaves>),
    ("provision/slave.json", rewrite::<Slave>),
];

/// What a type writes after it has read `text`.
fn rewrite<T: DeserializeOwned + Serialize>(text: &str) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&serde_json::from_str::<T>(text)?)? + "\n")
}

/// The names of all examples.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    EXAMPLES.iter().map(|(name, _)| *name)
}

/// Where they lie.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/http-api")
}

/// The text of an example.
pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(directory().join(name)).unwrap_or_else(|error| panic!("reading `{name}`: {error}"))
}

#[test]
fn every_example_is_written_as_it_is_read() {
    for (name, rewrite) in EXAMPLES {
        let text = text(name);
        let written = rewrite(&text).unwrap_or_else(|error| panic!("`{name}` is not of its type: {error}"));
        assert_eq!(written, text, "`{name}`: left as the type writes it, right as it stands there");
    }
}

#[test]
fn every_file_is_checked() {
    let mut found = BTreeSet::new();
    for folder in ["", "pkg", "restart", "deploy", "provision"] {
        for entry in fs::read_dir(directory().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".json") {
                found.insert(if folder.is_empty() { name } else { format!("{folder}/{name}") });
            }
        }
    }
    assert_eq!(found, EXAMPLES.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn the_index_names_every_endpoint_and_every_example() {
    let index = text("index.md");
    for route in ROUTES {
        let name = format!("{} {}", format!("{:?}", route.verb).to_uppercase(), route.path);
        assert!(index.contains(&format!("`{name}`")), "`{name}` is missing in index.md");
    }
    for (name, _) in EXAMPLES {
        assert!(index.contains(&format!("({name})")), "`{name}` is missing in index.md");
    }
}

#[test]
fn the_summary_is_what_the_deployment_comes_to() {
    let deployment: Deployment = serde_json::from_str(&text("deploy/deployment.json")).unwrap();
    let summary: Summary = serde_json::from_str(&text("deploy/summary.json")).unwrap();
    assert_eq!(summary.deployment, Some(DeploymentSummary::of(&deployment)));
}
