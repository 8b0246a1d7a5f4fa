//! A real file system whose power can be cut: ext4 in a file, loop-mounted.
//!
//! [`Ext4::cut`] shuts the file system down without flushing its journal (`EXT4_IOC_SHUTDOWN`): from that instant on nothing
//! reaches the disk, and whoever is at work on it gets `EIO`. [`Ext4::restore`] unmounts it and mounts it again, which
//! replays the journal: there is then what was synced, and of the rest what the kernel happened to have written. That is
//! what a machine finds after its power came back, without a machine.
//!
//! Needs root, `e2fsprogs`, a free loop device and perl, which Debian always has: the one `ioctl` is made by it, as
//! making it in Rust is `unsafe`. Whatever has files open on the file system must have ended before [`Ext4::restore`];
//! the error names those that have not. Dropping an [`Ext4`] unmounts it, which frees its loop device, also in a test that
//! fails. One whose mounts must go even if it is killed starts itself in a mount namespace of its own, as
//! `rust/store/tests/crash` does (`unshare --mount`).
//!
//! How a test of a whole node uses it, with the node's root and Mesos's work directory below:
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! # let folder = std::path::Path::new("/tmp/x");
//! let mut disk = dcos_testkit::Ext4::new(folder, 2 << 30)?;
//! let (root, work_dir) = (disk.path().join("root"), disk.path().join("work"));
//! // … start the node, and at some point of its restart:
//! disk.cut()?;
//! // … kill -9 its helper, Mesos and executors, as their machine has no power, and wait for their end:
//! disk.restore()?;
//! // … start the node's helper again, and see it recover.
//! # Ok(()) }
//! ```

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`, on the directory that is the first argument.
const SHUTDOWN: &str =
    r#"sysopen(F, $ARGV[0], 0) or die "$!"; my $flags = pack("L", 2); ioctl(F, 0x8004587D, $flags) or die "$!""#;

/// How long an unmount is tried: the kernel may still be putting away what a killed process had open.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file system in a file, mounted as long as this lives.
#[derive(Debug)]
pub struct Ext4 {
    image: PathBuf,
    place: PathBuf,
    mounted: bool,
}

impl Ext4 {
    /// Makes a file system of that many bytes in `folder`, which is there: the file `ext4.image`, of which only what is
    /// used takes room, and the mount point `ext4`.
    ///
    /// # Errors
    /// If the machine lacks a program or a loop device, or this process is not root.
    #[expect(clippy::disallowed_methods, reason = "it is a disk for a test, not a file of a node")]
    pub fn new(folder: &Path, bytes: u64) -> Result<Self> {
        let image = folder.join("ext4.image");
        File::create_new(&image)?.set_len(bytes)?;
        run("mkfs.ext4", ["-q".as_ref(), "-F".as_ref(), image.as_os_str()])?;
        Self::of_image(&image, &folder.join("ext4"))
    }

    /// Mounts the file system that is in the file `image` at the directory `place`, made if it is not there.
    ///
    /// # Errors
    /// As [`Ext4::new`].
    pub fn of_image(image: &Path, place: &Path) -> Result<Self> {
        fs::create_dir_all(place)?;
        let mut disk = Self { image: image.to_owned(), place: place.to_owned(), mounted: false };
        disk.mount()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.place
    }

    /// Cuts it off: what did not reach the disk until now never will.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn cut(&self) -> Result<()> {
        run("perl", ["-e".as_ref(), SHUTDOWN.as_ref(), self.place.as_os_str()])
    }

    /// Mounts it again after a cut, with what reached the disk.
    ///
    /// # Errors
    /// If somebody still has files open on it, or the file system can't be mounted.
    pub fn restore(&mut self) -> Result<()> {
        self.unmount()?;
        self.mount()
    }

    /// Unmounts it in good order; the image then has all that was written.
    ///
    /// # Errors
    /// If somebody still has files open on it.
    pub fn unmount(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.mounted) {
            return Ok(());
        }
        let begun = Instant::now();
        loop {
            match run("umount", [self.place.as_os_str()]) {
                Ok(()) => return Ok(()),
                Err(_) if begun.elapsed() < PATIENCE => sleep(Duration::from_millis(20)),
                Err(error) => {
                    self.mounted = true;
                    return Err(Error::other(format!("{error}; it is used by {}", users(&self.place).join(", "))));
                }
            }
        }
    }

    fn mount(&mut self) -> Result<()> {
        // The loop device is freed with the mount.
        run("mount", ["-o".as_ref(), "loop".as_ref(), self.image.as_os_str(), self.place.as_os_str()])?;
        self.mounted = true;
        Ok(())
    }
}

impl Drop for Ext4 {
    fn drop(&mut self) {
        // In a test that failed somebody may be at work still: the mount goes with the last of them.
        if self.mounted && run("umount", [self.place.as_os_str()]).is_err() {
            drop(run("umount", ["--lazy".as_ref(), self.place.as_os_str()]));
        }
    }
}

/// The processes that have something below `place` open, as `PID PROGRAM`.
fn users(place: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter(|process| process.file_name().to_string_lossy().parse::<u32>().is_ok());
    let uses = |process: &Path| {
        let handles = fs::read_dir(process.join("fd")).into_iter().flatten().flatten().map(|handle| handle.path());
        let all = handles.chain(["cwd", "exe", "root"].map(|name| process.join(name)));
        all.filter_map(|link| fs::read_link(link).ok()).any(|target| target.starts_with(place))
    };
    let users = processes.filter(|process| uses(&process.path()));
    users
        .map(|process| {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            format!("{} {}", process.file_name().to_string_lossy(), name.trim())
        })
        .collect()
}

fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<()> {
    let output = Command::new(program).args(arguments).output().map_err(|error| {
        Error::new(error.kind(), format!("`{program}` is needed (`scripts/setup test` installs what is): {error}"))
    })?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let told = String::from_utf8_lossy(&output.stderr);
            Err(Error::other(format!("`{program}` failed (these tests need root and a loop device): {}", told.trim())))
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and writes where it likes"
)]
mod tests {
    use std::fs::{self, File};

    use super::Ext4;

    #[test]
    fn what_was_synced_is_there_after_a_cut_and_what_was_not_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Ext4::new(folder.path(), 32 << 20).unwrap();
        let (kept, lost) = (disk.path().join("kept"), disk.path().join("lost"));
        fs::write(&kept, "kept").unwrap();
        File::open(&kept).unwrap().sync_all().unwrap();
        File::open(disk.path()).unwrap().sync_all().unwrap();
        fs::write(&lost, "lost").unwrap();
        disk.cut().unwrap();
        assert_eq!(fs::write(disk.path().join("late"), "").unwrap_err().raw_os_error(), Some(5));
        disk.restore().unwrap();
        assert_eq!((fs::read_to_string(kept).unwrap(), lost.exists()), ("kept".to_owned(), false));

        // Whoever is in the way is named.
        let open = File::open(disk.path().join("kept")).unwrap();
        let busy = super::users(disk.path());
        assert!(busy.iter().any(|user| user.starts_with(&format!("{} ", std::process::id()))), "{busy:?}");
        drop(open);
        let mount = disk.path().to_owned();
        drop(disk);
        assert!(!fs::read_to_string("/proc/mounts").unwrap().contains(mount.to_str().unwrap()));
    }
}
