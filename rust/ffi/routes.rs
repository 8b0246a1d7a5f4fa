//! Which paths libprocess hands to us, and under which authentication realm.
//!
//! libprocess matches registered prefixes and cannot serve the root of a family, so the first segment below the family
//! of every endpoint in [`ROUTES`] is registered once, and the router sees whatever lies below it. A segment belongs to
//! one realm whatever the method: those where anything can be changed are read-write, the rest read-only. The realm only
//! decides *whether* libprocess asks for credentials; who may do what is the router's decision, and a call without a
//! principal gets nothing there that the configuration did not grant. So a wrong realm can refuse, but not permit.
//!
//! `/health` is open, as Mesos's own `/health` is: the restart helper must be able to ask whether a module works whatever
//! the new configuration says about authentication, or a set that only turned authentication on would be rolled back.
//! It lies in a realm of our own, which has no authenticator; such a realm lets everybody in without a principal.

use dcos_api::authorization::Needs;
use dcos_api::routes::{ROUTES, Route, Verb};
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

/// What a realm guards: nothing, reading only, or changes too. In this order a stricter one comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    Open,
    ReadOnly,
    ReadWrite,
}

/// One registered prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePrefix {
    /// The path below the family: one segment with a slash before it.
    pub path: &'static str,
    /// The authentication realm of Mesos that it belongs to.
    pub realm: &'static str,
    /// What can be asked for there, for libprocess's `/help`.
    pub help: String,
}

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

    /// The prefixes to register in a Mesos of the given role, each once, in the order of [`ROUTES`].
    ///
    /// Without a role the configuration could not be read and all answers will be refusals; the agent's realms then
    /// stand in, so that the reason can still be asked for.
    pub fn prefixes(self, role: Option<Role>) -> Vec<RoutePrefix> {
        let mut found: Vec<(&'static str, Access, String)> = Vec::new();
        for route in ROUTES.iter().filter(|route| route.part() == self.name()) {
            let path = segment(route.path, self.name());
            let line = format!("{} {}", verb(route.verb), route.path);
            match found.iter_mut().find(|(known, ..)| *known == path) {
                Some((_, access, help)) => {
                    *access = (*access).max(needed(route));
                    help.push_str(", ");
                    help.push_str(&line);
                }
                None => found.push((path, needed(route), line)),
            }
        }
        let role = role.unwrap_or(Role::Agent);
        found.into_iter().map(|(path, access, help)| RoutePrefix { path, realm: realm(role, access), help }).collect()
    }
}

/// `/jobs` of `/pkg/jobs/{id}`.
fn segment(path: &'static str, family: &str) -> &'static str {
    let below = &path[1 + family.len()..];
    let end = below.match_indices('/').nth(1).map_or(below.len(), |(position, _)| position);
    &below[..end]
}

fn needed(route: &Route) -> Access {
    match (route.needs, route.verb) {
        (Needs::Nothing, _) => Access::Open,
        _ if route.is_a_door() => Access::ReadWrite,
        (_, Verb::Get) => Access::ReadOnly,
        (_, Verb::Post | Verb::Delete) => Access::ReadWrite,
    }
}

const fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "GET",
        Verb::Post => "POST",
        Verb::Delete => "DELETE",
    }
}

/// Mesos's own name of the realm, or ours for what is open.
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
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn realm_of(family: Family, role: Option<Role>, path: &str) -> Option<&'static str> {
        family.prefixes(role).into_iter().find(|prefix| prefix.path == path).map(|prefix| prefix.realm)
    }

    #[test]
    fn names_lead_back_to_their_family() {
        for family in Family::ALL {
            assert_eq!(Family::named(family.name()), Some(family));
        }
        assert_eq!(Family::named("master"), None);
    }

    #[test]
    fn every_endpoint_lies_below_a_prefix_that_stands_once() {
        for route in ROUTES {
            let family = Family::named(route.part()).expect("a family for every endpoint");
            let prefixes = family.prefixes(Some(Role::Agent));
            let below = &route.path[1 + family.name().len()..];
            let above = |prefix: &&RoutePrefix| {
                below.strip_prefix(prefix.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            assert_eq!(prefixes.iter().filter(above).count(), 1, "{}", route.path);
        }
    }

    #[test]
    fn every_prefix_is_one_segment_and_stands_once() {
        for family in Family::ALL {
            let prefixes = family.prefixes(Some(Role::Agent));
            let distinct: BTreeSet<_> = prefixes.iter().map(|prefix| prefix.path).collect();
            assert_eq!(distinct.len(), prefixes.len(), "a prefix of {family:?} stands twice");
            for prefix in prefixes {
                assert!(prefix.path.starts_with('/') && !prefix.path[1..].contains(['/', '{']), "{}", prefix.path);
            }
        }
    }

    #[test]
    fn realms_follow_the_role_and_what_can_be_done_there() {
        let (master, agent) = (Some(Role::Master), Some(Role::Agent));
        assert_eq!(realm_of(Family::Pkg, master, "/active"), Some("mesos-master-readonly"));
        assert_eq!(realm_of(Family::Pkg, agent, "/active"), Some("mesos-agent-readonly"));
        assert_eq!(realm_of(Family::Restart, agent, "/go"), Some("mesos-agent-readwrite"));
        assert_eq!(realm_of(Family::Deploy, master, "/halt"), Some("mesos-master-readwrite"), "GET and POST share it");
        assert_eq!(realm_of(Family::Deploy, master, "/nodes"), Some("mesos-master-readonly"));
        assert_eq!(
            realm_of(Family::Deploy, master, "/ui"),
            Some("mesos-master-readwrite"),
            "one asks for a name there"
        );
        assert_eq!(realm_of(Family::Pkg, master, "/health"), Some("dcos-bits-open"));
        assert_eq!(realm_of(Family::Pkg, None, "/fetch"), Some("mesos-agent-readwrite"));
    }

    #[test]
    fn help_names_what_can_be_asked_for() {
        let prefixes = Family::Pkg.prefixes(None);
        let jobs = prefixes.iter().find(|prefix| prefix.path == "/jobs").expect("a prefix for jobs");
        assert_eq!(jobs.help, "GET /pkg/jobs, GET /pkg/jobs/{id}, DELETE /pkg/jobs/{id}");
    }
}
