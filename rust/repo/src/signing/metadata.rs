//! The four roles in a folder, and each change to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use dcos_core::PackageId;
use dcos_core::index::{FORMAT, Index};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tough::schema::{self, Hashes, Metafile, Role, RoleKeys, RoleType, Root, Signed, Snapshot, Targets};

use super::keys::Keys;
use super::{Expiry, Signer, SigningError, measure, roots};
use crate::error::RepoError;
use crate::{layout, publisher, target};

/// The version of TUF that is written.
const SPECIFICATION: &str = "1.0.31";

/// An operator comes with the keys of root once a year.
const ROOT_LASTS: SignedDuration = SignedDuration::from_hours(365 * 24);

/// Each publication renews it.
const TARGETS_LASTS: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A timer renews both; a week lets nobody hold back news for longer, and bears a timer that fails for some days.
const SNAPSHOT_LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many older versions of targets and snapshot stay, for readers that have just read an older timestamp.
const KEPT: u64 = 10;

/// The field of targets that lists what was revoked.
const REVOKED: &str = "revoked";

/// The longest id: a file system gives a name 255 bytes, of which a digest and a dot take 65 and `.files.json` eleven.
const MAX_ID_BYTES: usize = 179;

/// The longest root that is read: a few keys.
pub(crate) const MAX_ROOT_BYTES: u64 = 1 << 20;

/// The roles whose metadata is signed.
const ROLES: [RoleType; 4] = [RoleType::Root, RoleType::Targets, RoleType::Snapshot, RoleType::Timestamp];

/// The signed metadata of a folder.
pub(crate) struct Metadata {
    folder: PathBuf,
    root: Signed<Root>,
    targets: Targets,
    snapshot: Snapshot,
    timestamp: schema::Timestamp,
}

impl Metadata {
    /// The metadata of the repository in `folder`, if it has any, by the root that is kept with `keys`. Without keys it is
    /// good to look at, and not to be signed again.
    pub(super) fn read(folder: &Path, keys: Option<&Keys>) -> Result<Option<Self>, RepoError> {
        let directory = folder.join(layout::METADATA);
        if !is_signed(folder) {
            return Ok(None);
        }
        let pinned = keys.map(roots::pinned).transpose()?;
        let known = pinned.as_ref().map(|root| root.signed.version);
        let root = roots::newest(&directory, pinned.as_ref())?;
        let timestamp: schema::Timestamp = verified(&directory, layout::TIMESTAMP, &root)?;
        let name = format!("{}.snapshot.json", named(&timestamp.meta, "snapshot.json"));
        let snapshot: Snapshot = verified(&directory, &name, &root)?;
        let name = format!("{}.targets.json", named(&snapshot.meta, "targets.json"));
        let targets: Targets = verified(&directory, &name, &root)?;
        if let Some(keys) = keys.filter(|_| known < Some(root.signed.version)) {
            roots::pin(keys, &root)?;
        }
        Ok(Some(Self { folder: folder.to_owned(), root, targets, snapshot, timestamp }))
    }

    /// The metadata, for a change that needs it.
    pub(super) fn signed(folder: &Path, keys: Option<&Keys>) -> Result<Self, RepoError> {
        publisher::list(folder)?;
        Self::read(folder, keys)?.ok_or_else(|| SigningError::Unsigned(folder.to_owned()).into())
    }

    /// The metadata, which must be there exactly if there is a signer.
    pub(crate) fn required(folder: &Path, signer: Option<&Signer>) -> Result<Option<Self>, RepoError> {
        match (is_signed(folder), signer) {
            (true, None) => Err(SigningError::Signed(folder.to_owned()).into()),
            (false, None) => Ok(None),
            (_, Some(signer)) => Self::signed(folder, Some(&signer.keys)).map(Some),
        }
    }

