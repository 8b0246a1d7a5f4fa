//! What each endpoint takes, gives and refuses: one arm an operation, so that a new one does not compile without its word.
//!
//! Examples are the files of `docs/http-api/`, without their ending.

use std::collections::BTreeMap;

use dcos_api::authorization::Needs;
use dcos_api::routes::{Deploy, Operation, Provision, Route, Verb};
use dcos_api::types::alertmanager::HaltCall;
use dcos_api::types::deploy::{
    Acknowledgement, ClusterNode, ClusterNodes, CreateDeployment, DeployEvents, Deployment, DeploymentPlan,
    Deployments, Halt, Halts, Ping, PulseAnswer, PulseRequest, ResumeRequest, Summary,
};
use dcos_api::types::health::Health;
use dcos_api::types::join::{JoinAnswer, JoinRequest, TokenAnswer, TokenRequest};
use dcos_api::types::pins::{PinRequest, Pins, UnpinRequest};
use dcos_api::types::pkg::{
    Active, AvailablePackages, CareRequest, FetchRequest, GcRequest, Job, Jobs, LocalPackages, NodeState,
    PackageDetail, ValidateRequest,
};
use dcos_api::types::provision::{self, AddSlave, DecommissionSlave, Operations, Slave, Slaves};
use dcos_api::types::records::{Audit, Backup, DesiredSets, Restored};
use dcos_api::types::restart::{BeginAnswer, BeginRequest, GoAnswer, GoRequest, RestartStatus};
use dcos_api::types::whoami::WhoAmI;
use dcos_core::attempt::AttemptReport;
use dcos_core::validate::Report;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::schemas::{self, Of};

/// An endpoint in words.
pub(crate) struct About {
    pub(crate) summary: &'static str,
    /// The parameter that it takes in its query.
    pub(crate) query: Option<Query>,
    /// The body that it takes.
    pub(crate) takes: Option<(Of, &'static [&'static str])>,
    /// The answers under 2xx.
    pub(crate) gives: Vec<(u16, &'static str, Content)>,
    /// Refusals of its own, by status.
    refuses: Vec<(u16, &'static str)>,
}

/// A parameter of a query, and what it means.
#[derive(Clone, Copy)]
pub(crate) enum Query {
    /// `?after=`: a number.
    After(&'static str),
    /// `?deployment=`: an id.
    Deployment(&'static str),
}

/// A body of an answer.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    /// JSON of a type, with examples.
    Json(Of, &'static [&'static str]),
    /// Anything else, by its media type.
    Text(&'static str),
    /// A document such as this one.
    Document,
}

/// Refusals of one status: the last words of their `type`s.
pub(crate) struct Refusal {
    pub(crate) status: u16,
    names: Vec<&'static str>,
}

impl Refusal {
    pub(crate) fn words(&self) -> String {
        let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        match self.status {
            307 => format!("{}: another master decides, and `Location` says which", names.join(", ")),
            401 => format!("{}: name and secret are wrong, or are needed", names.join(", ")),
            500 => format!("{}: a defect, or a fault of the machine; the log says more", names.join(", ")),
            _ => names.join(", "),
        }
    }

    /// What tells it from others: its status and its names.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.status, self.names.join("."))
    }

    pub(crate) fn examples(&self) -> &'static [&'static str] {
        match (self.status, self.names.as_slice()) {
            (422, ["invalid-set", "invalid-request"]) => &["pkg/validate.invalid"],
            (404, ["not-local"]) => &["problem"],
            _ => &[],
        }
    }
}

