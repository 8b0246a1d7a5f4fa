//! The agent's id, kept through a way back.
//!
//! Mesos refuses a checkpoint of an agent that has changed, but not after a boot: then it takes the changed agent for a new
//! one, registers it under a new id, and points `meta/slaves/latest` at that one's checkpoint. So a host that is lost while a
//! set with other resources is being tried comes back as another agent; and the set that is put back afterwards would find
//! the checkpoint of an agent that it is not, and refuse it for ever. The checkpoint of before is still there, only the link
//! has moved: it is put back before the previous set becomes active.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Whose checkpoint Mesos recovers from, below its work directory.
const SLAVES: &str = "meta/slaves";
const LATEST: &str = "latest";

/// The checkpoint's document about the agent itself.
const INFO: &str = "slave.info";

/// Lets the next agent in `work_dir` recover as `id`, if another agent was here since; answers whether that was so.
///
/// # Errors
/// If the link can't be replaced.
pub fn restore(work_dir: &Path, id: &str) -> io::Result<bool> {
    let slaves = work_dir.join(SLAVES);
    let latest = slaves.join(LATEST);
    let Ok(target) = fs::read_link(&latest) else { return Ok(false) };
    if target.file_name().is_some_and(|name| name == id) || !slaves.join(id).join(INFO).is_file() {
        return Ok(false);
    }
    let new = slaves.join(format!(".{LATEST}.new"));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    #[expect(clippy::disallowed_methods, reason = "it is a link of Mesos's, and none of the store's")]
    std::os::unix::fs::symlink(target.with_file_name(id), &new).and_then(|()| fs::rename(&new, &latest))?;
    File::open(&slaves)?.sync_all()?;
    Ok(true)
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and writes where it likes"
)]
mod tests {
    use super::restore;

    #[test]
    fn the_link_goes_back_to_the_agent_of_before() {
        let work = tempfile::tempdir().unwrap();
        let slaves = work.path().join("meta/slaves");
        for id in ["old-S0", "new-S1", "empty-S2"] {
            std::fs::create_dir_all(slaves.join(id)).unwrap();
        }
        for id in ["old-S0", "new-S1"] {
            std::fs::write(slaves.join(id).join("slave.info"), id).unwrap();
        }
        assert!(!restore(work.path(), "old-S0").unwrap(), "no agent has been here");
        std::os::unix::fs::symlink(slaves.join("new-S1"), slaves.join("latest")).unwrap();
        assert!(!restore(work.path(), "empty-S2").unwrap(), "without its checkpoint it would be no better");
        for restored in [true, false] {
            assert_eq!(restore(work.path(), "old-S0").unwrap(), restored);
            assert_eq!(std::fs::read_link(slaves.join("latest")).unwrap(), slaves.join("old-S0"));
        }
        assert!(std::fs::read_to_string(slaves.join("latest/slave.info")).unwrap() == "old-S0");
    }
}
