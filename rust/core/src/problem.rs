//! A refusal or failure as others see it: RFC 9457's problem document, used by every endpoint and by `--json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::ExitCode;

/// The media type of a [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A problem document (RFC 9457) with hints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A stable name that programs may branch on, such as `urn:dcos-bits:not-local`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words, the same for every occurrence.
    pub title: String,
    /// The HTTP status, also when the document is printed by a command.
    pub status: u16,
    /// What was attempted on what, and why it failed, causes included.
    pub detail: String,
    /// What the reader may do next, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// Every single finding, where there can be several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<crate::validate::Finding>,
}

impl Problem {
    /// A problem of the given stable `name` (kebab-case), with its title made from the name.
    pub fn new(code: ExitCode, name: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:dcos-bits:{name}"),
            title: name.replace('-', " "),
            status: code.http_status(),
            detail: detail.into(),
            hints: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// The same problem with one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The last part of [`Problem::kind`].
    pub fn name(&self) -> &str {
        self.kind.rsplit(':').next().unwrap_or(&self.kind)
    }

    /// The exit code of a command that ends with this problem.
    pub const fn exit_code(&self) -> ExitCode {
        ExitCode::from_http_status(self.status)
    }

    /// `error` and all its causes in one line, outermost first.
    pub fn chain(error: &dyn std::error::Error) -> String {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}
