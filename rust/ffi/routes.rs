//! Which paths libprocess hands to us, and under which authentication realm.
//!
//! libprocess matches registered prefixes and cannot serve the root of a family, so every first segment of section
//! "Endpoints" of the HTTP API is registered once, and the router sees whatever lies below it. A segment belongs to one
//! realm whatever the method: those where anything can be changed are read-write, the rest read-only. The realm only
//! decides *whether* libprocess asks for credentials; who may do what is the router's decision, and a call without a
//! principal gets nothing there that the configuration did not grant. So a wrong realm can refuse, but not permit.
//!
//! `/health` is open, as Mesos's own `/health` is: the restart helper must be able to ask whether a module works whatever
//! the new configuration says about authentication, or a set that only turned authentication on would be rolled back.
//! It lies in a realm of our own, which has no authenticator; such a realm lets everybody in without a principal.

use dcos_core::role::Role;

/// The endpoints below one first path segment, served by one actor and one module record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Packages of this node.
    Pkg,
    /// The restart of this node's Mesos.
    Restart,
    /// Deployments over the cluster.
    Deploy,
    /// Agents that come and go.
    Provision,
}

/// What a realm guards: nothing, reading only, or changes too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Open,
    ReadOnly,
    ReadWrite,
}

/// One registered prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePrefix {
    /// The path below the family, beginning with a slash.
    pub path: &'static str,
    /// The authentication realm of Mesos that it belongs to.
    pub realm: &'static str,
    /// One sentence for libprocess's `/help`.
    pub help: &'static str,
}

type Row = (&'static str, Access, &'static str);

const HEALTH: Row = ("/health", Access::Open, "200 if the module works, 503 with the reason if it does not");
const OPENAPI: Row = ("/openapi.json", Access::ReadOnly, "These endpoints, described");

const PKG: &[Row] = &[
    HEALTH,
    ("/packages", Access::ReadWrite, "Packages on this node; DELETE removes one"),
    ("/available", Access::ReadOnly, "Packages that the repositories offer"),
    ("/active", Access::ReadOnly, "The active generation"),
    ("/state", Access::ReadOnly, "Everything that a caller may want to know of this node"),
    ("/jobs", Access::ReadWrite, "Fetches under way and done; DELETE cancels one"),
    ("/metrics", Access::ReadOnly, "Metrics in Prometheus's text format"),
    ("/fetch", Access::ReadWrite, "Fetch packages to this node"),
    ("/validate", Access::ReadWrite, "Whether a set could work on this node"),
    ("/verify", Access::ReadWrite, "Compare packages with their manifests"),
    ("/repair", Access::ReadWrite, "Bring damaged packages back to what they were"),
    ("/gc", Access::ReadWrite, "Remove packages that nothing needs"),
    OPENAPI,
];

const RESTART: &[Row] = &[
    HEALTH,
    ("/status", Access::ReadOnly, "The running or last attempt"),
    ("/begin", Access::ReadWrite, "Stage a set and get a ticket"),
    ("/go", Access::ReadWrite, "Spend a ticket: stop, switch, start, watch"),
    ("/attempts", Access::ReadWrite, "Attempts; DELETE withdraws one before it goes"),
    OPENAPI,
];

const DEPLOY: &[Row] = &[
    HEALTH,
    ("/deployments", Access::ReadWrite, "Deployments: list, create, start, pause, abort, roll back, retry"),
    ("/nodes", Access::ReadOnly, "Nodes, what they run and what they wait for"),
    ("/desired", Access::ReadOnly, "The set that each group should run"),
    ("/halt", Access::ReadWrite, "Standing halts; POST adds one"),
    ("/resume", Access::ReadWrite, "Clear a halt"),
    ("/pulse", Access::ReadWrite, "A monitor's heartbeat"),
    ("/status", Access::ReadWrite, "Pings of the restart helpers"),
    ("/join", Access::ReadWrite, "A new node asks for its set"),
    ("/events", Access::ReadOnly, "What happened after a given event"),
    ("/audit", Access::ReadOnly, "Who changed what, when"),
    ("/ui", Access::ReadOnly, "The page for people"),
    ("/backup", Access::ReadWrite, "The state of the controller"),
    ("/restore", Access::ReadWrite, "Put a state of the controller back"),
    ("/metrics", Access::ReadOnly, "Metrics in Prometheus's text format"),
    OPENAPI,
];