fn gives<T: JsonSchema>(summary: &'static str, examples: &'static [&'static str]) -> About {
    with(summary, 200, Content::Json(schemas::of::<T>, examples))
}

fn with(summary: &'static str, status: u16, content: Content) -> About {
    let gives = vec![(status, summary, content)];
    About { summary, query: None, takes: None, gives, refuses: Vec::new() }
}

impl About {
    fn takes<T: JsonSchema>(self, examples: &'static [&'static str]) -> Self {
        Self { takes: Some((schemas::of::<T>, examples)), ..self }
    }

    /// The status of the only answer so far.
    fn under(mut self, status: u16) -> Self {
        self.gives[0].0 = status;
        self
    }

    fn or<T: JsonSchema>(mut self, status: u16, words: &'static str, examples: &'static [&'static str]) -> Self {
        self.gives.push((status, words, Content::Json(schemas::of::<T>, examples)));
        self
    }

    fn after(self, words: &'static str) -> Self {
        Self { query: Some(Query::After(words)), ..self }
    }

    fn refuses(mut self, status: u16, names: &'static [&'static str]) -> Self {
        self.refuses.extend(names.iter().map(|name| (status, *name)));
        self
    }
}

/// What an endpoint takes, gives and refuses.
pub(crate) fn about(operation: Operation) -> About {
    match operation {
        Operation::Deploy(operation) => deploy(operation),
        Operation::Provision(operation) => provision(operation),
        Operation::Health => gives::<Health>("Whether this part works", &["health"]),
        Operation::OpenApi => with("This document", 200, Content::Document),
        Operation::Active => {
            gives::<Active>("The active generation", &["pkg/active"]).refuses(404, &["no-active-generation"])
        }
        Operation::Packages => gives::<LocalPackages>("The packages on the node, all of them", &["pkg/packages"]),
        Operation::Package => gives::<PackageDetail>("A package on the node", &["pkg/package"])
            .refuses(404, &["not-local"])
            .refuses(400, &["invalid-id"]),
        Operation::RemovePackage => gives::<PackageDetail>("Removes a package: the removed package", &["pkg/package"])
            .refuses(404, &["not-local"])
            .refuses(400, &["invalid-id"])
            .refuses(409, &["in-use", "locked"]),
        Operation::Available => gives::<AvailablePackages>(
            "What the repositories offer, asked for no earlier than this",
            &["pkg/available"],
        )
        .refuses(400, &["no-repository", "bad-tls", "bad-credentials"])
        .refuses(404, &["no-worker", "not-in-repository"])
        .refuses(422, &["metadata-expired", "clock-wrong", "metadata-rollback", "metadata-signature"])
        .refuses(422, &["metadata-threshold", "metadata-mixed", "metadata-endless", "bad-metadata", "bad-root"])
        .refuses(422, &["bad-url", "bad-certificate", "bad-index", "wrong-size", "repository-refuses"])
        .refuses(503, &["repository-unreachable", "repositories-too-slow"]),
        Operation::State => {
            gives::<NodeState>("Everything about the node, in one answer", &["pkg/state", "pkg/state.new-node"])
        }
        Operation::Metrics => with("Metrics of the node", 200, PROMETHEUS),
        Operation::Jobs => gives::<Jobs>("The jobs under way and the last that ended, newest first", &["pkg/jobs"]),
        Operation::Job => gives::<Job>(
            "A job",
            &["pkg/job.running", "pkg/job.done", "pkg/job.failed", "pkg/job.verify", "pkg/job.repair", "pkg/job.gc"],
        )
        .refuses(404, &["no-such-job"]),
        Operation::CancelJob => {
            gives::<Job>("Withdraws a job; one that had ended stays as it is", &["pkg/job.cancelled"])
                .refuses(404, &["no-such-job"])
        }
        Operation::Fetch => job("Gets packages onto the node")
            .takes::<FetchRequest>(&["pkg/fetch.request"])
            .refuses(422, &["digest-missing"]),
        Operation::Verify => job("Compares packages with what was added")
            .takes::<CareRequest>(&["pkg/verify.request"])
            .refuses(404, &["not-local"]),
        Operation::Repair => job("Compares packages with what was added, and puts right what is not")
            .takes::<CareRequest>(&["pkg/verify.request"])
            .refuses(404, &["not-local"]),
        Operation::Gc => job("Removes what nothing needs any more").takes::<GcRequest>(&["pkg/gc.request"]),
        Operation::Validate => gives::<Report>("Whether a set could work on this node", &["pkg/validate.valid"])
            .takes::<ValidateRequest>(&["pkg/validate.request"])
            .refuses(422, &["invalid-set"]),
        Operation::RestartStatus => gives::<RestartStatus>("What runs, and the attempts", &["restart/status"]),
        Operation::Begin => gives::<BeginAnswer>("Stages a set, and gives a ticket", &["restart/begin"])
            .under(202)
            .or::<BeginAnswer>(200, "The plan, after a dry run", &["restart/begin.dry-run"])
            .takes::<BeginRequest>(&["restart/begin.request"])
            .refuses(400, &["invalid-attempt"])
            .refuses(404, &["not-local", "no-helper"])
            .refuses(409, &["attempt-running", "attempt-known", "old-term", "locked"])
            .refuses(422, &["invalid-set", "already-active", "failed-before", "task-loss", "not-ready"])
            .refuses(422, &["clean-unconfirmed", "clean-unsafe", "origin-not-allowed"]),
        Operation::Go => gives::<GoAnswer>("Spends a ticket: the attempt that goes", &["restart/go"])
            .under(202)
            .takes::<GoRequest>(&["restart/go.request"])
            .refuses(409, &["stale-ticket", "spent-ticket", "attempt-moved-on"]),
        Operation::CancelAttempt => {
            gives::<AttemptReport>("Withdraws an attempt before its `go`", &["restart/attempt.cancelled"])
                .refuses(404, &["no-such-attempt"])
                .refuses(409, &["attempt-started"])
        }
    }
}

