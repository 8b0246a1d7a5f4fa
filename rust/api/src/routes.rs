//! The one table of endpoints and of what each demands. The router is made from it, so an endpoint that is not here does
//! not exist, and one that is here can't be without its demand.

use dcos_core::node::ApiRole::{Admin, Monitor, Node, Operator, Reader};

use crate::authorization::Needs;

/// An endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its method.
    pub verb: Verb,
    /// Its path, `{id}` standing for one segment.
    pub path: &'static str,
    /// What its caller must have.
    pub needs: Needs,
    /// What it does.
    pub operation: Operation,
}

/// The methods in use. `GET` also answers `HEAD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "these are HTTP's own words")]
pub enum Verb {
    Get,
    Post,
    Delete,
}

/// What endpoints do: one variant per handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table below says what each is")]
pub enum Operation {
    Health,
    OpenApi,
    Active,
    Packages,
    Package,
    Available,
    State,
    Metrics,
    Fetch,
    Verify,
    Repair,
    Gc,
    Jobs,
    Job,
    CancelJob,
    Validate,
    RemovePackage,
    RestartStatus,
    Begin,
    Go,
    CancelAttempt,
    Deploy(Deploy),
    Provision(Provision),
}

/// What the endpoints of the deploy module do. They are elsewhere on a node that is no master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table below says what each is")]
pub enum Deploy {
    List,
    Summary,
    Create,
    Show,
    Command,
    Nodes,
    Halts,
    Halt,
    Resume,
    Pulse,
    Ping,
    Events,
    Node,
    NodeAvailable,
    NodePackage,
    Desired,
    Audit,
    Backup,
    Restore,
    Metrics,
    Token,
    Join,
    WhoAmI,
    Ui,
    Pins,
    Pin,
    Unpin,
}

/// What the endpoints of provisioning do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table below says what each is")]
pub enum Provision {
    Slaves,
    Slave,
    Operations,
    Operation,
    Cancel,
    Add,
    Decommission,
}

const fn get(path: &'static str, operation: Operation) -> Route {
    Route { verb: Verb::Get, path, needs: Needs::Role(Reader), operation }
}

/// What only those may read who may put it back.
const fn admin_get(path: &'static str, operation: Operation) -> Route {
    Route { verb: Verb::Get, path, needs: Needs::Role(Admin), operation }
}

const fn health(path: &'static str) -> Route {
    Route { verb: Verb::Get, path, needs: Needs::Nothing, operation: Operation::Health }
}

/// It says nothing that is not in every copy of this release.
const fn openapi(path: &'static str) -> Route {
    Route { verb: Verb::Get, path, needs: Needs::Nothing, operation: Operation::OpenApi }
}

const fn post(path: &'static str, role: dcos_core::node::ApiRole, operation: Operation) -> Route {
    Route { verb: Verb::Post, path, needs: Needs::Role(role), operation }
}

/// A call whose body brings its own credential, which its handler looks at.
const fn open_post(path: &'static str, operation: Operation) -> Route {
    Route { verb: Verb::Post, path, needs: Needs::Nothing, operation }
}

const fn delete(path: &'static str, operation: Operation) -> Route {
    Route { verb: Verb::Delete, path, needs: Needs::Role(Operator), operation }
}

