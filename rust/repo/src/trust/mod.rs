//! An index by signed metadata: TUF, as a node follows it.
//!
//! A repository with a `root_json` in `node.toml` is believed because of its signatures, wherever its bytes come from.
//! What was learned is kept in the store's `trust/<repository>/`: the newest root, the timestamp and snapshot seen last,
//! and when that was. The checks are tough's; around them is what tough leaves to its users:
//!
//! - It writes its files in place. So it is given a scratch folder, and what it accepted goes into the store as one
//!   document, replaced whole, and never by one who knows less.
//! - Started from the root given at bootstrap, it would forget after each change of keys what it saw before, since it
//!   compares the keys of the root that it starts from. So it starts from the newest root known.
//! - It takes any failure to get the next root for the end of the chain: see [`transport`].
//! - It refuses a clock that went back by a millisecond. So the clock is judged here, with an hour's grace.
//!
//! What was accepted stays known even if a later step fails: a new root counts although its timestamp has expired.

mod refusal;
mod transport;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use dcos_core::Sha256;
use dcos_core::index::{FORMAT as INDEX_FORMAT, Index};
use dcos_store::Store;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tough::schema::{RoleType, Target, Targets};
use tough::{RepositoryLoader, TargetName};

pub use refusal::Refusal;
use refusal::classify;
use transport::{Transport, limits};

use crate::client::Catalogue;
use crate::download::Source;
use crate::error::RepoError;
use crate::{layout, signing, target};

/// The document's format.
const FORMAT: u32 = 1;

/// A clock before this is plainly wrong: this code is younger.
const EARLIEST: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// How far a clock may go back without a word, and how often the last trusted time is written when nothing else is new.
const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// Whom a node believes about one repository.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    repository: String,
    root_json: PathBuf,
    store: Store,
}

/// What was learned so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    format: u32,
    /// The digest of the `root_json` that it began with: another one there is a new beginning.
    bootstrap: Sha256,
    root: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot: Option<Value>,
    /// When metadata was last found good, by this machine's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trusted_at: Option<Timestamp>,
    /// When targets expires, which is not kept itself; for whoever watches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    targets_expires: Option<Timestamp>,
}

/// What was loaded of a repository.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) catalogue: Catalogue,
    /// The version of the newest root.
    pub(crate) root: u64,
    /// Every file that it has signed.
    pub(crate) files: Vec<TargetFile>,
    /// Its documents as they came, by name below `metadata/`, if they were to be recorded.
    pub(crate) documents: BTreeMap<String, Vec<u8>>,
}

/// A signed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetFile {
    /// Its path below the repository.
    pub(crate) path: String,
    pub(crate) sha256: Sha256,
    pub(crate) length: u64,
}

impl Known {
    /// Who knows more has a higher rank. The root counts first: after a theft of keys a new one may start over.
    fn rank(&self) -> [u64; 3] {
        let version = |document: &Value| document["signed"]["version"].as_u64().unwrap_or(0);
        let optional = |document: &Option<Value>| document.as_ref().map_or(0, version);
        [version(&self.root), optional(&self.timestamp), optional(&self.snapshot)]
    }

    /// What to keep of `self`, just learned, and of what is in the store by now; `None` if that is good as it is.
    fn over(mut self, present: Option<&Self>) -> Option<Self> {
        let Some(present) = present else { return Some(self) };
        if present.bootstrap != self.bootstrap {
            // A new beginning, but not for this machine's clock.
            self.trusted_at = self.trusted_at.max(present.trusted_at);
            return Some(self);
        }
        if present.rank() > self.rank() {
            return None;
        }
        self.trusted_at = self.trusted_at.max(present.trusted_at);
        self.targets_expires = self.targets_expires.or(present.targets_expires);
        let passed = match (self.trusted_at, present.trusted_at) {
            (Some(new), Some(old)) => new.duration_since(old) >= GRACE,
            (new, old) => new != old,
        };
        (passed || self.rank() != present.rank()).then_some(self)
    }
}

impl Trust {
    pub(crate) fn new(repository: &str, root_json: &Path, store: &Store) -> Self {
        Self { repository: repository.to_owned(), root_json: root_json.to_owned(), store: store.clone() }
    }

