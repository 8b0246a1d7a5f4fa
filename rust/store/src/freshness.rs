//! How long what this node knows of its repositories lasts.
//!
//! Read from what was verified and kept in `trust/`: it needs neither network nor signatures, and may be asked inside
//! Mesos. It is what was *seen*: a node that has asked nobody for a week knows nothing newer than a week ago.

use jiff::Timestamp;
use serde_json::Value;

use crate::error::StoreError;
use crate::store::Store;
use crate::trust::{DOCUMENT, TRUST};

/// When a role of a repository's signed metadata expires, as far as this node has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The repository.
    pub repository: String,
    /// `root`, `targets`, `snapshot` or `timestamp`.
    pub role: &'static str,
    /// When it expires.
    pub expires: Timestamp,
    /// When the repository's metadata was last found good.
    pub seen_at: Option<Timestamp>,
}

impl Freshness {
    /// Seconds until it expires; negative once it has.
    pub fn seconds_left(&self, now: Timestamp) -> i64 {
        self.expires.duration_since(now).as_secs()
    }
}

impl Store {
    /// When what is known of each repository expires, the first to expire first. Empty without roots of trust, and before
    /// anything was asked for.
    ///
    /// # Errors
    /// If what is known can't be read.
    pub fn freshness(&self) -> Result<Vec<Freshness>, StoreError> {
        let Some(trust) = self.top(TRUST)? else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for entry in trust.entries()? {
            let Some(directory) = trust.open_if_any(&entry.name)? else { continue };
            let Some(bytes) = directory.read_if_any(DOCUMENT)? else { continue };
            let known: Value = serde_json::from_slice(&bytes)
                .map_err(|error| StoreError::damaged(directory.path().join(DOCUMENT), error))?;
            let instant = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
            let seen_at = instant(&known["trusted_at"]);
            let signed = |role: &str| instant(&known[role]["signed"]["expires"]);
            let roles = [
                ("root", signed("root")),
                ("targets", instant(&known["targets_expires"])),
                ("snapshot", signed("snapshot")),
                ("timestamp", signed("timestamp")),
            ];
            let known = roles.into_iter().filter_map(|(role, expires)| Some((role, expires?)));
            all.extend(known.map(|(role, expires)| Freshness {
                repository: entry.name.clone(),
                role,
                expires,
                seen_at,
            }));
        }
        all.sort_by_key(|freshness| freshness.expires);
        Ok(all)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use crate::Store;

    #[test]
    fn what_expires_first_comes_first() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), None).unwrap();
        assert_eq!(store.freshness().unwrap(), []);
        let known = r#"{"root": {"signed": {"expires": "2027-01-01T00:00:00Z"}}, "trusted_at": "2026-12-30T00:00:00Z",
            "timestamp": {"signed": {"expires": "2026-12-31T00:00:00Z"}}, "snapshot": null}"#;
        store.advance_trust("release", |_| Some(known.into())).unwrap();
        let found = store.freshness().unwrap();
        assert_eq!(found.iter().map(|found| found.role).collect::<Vec<_>>(), ["timestamp", "root"]);
        let now = "2026-12-30T23:00:00Z".parse().unwrap();
        assert_eq!(found.first().unwrap().seconds_left(now), 3600);
        assert!(found.first().unwrap().seconds_left("2027-01-01T00:00:00Z".parse().unwrap()) < 0);
        store.advance_trust("site", |_| Some("{".into())).unwrap();
        assert!(store.freshness().is_err());
    }
}