const PROMETHEUS: Content = Content::Text("text/plain; version=0.0.4; charset=utf-8");

/// Long work: 202 and a job.
fn job(summary: &'static str) -> About {
    gives::<Job>(summary, &["pkg/job.running"])
        .under(202)
        .refuses(409, &["too-many-jobs"])
        .refuses(422, &["origin-not-allowed"])
}

fn deploy(operation: Deploy) -> About {
    match operation {
        Deploy::List => gives::<Deployments>("The last deployments, newest first", &["deploy/deployments"]),
        Deploy::Show => {
            gives::<Deployment>("A deployment", &["deploy/deployment"]).refuses(404, &["no-such-deployment"])
        }
        Deploy::Summary => About {
            query: Some(Query::Deployment("The deployment's id; the newest one if absent")),
            ..gives::<Summary>("A deployment in short: its nodes counted", &["deploy/summary"])
        }
        .refuses(404, &["no-such-deployment"]),
        Deploy::Create => gives::<Deployment>("Plans a deployment, and begins it", &["deploy/deployment"])
            .under(201)
            .or::<DeploymentPlan>(200, "The plan, after a dry run", &["deploy/plan"])
            .takes::<CreateDeployment>(&[
                "deploy/create.upgrade.request",
                "deploy/create.install.request",
                "deploy/create.uninstall.request",
                "deploy/create.set.request",
                "deploy/create.keep.request",
            ])
            .refuses(409, &["deployment-running", "changed-meanwhile", "pinned"])
            .refuses(422, &["plan-refused"])
            .refuses(503, &["no-inventory"]),
        Deploy::Command => gives::<Deployment>("Tells a deployment something", &["deploy/deployment"])
            .refuses(404, &["no-such-deployment", "no-such-endpoint"])
            .refuses(409, &["not-now", "deployment-running", "changed-meanwhile", "pinned"])
            .refuses(422, &["registry-capability"]),
        Deploy::Nodes => gives::<ClusterNodes>("The nodes of the cluster, masters first", &["deploy/nodes"])
            .refuses(503, &["no-inventory"]),
        Deploy::Node => gives::<ClusterNode>("A node of the cluster", &["deploy/node"])
            .refuses(404, &["no-such-node"])
            .refuses(503, &["no-inventory"]),
        Deploy::NodeAvailable => {
            gives::<AvailablePackages>("What a node's repositories offer, as it says", &["pkg/available"])
                .refuses(404, &["no-such-node"])
                .refuses(422, &["node-untrusted"])
                .refuses(503, &["no-inventory", "node-silent", "node-refuses"])
        }
        Deploy::NodePackage => gives::<PackageDetail>("A package on a node, as it says", &["pkg/package"])
            .refuses(400, &["invalid-id"])
            .refuses(404, &["no-such-node", "not-local"])
            .refuses(422, &["node-untrusted"])
            .refuses(503, &["no-inventory", "node-silent", "node-refuses"]),
        Deploy::Halts => gives::<Halts>("The halts that stand", &["deploy/halts"]),
        Deploy::Halt => {
            let halt = Content::Json(halt_or_halts, &["deploy/halt"]);
            with("Halts everything: answered once no node can be started any more", 200, halt)
                .takes::<HaltCall>(&["deploy/halt.request"])
        }
        Deploy::Resume => gives::<Halts>("Clears one halt: those that still stand", &["deploy/resume"])
            .takes::<ResumeRequest>(&["deploy/resume.request"])
            .refuses(404, &["no-such-halt"]),
        Deploy::Pins => gives::<Pins>("What deployments leave as it is", &["deploy/pins"]),
        Deploy::Pin => gives::<Pins>("Leaves a node or a group as it is", &["deploy/pins"])
            .takes::<PinRequest>(&["deploy/pin.request"])
            .refuses(409, &["deployment-running"]),
        Deploy::Unpin => gives::<Pins>("Takes a pin out: what is still pinned", &["deploy/unpin"])
            .takes::<UnpinRequest>(&["deploy/unpin.request"])
            .refuses(404, &["no-such-pin"]),
        Deploy::Pulse => gives::<PulseAnswer>("A monitor's heartbeat", &["deploy/pulse"])
            .takes::<PulseRequest>(&["deploy/pulse.request"]),
        Deploy::Ping => gives::<Acknowledgement>("A node tells how its attempt stands", &["deploy/status"])
            .takes::<Ping>(&["deploy/status.request"])
            .refuses(403, &["not-your-node"])
            .refuses(404, &["no-such-attempt"]),
        Deploy::Events => gives::<DeployEvents>("What happened, oldest first, at most 500", &["deploy/events"])
            .after("Only events after this number"),
        Deploy::Audit => gives::<Audit>("The changes that were asked for, the last thousand", &["deploy/audit"])
            .after("Only entries after this number"),
        Deploy::Desired => gives::<DesiredSets>("What each group should run", &["deploy/desired"]),
        Deploy::Backup => gives::<Backup>("Everything that the controller knows", &["deploy/backup"]),
        Deploy::Restore => gives::<Restored>("Puts a backup in the place of everything", &["deploy/restore"])
            .takes::<Backup>(&["deploy/backup"])
            .refuses(409, &["deployment-running"])
            .refuses(422, &["invalid-backup"]),
        Deploy::Metrics => with("Metrics of this master", 200, PROMETHEUS),
        Deploy::Token => gives::<TokenAnswer>("A join token: told this once, good for one machine", &["deploy/tokens"])
            .under(201)
            .takes::<TokenRequest>(&["deploy/tokens.request"])
            .refuses(422, &["invalid-token-request"]),
        Deploy::Join => gives::<JoinAnswer>("All that a new node must know", &["deploy/join"])
            .takes::<JoinRequest>(&["deploy/join.request"])
            .refuses(404, &["unknown-token"])
            .refuses(409, &["used-token"])
            .refuses(422, &["expired-token", "invalid-claim"])
            .refuses(503, &["master-incomplete"]),
        Deploy::WhoAmI => gives::<WhoAmI>("Who the caller is here, and who leads", &["deploy/whoami"]),
        Deploy::Ui => with("The dashboard", 200, Content::Text("text/html; charset=utf-8")),
    }
}

