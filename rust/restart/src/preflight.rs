//! What the machine must have before anything is stopped: room, a work directory, its port.
//!
//! [`look`] measures and [`judge`] decides, so that every rule is tested without the machine that breaks it. What is
//! measured may be wrong a moment later; the walk back is for that. Rules about packages are the store's.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use dcos_core::node::NodeConfig;
use dcos_core::validate::Finding;

/// Room that must be left where packages, generations and state are: a generation of a large set, and the logs of a start.
pub const ROOT_BYTES: u64 = 32 << 20;

/// Room that must be left in the work directory: an agent that can't write its checkpoints ends.
pub const WORK_BYTES: u64 = 16 << 20;

/// Files that can still be made in either: a generation has a link for each program and library.
pub const LEAST_FILES: u64 = 2_000;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Of the file system of the root.
    pub root: Room,
    /// Of the work directory, and of the runtime directory where there is one.
    pub directories: Vec<Place>,
    /// Whether Mesos's address could be bound.
    pub port: Port,
}

/// Room on a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Where.
    pub path: PathBuf,
    /// Free bytes and files, or why that is not known.
    pub free: Result<(u64, u64), String>,
    /// How many bytes must be free.
    pub needed: u64,
}

/// A directory that Mesos writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its key in the node file.
    pub key: &'static str,
    /// Why it can't be used, if it can't.
    pub wrong: Option<String>,
    /// Its room.
    pub room: Room,
}

/// The address that Mesos is to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// Nobody listens there.
    Free,
    /// Our own running Mesos does.
    Ours,
    /// Somebody else does.
    Taken(SocketAddr),
    /// This machine has no such address, or may not listen there.
    Wrong(SocketAddr, String),
}

/// Measures. `running` says whether a Mesos of this node runs, and where it was told to listen, if that is known.
pub fn look(node: &NodeConfig, running: Option<Option<u16>>) -> Machine {
    let place = |key, path: &Path, needed| Place { key, wrong: wrong(path), room: room(path, needed) };
    let mut directories = vec![place("mesos.work_dir", &node.mesos.work_dir, WORK_BYTES)];
    directories.extend(node.mesos.runtime_dir.as_deref().map(|path| place("mesos.runtime_dir", path, 0)));
    Machine { root: room(&node.root, ROOT_BYTES), directories, port: port(node, running) }
}

/// Everything that stands in the way.
pub fn judge(machine: &Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |code: &str, message: String, hint: &str| {
        findings.push(Finding { code: code.to_owned(), packages: Vec::new(), message, hint: Some(hint.to_owned()) });
    };
    let rooms = std::iter::once(&machine.root).chain(machine.directories.iter().map(|place| &place.room));
    for room in rooms {
        let path = room.path.display();
        match room.free {
            Ok((bytes, _)) if bytes < room.needed => {
                let (free, needed) = (mebibytes(bytes), mebibytes(room.needed));
                find(
                    "disk-space",
                    format!("`{path}` has {free} MiB left, and {needed} MiB are needed"),
                    "`dcos-pkg gc` removes what nothing needs",
                );
            }
            Ok((_, files)) if room.needed > 0 && files < LEAST_FILES => {
                find(
                    "disk-files",
                    format!("`{path}` has room for {files} more files, and {LEAST_FILES} are needed"),
                    "`dcos-pkg gc` removes what nothing needs",
                );
            }
            Ok(_) | Err(_) => {}
        }
    }
    for place in &machine.directories {
        if let Some(wrong) = &place.wrong {
            let message = format!("`{}`, the node's `{}`, {wrong}", place.room.path.display(), place.key);
            find("directory", message, "Mesos would end at once");
        }
    }
    match &machine.port {
        Port::Free | Port::Ours => {}
        Port::Taken(address) => {
            let hint = "`ss -ltnp` shows who; `systemctl disable --now dcos-node` if it is that";
            find("port-taken", format!("somebody else listens on {address}"), hint);
        }
        Port::Wrong(address, why) => {
            find(
                "address",
                format!("nothing can listen on {address}: {why}"),
                "look at `mesos.ip` and `mesos.port` of the node file",
            );
        }
    }
    findings
}

const fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}

