//! The node file and what it names: the only files that are written outside of the root.
//!
//! Each is written whole or not at all, and the node file last: where it is, all that it names is there. A file that says
//! the same already is left alone; one that says something else is somebody's, and is not touched.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use dcos_core::node::NodeConfig;
use dcos_core::resolve::MESOS_CONFIG;
use dcos_core::{ExitCode, PackageSet, Problem, Role};
use dcos_store::Store;

use super::facts::{Facts, MESOS_CREDENTIALS, ca_name, root_name};
use crate::helper::place::Place;

/// Writes the node file of `facts`, and the files beside it.
pub(in crate::helper) fn write(node_file: &Path, facts: &Facts) -> Result<(), Problem> {
    let beside = |name: &str| absolute(node_file).with_file_name(name);
    let text = facts.node_toml(|name| beside(name).display().to_string());
    NodeConfig::parse(&text).map_err(|error| {
        let detail = format!("what was said does not make a node file: {}", Problem::chain(&error));
        Problem::new(ExitCode::Usage, "bad-node-file", detail)
    })?;
    // Whether the file may be written is known first: nothing is left behind by a refusal.
    if node_file.exists() && std::fs::read_to_string(node_file).ok().as_deref() != Some(text.as_str()) {
        let detail = format!("`{}` is there and says something else", node_file.display());
        return Err(Problem::new(ExitCode::Refused, "node-file-differs", detail)
            .hint("to use it as it is, name only `--set ID…`")
            .hint("to have it written anew, move it away"));
    }
    for (name, repository) in [("release", &facts.release), ("site", &facts.site)] {
        let Some(repository) = repository else { continue };
        if let Some(root) = &repository.root_json {
            put(&beside(&root_name(name)), root.as_bytes(), 0o644)?;
        }
        if let Some(ca) = &repository.ca {
            put(&beside(&ca_name(name)), ca.as_bytes(), 0o644)?;
        }
    }
    put(node_file, text.as_bytes(), 0o644)
}

/// Brings the file with the names that Mesos shall know, which a master gave, to where the set's config has Mesos look for
/// it. Beside the node file it is in any case. What is there already is somebody's, and stays.
pub(super) fn place_mesos_credentials(place: &Place, set: &PackageSet) -> Result<(), Problem> {
    let given = absolute(&place.node_file).with_file_name(MESOS_CREDENTIALS);
    let Some(config) = set.iter().find(|id| id.name().as_str() == MESOS_CONFIG) else { return Ok(()) };
    let options = Store::open(&place.node.root, None)?.options(config)?;
    let flag = match place.node.role {
        Role::Master => "credentials",
        Role::Agent => "http_credentials",
    };
    let named = options.as_ref().and_then(|options| options["flags"][flag].as_str());
    let Some(wanted) = named.map(|path| Path::new(path.trim_start_matches("file://"))) else { return Ok(()) };
    match std::fs::read(&given) {
        Ok(text) if !wanted.exists() => put(wanted, &text, 0o600),
        Ok(_) => Ok(()),
        // Nobody gave any: whoever made the image may have brought it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            let detail = format!("can't read `{}`: {error}", given.display());
            Err(Problem::new(ExitCode::Unexpected, "unreadable", detail))
        }
    }
}

/// Replaces a file as a whole, durably, unless it says just that.
pub(in crate::helper) fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Problem> {
    if std::fs::read(path).is_ok_and(|now| now == bytes) {
        return Ok(());
    }
    let written = || {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new()
            .prefix(".dcos-")
            .permissions(std::fs::Permissions::from_mode(mode))
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        std::fs::File::open(folder)?.sync_all()
    };
    written().map_err(|error: std::io::Error| {
        Problem::new(ExitCode::Unexpected, "unwritable", format!("can't write `{}`: {error}", path.display()))
    })
}

pub(in crate::helper) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