const PROVISION: &[Row] = &[
    HEALTH,
    ("/slaves", Access::ReadOnly, "Agents known to the provider"),
    ("/operations", Access::ReadWrite, "Operations under way and done; DELETE cancels one"),
    ("/add_slave", Access::ReadWrite, "Add an agent"),
    ("/decommission_slave", Access::ReadWrite, "Take an agent away"),
    OPENAPI,
];

impl Family {
    /// Every family.
    pub const ALL: [Self; 4] = [Self::Pkg, Self::Restart, Self::Deploy, Self::Provision];

    /// The family of the given first path segment.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    /// The first path segment, which is also the name of its actor.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pkg => "pkg",
            Self::Restart => "restart",
            Self::Deploy => "deploy",
            Self::Provision => "provision",
        }
    }

    /// The prefixes to register in a Mesos of the given role.
    ///
    /// Without a role the configuration could not be read and all answers will be refusals; the agent's realms then
    /// stand in, so that the reason can still be asked for.
    pub fn prefixes(self, role: Option<Role>) -> Vec<RoutePrefix> {
        let rows = match self {
            Self::Pkg => PKG,
            Self::Restart => RESTART,
            Self::Deploy => DEPLOY,
            Self::Provision => PROVISION,
        };
        rows.iter()
            .map(|&(path, access, help)| RoutePrefix { path, realm: realm(role.unwrap_or(Role::Agent), access), help })
            .collect()
    }
}

/// Mesos's own name of the realm.
const fn realm(role: Role, access: Access) -> &'static str {
    match (role, access) {
        (_, Access::Open) => "dcos-bits-open",
        (Role::Master, Access::ReadOnly) => "mesos-master-readonly",
        (Role::Master, Access::ReadWrite) => "mesos-master-readwrite",
        (Role::Agent, Access::ReadOnly) => "mesos-agent-readonly",
        (Role::Agent, Access::ReadWrite) => "mesos-agent-readwrite",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_lead_back_to_their_family() {
        for family in Family::ALL {
            assert_eq!(Family::named(family.name()), Some(family));
        }
        assert_eq!(Family::named("master"), None);
    }

    #[test]
    fn every_prefix_is_one_segment_and_stands_once() {
        for family in Family::ALL {
            let prefixes = family.prefixes(Some(Role::Agent));
            let distinct: BTreeSet<_> = prefixes.iter().map(|prefix| prefix.path).collect();
            assert_eq!(distinct.len(), prefixes.len(), "a prefix of {family:?} stands twice");
            for prefix in prefixes {
                assert!(prefix.path.starts_with('/') && !prefix.path[1..].contains('/'), "{}", prefix.path);
            }
        }
    }

    #[test]
    fn realms_follow_role_and_access() {
        let find = |role, path| {
            let prefixes = Family::Pkg.prefixes(role);
            prefixes.into_iter().find(|prefix| prefix.path == path).map(|prefix| prefix.realm)
        };
        assert_eq!(find(Some(Role::Master), "/active"), Some("mesos-master-readonly"));
        assert_eq!(find(Some(Role::Master), "/gc"), Some("mesos-master-readwrite"));
        assert_eq!(find(Some(Role::Agent), "/active"), Some("mesos-agent-readonly"));
        assert_eq!(find(None, "/fetch"), Some("mesos-agent-readwrite"));
        assert_eq!(find(Some(Role::Master), "/health"), Some("dcos-bits-open"));
    }
}