/// Every endpoint.
pub const ROUTES: &[Route] = &[
    health("/pkg/health"),
    openapi("/pkg/openapi.json"),
    get("/pkg/active", Operation::Active),
    get("/pkg/packages", Operation::Packages),
    get("/pkg/packages/{id}", Operation::Package),
    get("/pkg/available", Operation::Available),
    get("/pkg/state", Operation::State),
    get("/pkg/metrics", Operation::Metrics),
    get("/pkg/jobs", Operation::Jobs),
    get("/pkg/jobs/{id}", Operation::Job),
    post("/pkg/fetch", Operator, Operation::Fetch),
    post("/pkg/verify", Operator, Operation::Verify),
    post("/pkg/repair", Operator, Operation::Repair),
    post("/pkg/gc", Operator, Operation::Gc),
    post("/pkg/validate", Operator, Operation::Validate),
    delete("/pkg/packages/{id}", Operation::RemovePackage),
    delete("/pkg/jobs/{id}", Operation::CancelJob),
    health("/restart/health"),
    openapi("/restart/openapi.json"),
    get("/restart/status", Operation::RestartStatus),
    post("/restart/begin", Operator, Operation::Begin),
    post("/restart/go", Operator, Operation::Go),
    delete("/restart/attempts/{id}", Operation::CancelAttempt),
    health("/deploy/health"),
    openapi("/deploy/openapi.json"),
    get("/deploy/deployments", Operation::Deploy(Deploy::List)),
    get("/deploy/deployments/{id}", Operation::Deploy(Deploy::Show)),
    get("/deploy/summary", Operation::Deploy(Deploy::Summary)),
    get("/deploy/nodes", Operation::Deploy(Deploy::Nodes)),
    get("/deploy/halt", Operation::Deploy(Deploy::Halts)),
    get("/deploy/events", Operation::Deploy(Deploy::Events)),
    get("/deploy/nodes/{id}", Operation::Deploy(Deploy::Node)),
    get("/deploy/nodes/{id}/pkg/available", Operation::Deploy(Deploy::NodeAvailable)),
    get("/deploy/nodes/{id}/pkg/packages/{package}", Operation::Deploy(Deploy::NodePackage)),
    get("/deploy/desired", Operation::Deploy(Deploy::Desired)),
    get("/deploy/audit", Operation::Deploy(Deploy::Audit)),
    get("/deploy/metrics", Operation::Deploy(Deploy::Metrics)),
    get("/deploy/pins", Operation::Deploy(Deploy::Pins)),
    admin_get("/deploy/backup", Operation::Deploy(Deploy::Backup)),
    post("/deploy/restore", Admin, Operation::Deploy(Deploy::Restore)),
    open_post("/deploy/join", Operation::Deploy(Deploy::Join)),
    post("/deploy/tokens", Operator, Operation::Deploy(Deploy::Token)),
    post("/deploy/status", Node, Operation::Deploy(Deploy::Ping)),
    get("/deploy/whoami", Operation::Deploy(Deploy::WhoAmI)),
    get("/deploy/ui", Operation::Deploy(Deploy::Ui)),
    post("/deploy/halt", Monitor, Operation::Deploy(Deploy::Halt)),
    post("/deploy/pulse", Monitor, Operation::Deploy(Deploy::Pulse)),
    post("/deploy/deployments", Operator, Operation::Deploy(Deploy::Create)),
    post("/deploy/deployments/{id}/{command}", Operator, Operation::Deploy(Deploy::Command)),
    post("/deploy/pin", Operator, Operation::Deploy(Deploy::Pin)),
    post("/deploy/unpin", Operator, Operation::Deploy(Deploy::Unpin)),
    post("/deploy/resume", Admin, Operation::Deploy(Deploy::Resume)),
    health("/provision/health"),
    openapi("/provision/openapi.json"),
    get("/provision/slaves", Operation::Provision(Provision::Slaves)),
    get("/provision/slaves/{id}", Operation::Provision(Provision::Slave)),
    get("/provision/operations", Operation::Provision(Provision::Operations)),
    get("/provision/operations/{id}", Operation::Provision(Provision::Operation)),
    post("/provision/add_slave", Operator, Operation::Provision(Provision::Add)),
    post("/provision/decommission_slave", Operator, Operation::Provision(Provision::Decommission)),
    delete("/provision/operations/{id}", Operation::Provision(Provision::Cancel)),
];

impl Route {
    /// Whether it changes something of the cluster that the record of changes shall have. What comes by the second and
    /// changes nothing that lasts is left out.
    pub fn is_recorded(&self) -> bool {
        let is_heartbeat = matches!(self.operation, Operation::Deploy(Deploy::Ping | Deploy::Pulse));
        self.verb != Verb::Get && matches!(self.part(), "deploy" | "provision") && !is_heartbeat
    }

    /// Whether only the leading master has the answer.
    pub fn is_the_leaders(&self) -> bool {
        let of_the_cluster = matches!(self.part(), "deploy" | "provision");
        // Each master says for itself whether it works, what its metrics are, and who it thinks leads; and each has the
        // page that shows what it says.
        let is_its_own = matches!(
            self.operation,
            Operation::Health | Operation::OpenApi | Operation::Deploy(Deploy::Metrics | Deploy::WhoAmI | Deploy::Ui)
        );
        of_the_cluster && !is_its_own
    }

    /// Whether it changes nothing, and yet its caller is asked for a name wherever changes demand one: who looks at the
    /// dashboard is to be known by the name that his changes will have.
    pub fn is_a_door(&self) -> bool {
        matches!(self.operation, Operation::Deploy(Deploy::WhoAmI | Deploy::Ui))
    }

    /// The part that it belongs to: its first segment.
    pub fn part(&self) -> &'static str {
        self.path.split('/').nth(1).unwrap_or_default()
    }
}
