//! The call that wakes the helper: an empty datagram to `state/helper.sock`, and a new helper if nobody listens.
//!
//! A kick carries no order: the order is the journal, and the helper reads it every few seconds anyway. So a lost kick
//! costs a moment, a forged one nothing.
//!
//! The socket is addressed through an open handle of its directory (`/proc/self/fd/N/helper.sock`): a root may have a
//! longer path than the 108 bytes that an address can hold.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dcos_core::node::NodeConfig;
use dcos_core::ports::NodeStore;
use dcos_core::{ExitCode, Problem};

use crate::host::state_directory;
use crate::supervisor::systemd::units;

const SOCKET: &str = "helper.sock";

/// How long a new helper may take to put itself into the background. It only forks, so this is long.
const SPAWN_DEADLINE: Duration = Duration::from_secs(5);

/// The socket that the helper listens on.
#[derive(Debug)]
pub struct Listener(UnixDatagram);

fn directory(root: &Path) -> io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::DIRECTORY.bits()).unwrap_or(0);
    File::options().read(true).custom_flags(flags).open(state_directory(root))
}

fn address(directory: &File) -> PathBuf {
    format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()).into()
}

impl Listener {
    /// Listens, in place of a helper that is gone. Only who holds the helper's lock may.
    ///
    /// # Errors
    /// If the socket can't be made.
    pub fn bind(root: &Path) -> io::Result<Self> {
        let directory = directory(root)?;
        let address = address(&directory);
        match std::fs::remove_file(&address) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixDatagram::bind(&address)?;
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    /// Takes all kicks that have come.
    pub fn drain(&self) {
        let mut byte = [0; 1];
        while self.0.recv(&mut byte).is_ok() {}
    }
}

impl std::os::fd::AsFd for Listener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Takes the socket away, so that nobody believes to have woken a helper that is about to end.
pub(crate) fn forget(root: &Path) {
    // If it stays it leads to nobody once the helper has ended.
    let _ = directory(root).and_then(|directory| std::fs::remove_file(address(&directory)));
}

/// Whether a helper listens at `root`; it is woken by the question.
pub fn wake(root: &Path) -> bool {
    let sent = directory(root).and_then(|directory| {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to(&[], address(&directory))
    });
    match sent {
        Ok(_) => true,
        // A full queue means that it has been kicked before and will look.
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Wakes the helper, or starts one from the node's current helper.
///
/// # Errors
/// `helper-missing` if none listens and none is installed, `helper-failed` if it can't be started.
pub fn kick(store: &dyn NodeStore, node: &NodeConfig, node_file: &Path) -> Result<(), Problem> {
    if wake(&node.root) {
        return Ok(());
    }
    if units::is_used(node) {
        tracing::info!("no helper listens: systemd shall start one");
        return units::start_helper(node);
    }
    let Some(helper) = store.helper()? else {
        return Err(Problem::new(
            ExitCode::Refused,
            "helper-missing",
            "no helper runs on this node and none is installed",
        )
        .hint("start Mesos of this node with `dcos-restart-helper start`"));
    };
    tracing::info!(helper = %helper.display(), "no helper listens: starting one");
    spawn(&helper, node_file).map_err(|error| {
        Problem::new(ExitCode::Unexpected, "helper-failed", format!("can't start `{}`: {error}", helper.display()))
    })
}

/// Runs `helper start --no-wait`, which puts the real one into the background and ends at once.
///
/// The caller may be Mesos: nothing of its environment (ports, flags, modules) may reach the helper.
pub(crate) fn spawn(helper: &Path, node_file: &Path) -> io::Result<()> {
    let mut child = Command::new(helper)
        .arg("--node")
        .arg(node_file)
        .args(["start", "--no-wait"])
        .env_clear()
        .env("PATH", crate::SYSTEM_PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return if status.success() { Ok(()) } else { Err(io::Error::other(format!("it ended with {status}"))) };
        }
        if began.elapsed() > SPAWN_DEADLINE {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it did not go into the background"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Listener, wake};

    #[test]
    fn a_kick_reaches_a_root_with_a_very_long_path() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("x".repeat(120));
        std::fs::create_dir_all(root.join("state")).unwrap();
        assert!(!wake(&root));
        let listener = Listener::bind(&root).unwrap();
        assert!(wake(&root));
        listener.drain();
        drop(listener);
        assert!(!wake(&root), "a socket without an owner is nobody");
        Listener::bind(&root).unwrap();
    }
}