    /// What the repository that `source` leads to says by its signed metadata; `recording` keeps its documents as they
    /// came.
    pub(crate) async fn load(&self, source: &Source, recording: bool) -> Result<Loaded, RepoError> {
        let given = std::fs::read(&self.root_json).map_err(|error| {
            self.refuse(Refusal::Root, format!("could not read `{}`: {error}", self.root_json.display()))
        })?;
        let bootstrap = Sha256::of(&given);
        let known = self.read()?;
        let now = Timestamp::now();
        self.check_clock(now, known.as_ref())?;

        let scratch = tempfile::tempdir().map_err(RepoError::io("make a folder in", std::env::temp_dir()))?;
        let root = self.seed(scratch.path(), known.as_ref(), bootstrap, given)?;
        let transport = Transport::new(source.clone(), recording);
        let metadata =
            source.url.join(&format!("{}/", layout::METADATA)).map_err(|error| self.bad_url(source, error))?;
        let loader = RepositoryLoader::new(&root, metadata, source.url.clone())
            .transport(transport.clone())
            .limits(limits())
            .datastore(scratch.path());
        let loaded = Box::pin(loader.load()).await;
        let good = loaded.as_ref().ok().map(|repository| (now, repository.targets().signed.expires));
        self.learn(scratch.path(), bootstrap, good)?;
        let repository = loaded.map_err(|error| self.explain(&error, &transport, scratch.path(), now))?;
        let targets = &repository.targets().signed;
        let catalogue = self.catalogue(targets)?;
        self.store.record_revoked(&self.repository, &catalogue.revoked)?;
        let files = targets.targets.iter().map(|(name, target)| {
            let sha256 = target::digest(target);
            let sha256 = sha256.map_err(|why| self.refuse(Refusal::Malformed, format!("`{}` {why}", name.raw())))?;
            Ok(TargetFile { path: name.raw().to_owned(), sha256, length: target.length })
        });
        let files = files.collect::<Result<_, RepoError>>()?;
        let root = repository.root().signed.version.get();
        Ok(Loaded { catalogue, root, files, documents: transport.recorded() })
    }

    fn catalogue(&self, targets: &Targets) -> Result<Catalogue, RepoError> {
        let files = targets.targets.iter().filter_map(|(name, target)| target::to_files(name, target)).collect();
        Ok(Catalogue { index: self.index_of(&targets.targets)?, revoked: signing::revoked(targets), files })
    }

    /// Puts what is known where tough looks for it; answers the root to start from.
    #[expect(clippy::disallowed_methods, reason = "the scratch folder is gone after the load; nothing in it lasts")]
    fn seed(
        &self,
        scratch: &Path,
        known: Option<&Known>,
        bootstrap: Sha256,
        given: Vec<u8>,
    ) -> Result<Vec<u8>, RepoError> {
        // What another root's keys have signed says nothing here, and would pass for what was learned by this one.
        let Some(known) = known.filter(|known| known.bootstrap == bootstrap) else { return Ok(given) };
        let documents = [("timestamp.json", &known.timestamp), ("snapshot.json", &known.snapshot)];
        for (name, document) in documents {
            if let Some(document) = document {
                let place = scratch.join(name);
                std::fs::write(&place, document.to_string()).map_err(RepoError::io("write", place))?;
            }
        }
        Ok(known.root.to_string().into_bytes())
    }

    /// Keeps what tough accepted, however far it came.
    fn learn(&self, scratch: &Path, bootstrap: Sha256, good: Option<(Timestamp, Timestamp)>) -> Result<(), RepoError> {
        let read = |name: &str| -> Option<Value> {
            let bytes = std::fs::read(scratch.join(name)).ok()?;
            serde_json::from_slice(&bytes).ok()
        };
        // Without a root it accepted nothing.
        let Some(root) = read("root.json") else { return Ok(()) };
        let (timestamp, snapshot) = (read("timestamp.json"), read("snapshot.json"));
        let (trusted_at, targets_expires) = good.unzip();
        let learned = Known { format: FORMAT, bootstrap, root, timestamp, snapshot, trusted_at, targets_expires };
        self.store.advance_trust(&self.repository, |present| {
            let present = present.and_then(|bytes| serde_json::from_slice(bytes).ok());
            serde_json::to_vec(&learned.over(present.as_ref())?).ok()
        })?;
        Ok(())
    }

    fn read(&self) -> Result<Option<Known>, RepoError> {
        let Some(bytes) = self.store.read_trust(&self.repository)? else { return Ok(None) };
        let known: Known = serde_json::from_slice(&bytes).map_err(|error| {
            self.refuse(Refusal::Root, format!("what is kept of it below `trust/` can't be used ({error})"))
        })?;
        match known.format {
            FORMAT => Ok(Some(known)),
            other => {
                let why = format!("what is kept of it below `trust/` has format {other}, and {FORMAT} is known");
                Err(self.refuse(Refusal::Root, why))
            }
        }
    }