    /// New keys and a root that lists them. Nothing is offered before the first [publication](Self::publish).
    pub(super) fn make(folder: &Path, signer: &mut Signer, threshold: u8) -> Result<Self, RepoError> {
        let directory = folder.join(layout::METADATA);
        fs::create_dir_all(&directory).map_err(RepoError::io("make the folder", &directory))?;
        publisher::sync_directory(folder)?;
        let mut root = Root {
            spec_version: SPECIFICATION.to_owned(),
            consistent_snapshot: true,
            version: NonZeroU64::MIN,
            expires: later(signer.now, ROOT_LASTS),
            keys: HashMap::new(),
            roles: HashMap::new(),
            _extra: HashMap::new(),
        };
        for role in ROLES {
            // One key each for what a timer signs: who has taken one of two from a machine has taken both.
            let count = if matches!(role, RoleType::Root | RoleType::Targets) { threshold } else { 1 };
            give_keys(&mut root, signer, role, NonZeroU64::from(count.try_into().unwrap_or(std::num::NonZeroU8::MIN)))?;
        }
        let root = signer.keys.sign(root.clone(), &[&root])?;
        write(&directory, "1.root.json", &root)?;
        roots::pin(&signer.keys, &root)?;
        // Version 0 can't be written, so these begin at 1 and are first written as 2.
        let (specification, first, now) = (SPECIFICATION.to_owned(), NonZeroU64::MIN, signer.now);
        let targets = Targets { delegations: None, ..Targets::new(specification.clone(), first, now) };
        let snapshot = Snapshot::new(specification.clone(), first, now);
        let timestamp = schema::Timestamp::new(specification, first, now);
        Ok(Self { folder: folder.to_owned(), root, targets, snapshot, timestamp })
    }

