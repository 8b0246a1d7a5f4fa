//! From a principal to what it may do.
//!
//! The host authenticates: libprocess's realms inside Mesos, nobody yet in `dcos-node`. What arrives here is a name or
//! nothing, and `[roles]` of `node.toml` says what a name may do. A name that is not in the table may do nothing, as
//! nobody may: a typo there must never grant.

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
        Self { roles: config.roles.clone(), anonymous }
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
                let role = self.roles.get(name).copied();
                if role.is_some_and(|role| covers(role, needed)) {
                    return Ok(());
                }
                match role {
                    Some(role) => format!("the principal `{name}` has the role `{}`", word(role)),
                    None => format!("the principal `{name}` has no role"),
                }
            }
            None if self.anonymous_may(needed) => return Ok(()),
            None => "the request names no principal".to_owned(),
        };
        let detail = format!("the role `{}` is needed, and {has}", word(needed));
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

/// The role as `node.toml` spells it.
const fn word(role: ApiRole) -> &'static str {
    match role {
        ApiRole::Node => "node",
        ApiRole::Reader => "reader",
        ApiRole::Monitor => "monitor",
        ApiRole::Operator => "operator",
        ApiRole::Admin => "admin",
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Anonymous, Needs};
    use crate::Principal;
    use dcos_core::node::ApiRole::{self, Admin, Monitor, Node, Operator, Reader};

    const ALL: [ApiRole; 5] = [Node, Reader, Monitor, Operator, Admin];

    fn access(anonymous: Anonymous) -> Access {
        Access { roles: ALL.iter().map(|role| (super::word(*role).to_owned(), *role)).collect(), anonymous }
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
