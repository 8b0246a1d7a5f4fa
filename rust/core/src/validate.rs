//! Whether a set can work on a node: every reason why not, each with a code, a sentence and a hint.
//!
//! [`validate`] is a pure function of [`SetFacts`], which whoever keeps the packages gathers, and [`NodeFacts`]. It does
//! not stop at the first problem, and a rule that can't be judged because of another problem keeps silent: an operator
//! reads what is wrong, not what follows from it. Codes are stable.
//!
//! - [`facts`]: what is known of a set and of its node
//! - `packages`: rules about packages among each other
//! - `config`: rules about the configuration and the environment
//! - `modules`: rules about what Mesos is to load
//! - `checkpoint`: whether an agent accepts what the one before it left, forwards and back
//!
//! Whoever wipes the agent's work directory before the start (`clean`) drops [`CHECKPOINT_REFUSED`] from the report:
//! [`Report::with_clean_work_dir`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::PackageId;

mod checkpoint;
#[cfg(test)]
mod checkpoint_tests;
mod config;
pub mod facts;
mod modules;
mod packages;
#[cfg(test)]
mod tests;

pub use checkpoint::{CHECKPOINT_REFUSED, NO_WAY_BACK};
pub use config::HOST_VARIABLES;
pub use facts::{AgentFacts, LeftBy, LibraryFacts, LocalFacts, NodeFacts, PackageFacts, SetFacts};

/// The package that brings dcos-bits itself.
pub const SELF: &str = "dcos-bits";

/// One thing that is wrong with a set, or worth knowing about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Whether the set may be activated: true if there are no problems.
    pub valid: bool,
    /// What forbids the set, all of it.
    pub problems: Vec<Finding>,
    /// What does not forbid it but should be known, such as a package that stands by unused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Finding>,
}

/// Judges a set by every rule.
pub fn validate(set: &SetFacts, node: &NodeFacts) -> Report {
    let mut findings = Findings::default();
    if set.packages.is_empty() {
        // Every other rule would only say the same in other words.
        findings.problem("empty-set", [], "the set is empty", Some("name the packages of the whole set"));
    } else {
        packages::check(set, node, &mut findings);
        config::check(set, node, &mut findings);
        modules::check(set, &mut findings);
        checkpoint::check(set, node, &mut findings);
    }
    Report { valid: findings.problems.is_empty(), problems: findings.problems, notes: findings.notes }
}

impl Report {
    /// The same report for an agent that will find no checkpoint, since its work directory is wiped before.
    #[must_use]
    pub fn with_clean_work_dir(mut self) -> Self {
        self.problems.retain(|problem| problem.code != CHECKPOINT_REFUSED);
        self.notes.retain(|note| note.code != NO_WAY_BACK);
        self.valid = self.problems.is_empty();
        self
    }
}

/// What the rules found so far.
#[derive(Default)]
struct Findings {
    problems: Vec<Finding>,
    notes: Vec<Finding>,
}

impl Findings {
    fn problem<'a>(
        &mut self,
        code: &str,
        packages: impl IntoIterator<Item = &'a PackageId>,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        self.problems.push(finding(code, packages, message.into(), hint));
    }

    fn note<'a>(
        &mut self,
        code: &str,
        packages: impl IntoIterator<Item = &'a PackageId>,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        self.notes.push(finding(code, packages, message.into(), hint));
    }
}

fn finding<'a>(
    code: &str,
    packages: impl IntoIterator<Item = &'a PackageId>,
    message: String,
    hint: Option<&str>,
) -> Finding {
    Finding {
        code: code.to_owned(),
        packages: packages.into_iter().cloned().collect(),
        message,
        hint: hint.map(str::to_owned),
    }
}