    /// What is offered, with the addresses that the plain index has.
    pub(crate) fn index(&self) -> Result<Index, RepoError> {
        let entries = self.targets.targets.iter().filter_map(|(name, file)| target::to_entry(name, file));
        let mut packages = entries
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| SigningError::metadata(&self.folder.join(layout::METADATA), &why))?;
        packages.sort_by(|left, right| left.id.cmp(&right.id));
        Ok(Index { format: FORMAT, packages })
    }

    /// Whether `id` may be published.
    pub(crate) fn check_new(&self, id: &PackageId) -> Result<(), SigningError> {
        check_length(id)?;
        match revoked(&self.targets).contains(id) {
            true => Err(SigningError::Revoked(id.clone())),
            false => Ok(()),
        }
    }

    /// Offers what `index` lists, to readers of either kind, with the per-file indexes that are new.
    pub(crate) fn publish(
        &mut self,
        signer: &Signer,
        index: &Index,
        files: &BTreeMap<PackageId, Vec<u8>>,
    ) -> Result<(), RepoError> {
        let wrong = |why| SigningError::metadata(&self.folder.join(layout::METADATA), &why);
        let offered: BTreeSet<&PackageId> = index.packages.iter().map(|entry| &entry.id).collect();
        // What was signed of a package's files stays so as long as the package is offered.
        let mut targets = std::mem::take(&mut self.targets.targets);
        targets.retain(|name, target| target::to_files(name, target).is_some_and(|(id, _)| offered.contains(&id)));
        for (id, bytes) in files {
            let (name, target) = target::from_files(id, bytes).map_err(wrong)?;
            targets.insert(name, target);
        }
        for entry in &index.packages {
            let (name, target) = target::from_entry(entry).map_err(wrong)?;
            targets.insert(name, target);
        }
        for (name, target) in &targets {
            publisher::link_hashed(
                &self.folder,
                name.raw(),
                &target::digest(target).map_err(str::to_owned).map_err(wrong)?,
            )?;
        }
        self.targets.targets = targets;
        let root = self.root.signed.clone();
        self.renew_targets(signer, &[&root])?;
        self.renew_rest(signer, &[&root], Some(index))
    }

    pub(super) fn refresh(&mut self, signer: &Signer) -> Result<(), RepoError> {
        let root = self.root.signed.clone();
        if signer.keys.suffice(&root, RoleType::Targets) {
            self.renew_targets(signer, &[&root])?;
        }
        self.renew_rest(signer, &[&root], None)
    }

    pub(super) fn revoke(&mut self, signer: &Signer, ids: &[PackageId]) -> Result<(), RepoError> {
        let mut index = self.index()?;
        let mut revoked = revoked(&self.targets);
        for id in ids {
            let place = index.packages.iter().position(|entry| entry.id == *id);
            index.packages.remove(place.ok_or_else(|| SigningError::NotPublished(id.clone()))?);
            revoked.insert(id.clone());
        }
        let listed: Vec<String> = revoked.iter().map(ToString::to_string).collect();
        self.targets._extra.insert(REVOKED.to_owned(), listed.into());
        let before = self.targets.targets.clone();
        self.publish(signer, &index, &BTreeMap::new())?;
        // Nobody is sent there any more; whoever is half through it stops there.
        let gone = before.iter().filter(|(name, _)| !self.targets.targets.contains_key(name));
        for (name, target) in gone {
            let sha256 = target::digest(target).map_err(|why| SigningError::metadata(&self.folder, why))?;
            publisher::remove(&self.folder, name.raw(), &sha256)?;
        }
        Ok(())
    }

    /// New keys for `role`. What they sign is first signed by old and new keys alike, and only then the root changes, so
    /// that a reader with either root believes it.
    pub(super) fn rotate(&mut self, signer: &mut Signer, role: RoleType) -> Result<u64, RepoError> {
        let old = self.root.signed.clone();
        let mut new = old.clone();
        new.version = old.version.saturating_add(1);
        new.expires = later(signer.now, ROOT_LASTS);
        let threshold = old.roles.get(&role).map_or(NonZeroU64::MIN, |listed| listed.threshold);
        // Before a key is made, so that nothing is left behind when it can't go on.
        signer.keys.sign(old.clone(), &[&old])?;
        give_keys(&mut new, signer, role, threshold)?;
        let signed = signer.keys.sign(new.clone(), &[&old, &new])?;
        match role {
            RoleType::Targets => self.renew_targets(signer, &[&old, &new])?,
            RoleType::Root | RoleType::Snapshot | RoleType::Timestamp | RoleType::DelegatedTargets => {}
        }
        if role != RoleType::Root {
            self.renew_rest(signer, &[&old, &new], None)?;
        }
        write(&self.directory(), &format!("{}.root.json", new.version), &signed)?;
        roots::pin(&signer.keys, &signed)?;
        self.root = signed;
        Ok(new.version.get())
    }

    pub(super) fn expiries(&self) -> Vec<Expiry> {
        let expiry = |role: RoleType, version: NonZeroU64, expires| Expiry {
            role: role.to_string(),
            version: version.get(),
            expires,
        };
        let mut all = vec![
            expiry(RoleType::Root, self.root.signed.version, self.root.signed.expires),
            expiry(RoleType::Targets, self.targets.version, self.targets.expires),
            expiry(RoleType::Snapshot, self.snapshot.version, self.snapshot.expires),
            expiry(RoleType::Timestamp, self.timestamp.version, self.timestamp.expires),
        ];
        all.sort_by_key(|expiry| expiry.expires);
        all
    }

    #[cfg(test)]
    pub(super) fn change_root(&mut self, change: impl FnOnce(&mut Root)) {
        change(&mut self.root.signed);
    }

    pub(super) fn root_file(&self) -> PathBuf {
        self.directory().join(format!("{}.root.json", self.root.signed.version))
    }

    fn directory(&self) -> PathBuf {
        self.folder.join(layout::METADATA)
    }

    /// A new version of targets, which nobody reads before a snapshot names it.
    fn renew_targets(&mut self, signer: &Signer, roots: &[&Root]) -> Result<(), RepoError> {
        self.targets.version = self.targets.version.saturating_add(1);
        self.targets.expires = later(signer.now, TARGETS_LASTS);
        let signed = signer.keys.sign(self.targets.clone(), roots)?;
        let file = write(&self.directory(), &format!("{}.targets.json", self.targets.version), &signed)?;
        self.snapshot.meta = HashMap::from([("targets.json".to_owned(), file)]);
        Ok(())
    }

    /// New versions of snapshot and timestamp. The latter is the moment at which all of it is offered.
    fn renew_rest(&mut self, signer: &Signer, roots: &[&Root], index: Option<&Index>) -> Result<(), RepoError> {
        let directory = self.directory();
        self.snapshot.version = self.snapshot.version.saturating_add(1);
        self.snapshot.expires = later(signer.now, SNAPSHOT_LASTS);
        self.timestamp.version = self.timestamp.version.saturating_add(1);
        self.timestamp.expires = later(signer.now, SNAPSHOT_LASTS);
        let snapshot = signer.keys.sign(self.snapshot.clone(), roots)?;
        let file = write(&directory, &format!("{}.snapshot.json", self.snapshot.version), &snapshot)?;
        self.timestamp.meta = HashMap::from([("snapshot.json".to_owned(), file)]);
        let timestamp = signer.keys.sign(self.timestamp.clone(), roots)?;
        if let Some(index) = index {
            publisher::write_index(&self.folder, index)?;
        }
        write(&directory, layout::TIMESTAMP, &timestamp)?;
        sweep(&directory)
    }
}

/// Whether the repository in `folder` has signed metadata.
pub(super) fn is_signed(folder: &Path) -> bool {
    folder.join(layout::METADATA).join(layout::TIMESTAMP).exists()
}