fn provision(operation: Provision) -> About {
    let silent = |about: About| about.refuses(503, &["provider-silent", "not-known-now"]);
    match operation {
        Provision::Slaves => gives::<Slaves>("Agents and machines, with what does not match", &["provision/slaves"]),
        Provision::Slave => {
            gives::<Slave>("An agent, a machine, or both", &["provision/slave"]).refuses(404, &["no-such-slave"])
        }
        Provision::Operations => {
            gives::<Operations>("The operations that are remembered, newest first", &["provision/operations"])
        }
        Provision::Operation => gives::<provision::Operation>(
            "An operation",
            &["provision/operation.add", "provision/operation.decommission"],
        )
        .refuses(404, &["no-such-operation"]),
        Provision::Cancel => gives::<provision::Operation>("Withdraws an operation", &["provision/operation.add"])
            .refuses(404, &["no-such-operation"])
            .refuses(409, &["too-late"]),
        Provision::Add => silent(
            gives::<provision::Operation>("Makes new agents", &["provision/operation.add"])
                .under(202)
                .or::<provision::Operation>(200, "What would be made, after a dry run", &[])
                .takes::<AddSlave>(&["provision/add_slave.request"])
                .refuses(400, &["bad-count", "bad-key", "no-class"])
                .refuses(404, &["no-such-class"])
                .refuses(409, &["key-used", "no-desired-set"])
                .refuses(422, &["too-many", "provider-denied", "provider-refused"]),
        ),
        Provision::Decommission => silent(
            gives::<provision::Operation>("Removes an agent", &["provision/operation.decommission"])
                .under(202)
                .or::<provision::Operation>(200, "What would be done, after a dry run", &[])
                .takes::<DecommissionSlave>(&["provision/decommission_slave.request"])
                .refuses(404, &["no-such-agent"])
                .refuses(409, &["agent-busy", "removal-running"])
                .refuses(422, &["too-few", "not-ours"]),
        ),
    }
}