    /// With a clock that is behind, what has expired would look fresh.
    fn check_clock(&self, now: Timestamp, known: Option<&Known>) -> Result<(), RepoError> {
        let trusted_at = known.and_then(|known| known.trusted_at).unwrap_or(EARLIEST).max(EARLIEST);
        match trusted_at.duration_since(now) > GRACE {
            true => Err(self.refuse(
                Refusal::Clock,
                format!("the clock of this machine says {now:.0}, and it was {trusted_at:.0} already"),
            )),
            false => Ok(()),
        }
    }

    fn index_of<'a>(
        &self,
        targets: impl IntoIterator<Item = (&'a TargetName, &'a Target)>,
    ) -> Result<Index, RepoError> {
        let packages = targets.into_iter().filter_map(|(name, target)| {
            let entry = target::to_entry(name, target)?;
            Some(entry.map_err(|why| self.refuse(Refusal::Malformed, why)))
        });
        let mut packages = packages.collect::<Result<Vec<_>, _>>()?;
        for entry in &mut packages {
            entry.url = layout::hashed(&entry.url, &entry.sha256);
        }
        packages.sort_by(|left, right| left.id.cmp(&right.id));
        Ok(Index { format: INDEX_FORMAT, packages })
    }

    /// The error that a failed load is told by.
    fn explain(&self, error: &tough::error::Error, transport: &Transport, scratch: &Path, now: Timestamp) -> RepoError {
        match transport.take_failure() {
            Some(RepoError::TooLong { url, limit }) => {
                return self.refuse(Refusal::Endless, format!("`{url}` is longer than {limit} bytes"));
            }
            Some(failure) => return failure,
            None => {}
        }
        let (refusal, mut why) = classify(error);
        if let tough::error::Error::ExpiredMetadata { role, .. } = error {
            let text = match role {
                RoleType::Root => std::fs::read(scratch.join("root.json")).unwrap_or_default(),
                _ => transport.last_body(),
            };
            // Its signatures were checked before its date.
            let document: Value = serde_json::from_slice(&text).unwrap_or_default();
            let expires = document["signed"]["expires"].as_str().and_then(|text| Timestamp::from_str(text).ok());
            if let Some(expires) = expires {
                why = format!("its `{role}` has expired at {expires:.0} (this machine's clock says {now:.0})");
            }
        }
        self.refuse(refusal, why)
    }

    fn refuse(&self, refusal: Refusal, why: String) -> RepoError {
        RepoError::Untrusted { repository: self.repository.clone(), refusal, why }
    }

    fn bad_url(&self, source: &Source, error: impl std::fmt::Display) -> RepoError {
        let what = format!("the {} repository", self.repository);
        RepoError::Url { url: source.url.to_string(), what, why: error.to_string() }
    }
}

#[cfg(test)]
mod attacks;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{FORMAT, Known};
    use dcos_core::Sha256;
    use serde_json::json;

    fn known(root: u64, timestamp: u64, trusted_at: &str) -> Known {
        Known {
            format: FORMAT,
            bootstrap: Sha256::of(b"root"),
            root: json!({"signed": {"version": root}}),
            timestamp: Some(json!({"signed": {"version": timestamp}})),
            snapshot: None,
            trusted_at: Some(trusted_at.parse().unwrap()),
            targets_expires: None,
        }
    }

    #[test]
    fn who_knows_less_changes_nothing() {
        let (early, late) = ("2026-11-22T10:00:00Z", "2026-11-22T12:00:00Z");
        let present = known(2, 5, early);
        for (learned, taken) in [
            (known(2, 4, late), false),
            (known(1, 9, late), false),
            (known(2, 5, early), false),
            (known(2, 5, late), true),
            (known(2, 6, early), true),
            (known(3, 1, early), true),
        ] {
            assert_eq!(learned.clone().over(Some(&present)).is_some(), taken, "{learned:?}");
        }
        let mut other = known(1, 1, early);
        other.bootstrap = Sha256::of(b"another root");
        assert_eq!(other.clone().over(Some(&present)), Some(other));
    }

    #[test]
    fn the_last_trusted_time_does_not_go_back() {
        let (early, late) = ("2026-11-22T10:00:00Z", "2026-11-22T12:00:00Z");
        let merged = known(2, 6, early).over(Some(&known(2, 5, late))).unwrap();
        assert_eq!(merged.trusted_at, known(1, 1, late).trusted_at);
    }
}