/// Removes versions that no reader is still at.
pub(crate) fn sweep(directory: &Path) -> Result<(), RepoError> {
    for role in ["targets", "snapshot"] {
        let versions = versions(directory, &format!(".{role}.json"))?;
        let newest = versions.iter().map(|(version, _)| *version).max().unwrap_or(0);
        for (version, path) in versions {
            if version.saturating_add(KEPT) < newest {
                fs::remove_file(&path).map_err(RepoError::io("remove", path))?;
            }
        }
    }
    Ok(())
}

/// Whether the names of the package's files have room for a digest.
pub(super) fn check_length(id: &PackageId) -> Result<(), SigningError> {
    match id.to_string().len() > MAX_ID_BYTES {
        true => Err(SigningError::LongId(id.clone())),
        false => Ok(()),
    }
}

/// What is revoked: a field of targets itself, since the packages' own targets are gone.
pub(crate) fn revoked(targets: &Targets) -> BTreeSet<PackageId> {
    let listed = targets._extra.get(REVOKED).and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(|id| id.as_str()?.parse().ok()).collect()
}

/// Replaces the keys of `role` by as many new ones as must sign together.
fn give_keys(root: &mut Root, signer: &mut Signer, role: RoleType, threshold: NonZeroU64) -> Result<(), SigningError> {
    let mut keyids = Vec::new();
    for _ in 0..threshold.get() {
        let (id, key) = signer.keys.make(role)?;
        root.keys.insert(id.clone(), key);
        keyids.push(id);
    }
    root.roles.insert(role, RoleKeys { keyids, threshold, _extra: HashMap::new() });
    // A key that no role lists says nothing.
    root.keys.retain(|id, _| root.roles.values().any(|listed| listed.keyids.contains(id)));
    Ok(())
}

fn later(now: Timestamp, lasts: SignedDuration) -> Timestamp {
    // Whole seconds: some readers of the format take nothing else.
    Timestamp::from_second(now.as_second().saturating_add(lasts.as_secs())).unwrap_or(Timestamp::MAX)
}

fn named(meta: &HashMap<String, Metafile>, name: &str) -> u64 {
    meta.get(name).map_or(0, |file| file.version.get())
}

fn write<T: Role>(directory: &Path, name: &str, signed: &Signed<T>) -> Result<Metafile, RepoError>
where
    Signed<T>: Serialize,
{
    let path = directory.join(name);
    // By way of a value, whose fields have an order.
    let text = serde_json::to_value(signed).and_then(|value| serde_json::to_vec_pretty(&value));
    let mut text = text.map_err(|error| SigningError::metadata(&path, &error))?;
    publisher::replace(directory, &path, text.clone())?;
    text.push(b'\n');
    let (sha256, length) = measure(&text);
    let digest = serde_json::from_value(Value::String(sha256.to_string()));
    let sha256 = digest.map_err(|error| SigningError::metadata(&path, &error))?;
    let hashes = Some(Hashes { sha256, _extra: HashMap::new() });
    Ok(Metafile { length: Some(length), hashes, version: signed.signed.version(), _extra: HashMap::new() })
}

pub(super) fn read<T: DeserializeOwned>(directory: &Path, name: &str) -> Result<T, RepoError> {
    let path = directory.join(name);
    let bytes = fs::read(&path).map_err(RepoError::io("read", &path))?;
    Ok(serde_json::from_slice(&bytes).map_err(|error| SigningError::metadata(&path, &error))?)
}

/// Reads a role that the root's keys have signed: the folder is the web server's, and what it says is signed next.
fn verified<T: Role + DeserializeOwned>(directory: &Path, name: &str, root: &Signed<Root>) -> Result<T, RepoError> {
    let signed: Signed<T> = read(directory, name)?;
    let failed = |error| SigningError::metadata(&directory.join(name), &error);
    root.signed.verify_role(&signed).map_err(failed)?;
    Ok(signed.signed)
}

/// The files whose names are a version and `ending`.
pub(super) fn versions(directory: &Path, ending: &str) -> Result<Vec<(u64, PathBuf)>, RepoError> {
    let mut versions = Vec::new();
    for file in fs::read_dir(directory).map_err(RepoError::io("read the folder", directory))? {
        let path = file.map_err(RepoError::io("read the folder", directory))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(version) = name.strip_suffix(ending).and_then(|version| version.parse().ok()) {
            versions.push((version, path));
        }
    }
    Ok(versions)
}