/// The halt that was given; for alerts that are all resolved, the halts that stand.
fn halt_or_halts(generator: &mut SchemaGenerator) -> Schema {
    let both = [generator.subschema_for::<Halt>(), generator.subschema_for::<Halts>()];
    json_schema!({"anyOf": both})
}

/// Every refusal that an endpoint can give, by status: those of its own, and those that follow from its place.
pub(crate) fn refusals(route: &Route) -> Vec<Refusal> {
    let about = about(route.operation);
    let mut all: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    let mut can = |status: u16, name| {
        let names = all.entry(status).or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    };
    for (status, name) in about.refuses {
        can(status, name);
    }
    if route.path.contains('{') {
        can(400, "invalid-path");
    }
    if about.query.is_some() {
        can(400, "invalid-query");
    }
    if about.takes.is_some() {
        for (status, name) in
            [(400, "invalid-json"), (400, "body-broken-off"), (415, "not-json"), (422, "invalid-request")]
        {
            can(status, name);
        }
    }
    // Inside Mesos a body is looked at before anybody knows whether it is wanted.
    for (status, name) in [
        (400, "malformed-request"),
        (401, "unauthenticated"),
        (405, "no-such-method"),
        (413, "body-too-large"),
        (500, "unexpected"),
        (500, "panicked"),
        (503, "module-refused"),
        (504, "too-slow"),
    ] {
        can(status, name);
    }
    if route.needs != Needs::Nothing {
        can(403, "forbidden");
    }
    if route.verb != Verb::Get {
        can(403, "foreign-page");
    }
    if matches!(route.operation, Operation::Deploy(_) | Operation::Provision(_)) {
        can(404, "not-a-master");
        can(503, "controller-failed");
        can(503, "deploy-log");
        if route.verb == Verb::Get {
            can(307, "not-a-master");
        }
        if route.is_the_leaders() {
            can(307, "not-leading");
            can(503, "no-leader");
        }
    }
    if matches!(route.operation, Operation::Provision(_)) {
        can(503, "not-configured");
        can(503, "provisioning-failed");
    }
    all.into_iter().map(|(status, names)| Refusal { status, names }).collect()
}
