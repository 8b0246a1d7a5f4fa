//! Whether a part works.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answer of `GET /<part>/health` where the part works; where it does not, the answer is a problem with status 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// The part: `pkg`, `restart`, `deploy` or `provision`.
    pub part: String,
    /// The release of dcos-bits that answers.
    pub version: String,
}
