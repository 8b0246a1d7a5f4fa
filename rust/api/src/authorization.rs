//! From a principal to what it may do.
//!
//! The host authenticates: libprocess's realms inside Mesos, HTTP's Basic in `dcos-node`. What arrives here is a name or
//! nothing, and `[roles]` of `node.toml` says what a name may do. A name that is not in the table may do nothing, as
//! nobody may: a typo there must never grant.
//!
//! A node's own name stands for its host: whoever has the secret of one machine must not be able to speak for another.

use std::collections::BTreeMap;

use dcos_core::node::{ApiRole, NodeConfig};
use dcos_core::{ExitCode, Problem};

use crate::Principal;

/// What an endpoint demands of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: the answer tells no more than whether the part works, or the body brings a credential of its own.
    Nothing,
    /// This role, or one above it.
    Role(ApiRole),
}

/// Who may do what on this node.
#[derive(Clone, Debug)]
pub struct Access {
    roles: BTreeMap<String, ApiRole>,
    anonymous: Anonymous,
    /// Names that may speak for every node.
    shared: Vec<String>,
}

/// What a call without a principal may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anonymous {
    Nothing,
    Read,
    Everything,
}

impl Access {
    /// The table of a node.
    pub fn of(config: &NodeConfig) -> Self {
        // Whoever may change everything may also look, so the insecure switch includes the harmless one.
        let anonymous = match (config.limits.insecure_allow_anonymous, config.limits.anonymous_reader) {
            (true, _) => Anonymous::Everything,
            (false, true) => Anonymous::Read,
            (false, false) => Anonymous::Nothing,
        };
        Self { roles: config.roles.clone(), anonymous, shared: config.deploy.shared_principals.clone() }
    }

    /// The role of a name: its own, or that of the longest beginning that stands for it.
    fn role(&self, name: &str) -> Option<ApiRole> {
        let beginnings = self.roles.iter().filter_map(|(known, role)| Some((known.strip_suffix('*')?, *role)));
        let fits = beginnings.filter(|(beginning, _)| name.starts_with(beginning));
        self.roles
            .get(name)
            .copied()
            .or_else(|| fits.max_by_key(|(beginning, _)| beginning.len()).map(|(_, role)| role))
    }

    /// The highest role that `principal` has here, `None` if it may do nothing.
    pub fn role_of(&self, principal: &Principal) -> Option<ApiRole> {
        match (&principal.0, self.anonymous) {
            (Some(name), _) => self.role(name),
            (None, Anonymous::Nothing) => None,
            (None, Anonymous::Read) => Some(ApiRole::Reader),
            (None, Anonymous::Everything) => Some(ApiRole::Admin),
        }
    }

    /// Lets `principal` pass if it may speak for a node, `host:port`: the name of its host may, and one that all share.
    ///
    /// # Errors
    /// A problem with status 403.
    pub fn check_node(&self, principal: &Principal, node: &str) -> Result<(), Problem> {
        // Whoever may call without a name may call in any name.
        let Some(name) = &principal.0 else { return Ok(()) };
        let host = node.rsplit_once(':').map_or(node, |(host, _)| host);
        if name == host || self.shared.contains(name) {
            return Ok(());
        }
        let detail = format!("the principal `{name}` may not speak for the node `{node}`");
        let problem = Problem { status: 403, ..Problem::new(ExitCode::Refused, "not-your-node", detail) };
        Err(problem
            .hint(format!("the node's own principal is `{host}`"))
            .hint("one that all nodes share is named by `deploy.shared_principals` of the masters' `node.toml`"))
    }

    /// Whether anybody who reaches the port may change the node.
    pub fn is_insecure(&self) -> bool {
        self.anonymous == Anonymous::Everything
    }

    /// Lets `principal` pass if it has what is needed.
    ///
    /// # Errors
    /// A problem with status 403 that says what is needed and what the caller has.
    pub fn check(&self, principal: &Principal, needs: Needs) -> Result<(), Problem> {
        let Needs::Role(needed) = needs else { return Ok(()) };
        let has = match &principal.0 {
            Some(name) => {
                let role = self.role(name);
                if role.is_some_and(|role| covers(role, needed)) {
                    return Ok(());
                }
                match role {
                    Some(role) => format!("the principal `{name}` has the role `{}`", role.word()),
                    None => format!("the principal `{name}` has no role"),
                }
            }
            None if self.anonymous_may(needed) => return Ok(()),
            None => "the request names no principal".to_owned(),
        };
        let detail = format!("the role `{}` is needed, and {has}", needed.word());
        let problem = Problem { status: 403, ..Problem::new(ExitCode::Refused, "forbidden", detail) };
        Err(problem.hint(match &principal.0 {
            Some(name) => format!("give `{name}` the role under `[roles]` of this node's `node.toml`"),
            None => "call with credentials that this host's authentication knows".to_owned(),
        }))
    }

