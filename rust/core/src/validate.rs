//! Whether a set can work on a node: every reason why not, each with a code, a sentence and a hint.

use serde::{Deserialize, Serialize};

use crate::id::PackageId;

/// One thing that is wrong with a set, or worth knowing about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable name of the rule, kebab-case, such as `no-mesos` or `module-mesos-version`.
    pub code: String,
    /// The packages concerned.
    #[serde(default)]
    pub packages: Vec<PackageId>,
    /// What is wrong, for an operator.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What validation found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether the set may be activated: true if there are no problems.
    pub valid: bool,
    /// What forbids the set, all of it.
    pub problems: Vec<Finding>,
    /// What does not forbid it but should be known, such as a package that stands by unused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Finding>,
}
