//! What validation needs to know of a set, gathered from the store.

use std::collections::BTreeMap;
use std::path::Path;

use dcos_core::formats::{self, Formats};
use dcos_core::node::RepositoryFacts;
use dcos_core::role::{Kind, Role};
use dcos_core::validate::{AgentFacts, LeftBy, LibraryFacts, LocalFacts, PackageFacts, SELF, SetFacts};
use dcos_core::{PackageId, PackageSet, Problem};

use super::links::is_linked;
use super::probe::{PROBE, Prober};
use crate::error::StoreError;
use crate::manifest::{Content, Manifest};
use crate::packages::read_pkginfo;
use crate::store::{PACKAGES, Store};
use crate::verify::{Depth, differences};

/// What an agent starts from, below its work directory: a link to what the one before it has said of itself.
const CHECKPOINT: &str = "meta/slaves/latest";

/// Mesos's library within its package.
const MESOS_LIBRARY: &str = "lib/libmesos.so";

/// Looks at every package of a set, and asks its module libraries what they are.
///
/// Files are compared with their manifests by type, mode and size; their digests were checked when they came, and
/// `verify` does it again. A set is judged within milliseconds that way, whatever is in it.
pub(crate) fn gather(store: &Store, set: &PackageSet) -> Result<SetFacts, StoreError> {
    let mut found = Vec::new();
    for id in set.iter() {
        found.push((id.clone(), look(store, id)?));
    }
    probe(store, &mut found);
    let revocations = store.revocations()?;
    let packages = found.into_iter().map(|(id, local)| {
        let from_site = local.as_ref().is_some_and(|(_, manifest)| is_from_site(store, &manifest.origin));
        let local = local.map(|(local, _)| local);
        // Of what is not here nobody knows the kind; the word of the release repository counts for all of them.
        let kind = local.as_ref().map_or(Kind::Mesos, |local| local.pkginfo.kind);
        let revoked = revocations.of(&id, kind, from_site).map(str::to_owned);
        PackageFacts { id, local, revoked }
    });
    Ok(SetFacts { packages: packages.collect() })
}

/// Whether a package came from the site's repository, as it is configured now. Where one repository lies below the other,
/// the longer address tells.
fn is_from_site(store: &Store, origin: &str) -> bool {
    let Some(node) = store.node() else { return false };
    let below = |repository: &Option<RepositoryFacts>| {
        let base = repository.as_ref()?.url.trim_end_matches('/');
        origin.strip_prefix(base)?.starts_with('/').then_some(base.len())
    };
    below(&node.config.repositories.site) > below(&node.config.repositories.release)
}

type Found = (PackageId, Option<(LocalFacts, Manifest)>);

fn look(store: &Store, id: &PackageId) -> Result<Option<(LocalFacts, Manifest)>, StoreError> {
    let (tree, manifest) = match store.package(id) {
        Ok(found) => found,
        Err(StoreError::NotLocal(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let pkginfo = read_pkginfo(&tree, &id.to_string())?;
    let damage = differences(&tree, &manifest, Depth::Shape)?.iter().map(ToString::to_string).collect();
    let config = (pkginfo.kind == Kind::MesosConfig).then(|| store.config(id)).and_then(|config| match config {
        Ok(config) => config.map(Ok),
        Err(error) => Some(Err(Problem::chain(&error))),
    });
    let formats = match id.name().as_str() == SELF {
        true => {
            store.read_package_file(id, formats::FILE_NAME)?.map(|text| Formats::parse(&String::from_utf8_lossy(&text)))
        }
        false => None,
    };
    let linked = manifest.entries.iter().filter(|(path, _)| is_linked(path));
    let linked = linked.map(|(path, content)| (path.clone(), *content == Content::Directory)).collect();
    Ok(Some((LocalFacts { pkginfo, damage, linked, config, libraries: BTreeMap::new(), formats }, manifest)))
}

/// What an agent that is started now finds; `None` on a master, and where no agent has left anything.
///
/// The checkpoint is the active generation's: a set becomes active only to be started. The facts that the host had then
/// are in the environment that was rendered from them.
pub(crate) fn agent(store: &Store) -> Result<Option<AgentFacts>, StoreError> {
    let Some(node) = store.node().filter(|node| node.config.role == Role::Agent) else { return Ok(None) };
    let host = node.config.mesos.clone();
    if std::fs::symlink_metadata(host.work_dir.join(CHECKPOINT)).is_err() {
        return Ok(None);
    }
    let Some(active) = store.active_number()? else { return Ok(None) };
    let environment: BTreeMap<String, String> = store.launch(active)?.environment.into_iter().collect();
    // The checkpoint in another work directory is somebody else's, or older than the active generation.
    let same_place = environment.get("MESOS_WORK_DIR").is_some_and(|left| Path::new(left) == host.work_dir);
    let left_by = LeftBy { generation: active, environment };
    Ok(same_place.then_some(AgentFacts { left_by, host }))
}

/// Fills in what is known of module libraries; nothing if the set has no program to find out, or not one Mesos.
fn probe(store: &Store, found: &mut [Found]) {
    let local = || found.iter().filter_map(|(id, local)| Some((id, local.as_ref()?)));
    let path = |id: &PackageId, file: &str| store.root().join(PACKAGES).join(id.to_string()).join(file);
    let mesos = local().find_map(|(id, (facts, manifest))| {
        let digest = (facts.pkginfo.kind == Kind::Mesos).then(|| manifest.digest(MESOS_LIBRARY)).flatten()?;
        Some((path(id, MESOS_LIBRARY), digest))
    });
    let program = local().find_map(|(id, (_, manifest))| {
        (id.name().as_str() == SELF && manifest.provides_file(PROBE)).then(|| path(id, PROBE))
    });
    let (Some((mesos, mesos_sha256)), Some(program)) = (mesos, program) else { return };
    let prober = Prober { store, program, mesos, mesos_sha256 };
    for (id, local) in found.iter_mut() {
        let Some((facts, manifest)) = local else { continue };
        let mut symbols: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for module in &facts.pkginfo.modules {
            symbols.entry(&module.library).or_default().push(&module.name);
        }
        for (library, symbols) in symbols {
            let Some(digest) = manifest.digest(library) else { continue };
            let answer: LibraryFacts = prober.ask(&path(id, library), digest, &symbols);
            facts.libraries.insert(library.to_owned(), answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use dcos_core::formats::Formats;

    #[test]
    fn what_is_written_here_is_what_this_release_says_to_read() {
        let own = Formats::own();
        let written = [("generation", super::super::document::FORMAT), ("manifest", crate::manifest::FORMAT)];
        for (document, format) in written.into_iter().chain([("history", super::super::history::FORMAT)]) {
            assert_eq!(own.reads.get(document).map(|range| range.newest), Some(format), "{document}");
        }
    }
}
