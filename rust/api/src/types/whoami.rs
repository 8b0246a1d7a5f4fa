//! Who calls, and who decides.

use dcos_core::node::ApiRole;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /deploy/whoami`: the caller, as the master that was asked sees him, and the master that decides. Each master
/// answers for itself and sends nobody elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhoAmI {
    /// The principal; absent where the caller has no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The highest role that the caller has.
    pub role: ApiRole,
    /// Whether this master leads.
    pub leads: bool,
    /// The origin of the master that leads, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Why no master is known to lead, if none is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}
