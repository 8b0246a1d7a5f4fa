//! Why signed metadata is not believed.

use std::error::Error as _;

use dcos_core::Problem;
use tough::error::Error;
use tough::schema;

/// The kinds of refusal, each with a name that programs can rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was true once: somebody holds back what is newer, or nobody refreshed it.
    Expired,
    /// This machine's clock is before an instant that is known to have passed.
    Clock,
    /// It is older than what was seen before.
    Rollback,
    /// No signature of it is by a key that it needs.
    Signature,
    /// Some signatures are right, and fewer than are needed.
    Threshold,
    /// Its files do not belong together.
    Mix,
    /// It is longer than it may be.
    Endless,
    /// It is not what metadata looks like.
    Malformed,
    /// The root of trust that this node was given can't be used.
    Root,
}

impl Refusal {
    /// The name of the problem.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "metadata-expired",
            Self::Clock => "clock-wrong",
            Self::Rollback => "metadata-rollback",
            Self::Signature => "metadata-signature",
            Self::Threshold => "metadata-threshold",
            Self::Mix => "metadata-mixed",
            Self::Endless => "metadata-endless",
            Self::Malformed => "bad-metadata",
            Self::Root => "bad-root",
        }
    }

    /// What whoever reads it can do.
    pub(crate) const fn hint(self) -> Option<&'static str> {
        match self {
            Self::Expired => Some("if this clock is right, whoever publishes has to run `dcos repo refresh`"),
            Self::Clock => Some(
                "set the clock; if it is right now and was ahead before, remove the repository's folder below `trust/`",
            ),
            Self::Rollback | Self::Mix => {
                Some("a cache or mirror that lags behind looks the same: if it lasts, somebody tampers")
            }
            Self::Root => Some("`root_json` is the newest `metadata/N.root.json` of the repository, from its operator"),
            Self::Signature | Self::Threshold => Some(
                "whoever publishes has lost keys, or somebody else publishes: ask them before you change `root_json`",
            ),
            Self::Endless | Self::Malformed => {
                Some("is `url` of the repository right? if it is, ask who publishes there")
            }
        }
    }
}

/// What kind of refusal an error of tough is, and its sentence; expiry gets its own where the dates are known.
pub(super) fn classify(error: &Error) -> (Refusal, String) {
    match error {
        Error::ExpiredMetadata { role, .. } => (Refusal::Expired, format!("its `{role}` has expired")),
        // So it calls a root that is not the next one, too.
        Error::OlderMetadata { role, current_version, new_version, .. } if new_version > current_version => (
            Refusal::Mix,
            format!("its `{role}` has version {new_version} where the one after {current_version} was expected"),
        ),
        Error::OlderMetadata { role, current_version, new_version, .. } => {
            let why = format!("its `{role}` has version {new_version}, and version {current_version} was seen before");
            (Refusal::Rollback, why)
        }
        Error::OlderSnapshotInTimestamp { snapshot_new, snapshot_old, .. } => {
            let why = format!("its `timestamp` names `snapshot` {snapshot_new}, and {snapshot_old} was named before");
            (Refusal::Rollback, why)
        }
        Error::SnapshotRoleRollback { role, old_role_version, new_role_version, .. } => {
            let why =
                format!("its `snapshot` names `{role}` {new_role_version}, and {old_role_version} was named before");
            (Refusal::Rollback, why)
        }
        Error::SnapshotRoleMissing { role, .. } => {
            (Refusal::Rollback, format!("its `snapshot` does not name `{role}` any more"))
        }
        Error::VersionMismatch { role, fetched, expected, .. } => {
            (Refusal::Mix, format!("its `{role}` has version {fetched}, and version {expected} was announced"))
        }
        Error::VerifyMetadata { role, source, .. } => signatures(&role.to_string(), source),
        Error::MaxSizeExceeded { .. } | Error::MaxUpdatesExceeded { .. } => (Refusal::Endless, error.to_string()),
        Error::ParseTrustedMetadata { .. } | Error::VerifyTrustedMetadata { .. } => (Refusal::Root, error.to_string()),
        Error::ParseMetadata { role, source, .. } => {
            (Refusal::Malformed, format!("its `{role}` is not one ({source})"))
        }
        Error::Transport { source, .. } => carried(source),
        other => (Refusal::Malformed, other.to_string()),
    }
}

fn signatures(role: &str, error: &schema::Error) -> (Refusal, String) {
    match error {
        schema::Error::SignatureThreshold { threshold, valid: 0, .. } => {
            let why = format!("its `{role}` needs {threshold} signatures of known keys and has none");
            (Refusal::Signature, why)
        }
        schema::Error::SignatureThreshold { threshold, valid, .. } => {
            (Refusal::Threshold, format!("its `{role}` needs {threshold} signatures of known keys and has {valid}"))
        }
        other => (Refusal::Signature, format!("the signatures of its `{role}` can't be used ({other})")),
    }
}

/// What went wrong while bytes were coming: tough puts its own verdict on them below the transport's error.
fn carried(error: &tough::TransportError) -> (Refusal, String) {
    match error.source().and_then(|source| source.downcast_ref::<Error>()) {
        Some(Error::HashMismatch { .. }) => {
            (Refusal::Mix, format!("`{}` is not the file that was announced", error.url()))
        }
        Some(inner @ Error::MaxSizeExceeded { .. }) => (Refusal::Endless, format!("`{}`: {inner}", error.url())),
        _ => (Refusal::Malformed, Problem::chain(error)),
    }
}
