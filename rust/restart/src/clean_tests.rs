#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and writes where it likes"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use dcos_core::node::NodeConfig;

use super::{Unsafe, check, mount_below};

const AGENT: &str = "0c0f-S0";

/// An agent's work directory, as real as it has to be.
fn work() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    // The temporary directory may itself lie behind a link.
    let work = folder.path().canonicalize().unwrap().join("work");
    fs::create_dir_all(work.join("meta/slaves").join(AGENT)).unwrap();
    symlink(work.join("meta/slaves").join(AGENT), work.join("meta/slaves/latest")).unwrap();
    fs::create_dir_all(work.join("slaves").join(AGENT).join("sandbox")).unwrap();
    fs::write(work.join("notes.txt"), "a person's").unwrap();
    (folder, work)
}

fn node(work: &Path) -> NodeConfig {
    let text = format!(
        "root = \"/opt/dcos\"\nrole = \"agent\"\ngroup = \"a\"\n[mesos]\nip = \"127.0.0.1\"\nport = 5051\n\
         master = \"127.0.0.1:5050\"\nwork_dir = {work:?}\n"
    );
    NodeConfig::parse(&text).unwrap()
}

fn reasons(work: &Path, agent: Option<&str>) -> Vec<Unsafe> {
    check(&node(work), agent, None).err().unwrap_or_default()
}

/// A process that sleeps in a directory, ended with the test.
struct Sleeper(Child);

impl Sleeper {
    fn start(directory: &Path, agent: Option<&str>) -> Self {
        let mut command = Command::new("sleep");
        command.arg("600").current_dir(directory).env_remove("MESOS_SLAVE_ID").stdin(Stdio::null());
        if let Some(agent) = agent {
            command.env("MESOS_SLAVE_ID", agent);
        }
        Self(command.spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // It may be what the test has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_agents_own_directory_is_wiped_and_what_lies_beside_stays() {
    let (_folder, work) = work();
    let mut task = Sleeper::start(&work.join("slaves").join(AGENT).join("sandbox"), Some(AGENT));
    let wipeable = check(&node(&work), Some(AGENT), None).unwrap();
    assert_eq!(wipeable.tasks, [task.0.id()]);
    // The child of a test stays as a zombie until the test asks for it; that counts as ended.
    wipeable.wipe().unwrap();
    assert!(!task.0.wait().unwrap().success());
    let left: Vec<_> = fs::read_dir(&work).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
    // Cut short and done again: the checkpoint is gone already.
    check(&node(&work), Some(AGENT), None).unwrap().wipe().unwrap();
}

/// While a program takes the place of another the kernel shows no environment; here a shell without one stands for that
/// moment, which can't be stretched.
#[test]
fn a_task_that_is_just_being_started_is_the_agents_own() {
    // Marks are looked for in every process of the machine, those of the other tests among them.
    const STARTING: &str = "0c0f-S7";
    let (_folder, work) = work();
    fs::remove_file(work.join("meta/slaves/latest")).unwrap();
    symlink(work.join("meta/slaves").join(STARTING), work.join("meta/slaves/latest")).unwrap();
    let mut command = Command::new("bash");
    command.args(["-c", "read -t 0.05; MESOS_SLAVE_ID=$0 exec sleep 600", STARTING]).env_clear();
    command.current_dir(work.join("slaves")).stdin(Stdio::piped());
    let task = Sleeper(command.spawn().unwrap());
    assert_eq!(check(&node(&work), Some(STARTING), None).unwrap().tasks, [task.0.id()]);
}

#[test]
fn another_agents_directory_is_not_touched() {
    let (_folder, work) = work();
    assert!(matches!(reasons(&work, Some("other-S1"))[..], [Unsafe::AnotherAgent { .. }]));
    fs::remove_file(work.join("meta/slaves/latest")).unwrap();
    assert!(matches!(reasons(&work, None)[..], [Unsafe::NoAgent(_)]));
}

#[test]
fn a_link_or_a_place_that_others_live_in_is_not_touched() {
    let (folder, work) = work();
    let link = folder.path().canonicalize().unwrap().join("link");
    symlink(&work, &link).unwrap();
    assert!(matches!(&reasons(&link, Some(AGENT))[..], [Unsafe::Link(..)]));
    for place in ["/", "/var", "/opt"] {
        assert!(reasons(Path::new(place), Some(AGENT)).iter().any(|why| matches!(why, Unsafe::Place(_))), "{place}");
    }
    assert!(matches!(&reasons(&folder.path().join("nowhere"), Some(AGENT))[..], [Unsafe::Unreadable(..)]));
}

#[test]
fn whoever_else_is_at_work_there_keeps_it_from_being_wiped() {
    let (_folder, work) = work();
    let person = Sleeper::start(&work, None);
    let found = reasons(&work, Some(AGENT));
    assert_eq!(found, [Unsafe::InUse { pid: person.0.id(), name: "sleep".to_owned() }]);
    drop(person);
    let other = Sleeper::start(&work.join("slaves"), Some("other-S1"));
    assert!(matches!(reasons(&work, Some(AGENT))[..], [Unsafe::InUse { .. }]), "a task of another agent");
    drop(other);
    assert!(reasons(&work, Some(AGENT)).is_empty());
}

#[test]
fn a_masters_registry_is_not_wiped() {
    let text =
        "role = \"master\"\ngroup = \"m\"\n[mesos]\nip = \"127.0.0.1\"\nport = 5050\nwork_dir = \"/var/lib/mesos\"\n";
    let node = NodeConfig::parse(text).unwrap();
    assert_eq!(check(&node, None, None).unwrap_err(), [Unsafe::Master]);
}

#[test]
fn a_mount_below_is_seen_and_one_beside_is_not() {
    let table = "36 35 98:0 / /var/lib/mesos rw - ext4 /dev/a rw\n37 36 0:9 / /var/lib/mesos/provisioner/x\\040y rw - overlay o rw\n\
                 38 35 0:9 / /var/lib/mesosphere rw - tmpfs t rw\n";
    let found = mount_below(table, Path::new("/var/lib/mesos"));
    assert_eq!(found.as_deref(), Some(Path::new("/var/lib/mesos/provisioner/x y")));
    assert_eq!(
        mount_below(&table.lines().step_by(2).collect::<Vec<_>>().join("\n"), Path::new("/var/lib/mesos")),
        None
    );
}