/// The room of the nearest directory that is there.
fn room(path: &Path, needed: u64) -> Room {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(path);
    let free = rustix::fs::statvfs(there).map(|fs| {
        // Some file systems have no number of files to give out, and say 0 of 0.
        let files = if fs.f_files == 0 { u64::MAX } else { fs.f_favail };
        (fs.f_bavail.saturating_mul(fs.f_frsize), files)
    });
    Room { path: path.to_owned(), free: free.map_err(|error| error.to_string()), needed }
}

/// What is wrong with a directory that Mesos writes to. One that is not there is made by Mesos, if it can be.
fn wrong(path: &Path) -> Option<String> {
    let there = path.ancestors().find(|path| path.symlink_metadata().is_ok())?;
    let metadata = match there.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Some(format!("can't be looked at: {error}")),
    };
    if !metadata.is_dir() {
        return Some(format!("can't be a directory: `{}` is a file", there.display()));
    }
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    // For root the bits say nothing, but a file system that is read-only does.
    rustix::fs::access(there, access).err().map(|error| {
        format!("can't be written (mode {:o}, owner {}): {error}", metadata.mode() & 0o7777, metadata.uid())
    })
}

fn port(node: &NodeConfig, running: Option<Option<u16>>) -> Port {
    let address = SocketAddr::new(node.mesos.ip, node.mesos.port);
    if let Some(known) = running
        && known.is_none_or(|port| port == node.mesos.port)
    {
        return Port::Ours;
    }
    match TcpListener::bind(address) {
        Ok(_) => Port::Free,
        Err(error) if error.kind() == ErrorKind::AddrInUse => Port::Taken(address),
        Err(error) => Port::Wrong(address, error.to_string()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Machine, Place, Port, ROOT_BYTES, Room, judge, port, wrong};
    use dcos_core::node::NodeConfig;
    use std::net::TcpListener;

    fn room(bytes: u64, files: u64, needed: u64) -> Room {
        Room { path: "/opt/dcos".into(), free: Ok((bytes, files)), needed }
    }

    fn well() -> Machine {
        let place = Place { key: "mesos.work_dir", wrong: None, room: room(1 << 30, 1 << 20, 1) };
        Machine { root: room(1 << 30, 1 << 20, ROOT_BYTES), directories: vec![place], port: Port::Free }
    }

    fn codes(machine: &Machine) -> Vec<String> {
        judge(machine).into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn everything_that_is_wrong_is_said() {
        assert!(judge(&well()).is_empty());
        let mut machine = well();
        machine.root = room(1 << 20, 1 << 20, ROOT_BYTES);
        machine.directories[0].wrong = Some("can't be written".to_owned());
        machine.port = Port::Taken("127.0.0.1:5051".parse().unwrap());
        assert_eq!(codes(&machine), ["disk-space", "directory", "port-taken"]);
        let said = judge(&machine);
        assert_eq!(said[0].message, "`/opt/dcos` has 1 MiB left, and 32 MiB are needed");
        assert!(said.iter().all(|finding| finding.hint.is_some()));
        assert_eq!(codes(&Machine { root: room(1 << 30, 10, ROOT_BYTES), ..well() }), ["disk-files"]);
        let unknown = Room { free: Err("?".to_owned()), ..room(0, 0, ROOT_BYTES) };
        assert!(judge(&Machine { root: unknown, ..well() }).is_empty(), "what can't be measured forbids nothing");
    }

    #[test]
    fn a_directory_may_be_absent_and_may_not_be_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
        assert_eq!(wrong(&folder.path().join("a/b")), None);
        assert!(wrong(&file.path().join("a")).unwrap().contains("is a file"));
    }

    #[test]
    fn a_port_is_ours_free_or_taken() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = taken.local_addr().unwrap().port();
        let text = format!(
            "role = \"master\"\ngroup = \"m\"\n[mesos]\nip = \"127.0.0.1\"\nport = {number}\nwork_dir = \"/w\"\n"
        );
        let node = NodeConfig::parse(&text).unwrap();
        assert_eq!(port(&node, None), Port::Taken(taken.local_addr().unwrap()));
        assert_eq!(port(&node, Some(None)), Port::Ours);
        assert_eq!(port(&node, Some(Some(number))), Port::Ours);
        assert_eq!(port(&node, Some(Some(1))), Port::Taken(taken.local_addr().unwrap()), "it was moved there");
        drop(taken);
        assert_eq!(port(&node, None), Port::Free);
    }
}