    fn anonymous_may(&self, needed: ApiRole) -> bool {
        match self.anonymous {
            Anonymous::Nothing => false,
            Anonymous::Read => needed == ApiRole::Reader,
            Anonymous::Everything => true,
        }
    }
}

/// Whether one role includes another: `reader` < `monitor` < `operator` < `admin`, and `node` is apart from all of them.
const fn covers(has: ApiRole, needed: ApiRole) -> bool {
    match (rank(has), rank(needed)) {
        (Some(has), Some(needed)) => has >= needed,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

const fn rank(role: ApiRole) -> Option<u8> {
    match role {
        ApiRole::Node => None,
        ApiRole::Reader => Some(0),
        ApiRole::Monitor => Some(1),
        ApiRole::Operator => Some(2),
        ApiRole::Admin => Some(3),
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Anonymous, Needs};
    use crate::Principal;
    use dcos_core::node::ApiRole::{self, Admin, Monitor, Node, Operator, Reader};

    const ALL: [ApiRole; 5] = [Node, Reader, Monitor, Operator, Admin];

    fn access(anonymous: Anonymous) -> Access {
        let roles = ALL.iter().map(|role| (role.word().to_owned(), *role)).collect();
        Access { roles, anonymous, shared: vec!["joining".to_owned()] }
    }

    #[test]
    fn a_beginning_stands_for_names_and_a_name_itself_comes_first() {
        let mut access = access(Anonymous::Nothing);
        let roles = [("10.0.*", Node), ("10.0.0.7", Operator)];
        access.roles.extend(roles.map(|(name, role)| (name.to_owned(), role)));
        assert_eq!(allowed(&access, Some("10.0.9.1")), [Node]);
        assert_eq!(allowed(&access, Some("10.0.0.7")), [Reader, Monitor, Operator]);
        for name in ["10.1.0.1", "10.0", "x10.0.0.1"] {
            assert_eq!(allowed(&access, Some(name)), [], "{name}");
        }
    }

    #[test]
    fn a_node_speaks_for_its_own_host_only() {
        let access = access(Anonymous::Nothing);
        let may = |name: Option<&str>, node: &str| access.check_node(&Principal(name.map(str::to_owned)), node).is_ok();
        assert!(may(Some("10.0.0.7"), "10.0.0.7:5051") && may(Some("joining"), "10.0.0.7:5051"));
        assert!(may(None, "10.0.0.7:5051"), "only where nobody needs a name");
        for name in ["10.0.0.8", "10.0.0.7:5051", "", "10.0.0"] {
            assert!(!may(Some(name), "10.0.0.7:5051"), "{name}");
        }
    }

    fn allowed(access: &Access, principal: Option<&str>) -> Vec<ApiRole> {
        let principal = Principal(principal.map(str::to_owned));
        ALL.into_iter().filter(|needed| access.check(&principal, Needs::Role(*needed)).is_ok()).collect()
    }

    #[test]
    fn roles_rise_and_node_stands_apart() {
        let access = access(Anonymous::Nothing);
        assert_eq!(allowed(&access, Some("node")), [Node]);
        assert_eq!(allowed(&access, Some("reader")), [Reader]);
        assert_eq!(allowed(&access, Some("monitor")), [Reader, Monitor]);
        assert_eq!(allowed(&access, Some("operator")), [Reader, Monitor, Operator]);
        assert_eq!(allowed(&access, Some("admin")), [Reader, Monitor, Operator, Admin]);
    }

    #[test]
    fn a_name_without_a_role_may_do_nothing_even_where_nobody_may_do_everything() {
        assert_eq!(allowed(&access(Anonymous::Everything), Some("mallory")), []);
    }

    #[test]
    fn nobody_may_do_what_the_limits_say() {
        assert_eq!(allowed(&access(Anonymous::Nothing), None), []);
        assert_eq!(allowed(&access(Anonymous::Read), None), [Reader]);
        assert_eq!(allowed(&access(Anonymous::Everything), None), ALL);
    }

    #[test]
    fn a_refusal_says_what_is_needed_and_what_is_there() {
        let access = access(Anonymous::Nothing);
        let refused = |name: Option<&str>| match access.check(&Principal(name.map(str::to_owned)), Needs::Role(Admin)) {
            Err(problem) => (problem.status, problem.detail),
            Ok(()) => (200, String::new()),
        };
        let needed = "the role `admin` is needed, and";
        assert_eq!(refused(None), (403, format!("{needed} the request names no principal")));
        assert_eq!(refused(Some("x")), (403, format!("{needed} the principal `x` has no role")));
        let monitor = format!("{needed} the principal `monitor` has the role `monitor`");
        assert_eq!(refused(Some("monitor")), (403, monitor));
        assert_eq!(access.check(&Principal(None), Needs::Nothing), Ok(()));
    }
}
