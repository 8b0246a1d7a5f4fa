//! The units of a node: their text, and how they are brought in place.
//!
//! | unit | when | does |
//! |---|---|---|
//! | `dcos-mesos-agent` or `-master` | at a boot, after a crash, when told to | Mesos from the active generation |
//! | `dcos-restart-helper` | when an attempt begins (`systemctl restart --no-block`) | walks it, then ends |
//! | `dcos-restart-helper-resume` | at a boot, before Mesos | decides from the journal which set shall start |
//! | `dcos-restart-helper-watch` | at a boot, beside Mesos | goes on with the attempt that the boot interrupted |
//!
//! The last two are apart because the first of them must be over before Mesos starts, and the other one waits for Mesos.
//! Neither is needed for Mesos to start: a boot where they fail starts the active generation, which is always a whole one.
//! Nor does Mesos pull them in: only a boot does, or each start of Mesos in an attempt would ask what to start.
//!
//! The units name `active` and `helper/current` and no generation, so that no restart ever rewrites a unit.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dcos_core::node::{NodeConfig, SupervisorKind};
use dcos_core::{ExitCode, Problem};

use super::command::{self, CommandError};

/// Where an administrator's units are.
pub const DIRECTORY: &str = "/etc/systemd/system";

/// What answers on a node's address where no Mesos is; the Debian package has it.
const STAND_IN: &str = "dcos-node.service";

/// How long systemd may take to read all units again, or to change which of them start at a boot.
const MANAGE_DEADLINE: Duration = Duration::from_secs(60);

/// The names of a node's units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Runs Mesos.
    pub mesos: String,
    /// Runs the helper.
    pub helper: String,
    /// Decides at a boot.
    pub resume: String,
    /// Goes on after a boot.
    pub watch: String,
}

/// A unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its file name.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Names {
    /// Those that the node file says, or the usual ones.
    pub fn of(node: &NodeConfig) -> Self {
        let role = node.role;
        let named = |name: Option<&String>, usual: String| {
            let name = name.cloned().unwrap_or(usual);
            if name.contains('.') { name } else { format!("{name}.service") }
        };
        let mesos = named(node.supervisor.unit.as_ref(), format!("dcos-mesos-{role}.service"));
        let helper = named(node.supervisor.helper_unit.as_ref(), "dcos-restart-helper.service".to_owned());
        let stem = helper.trim_end_matches(".service").to_owned();
        Self { mesos, helper, resume: format!("{stem}-resume.service"), watch: format!("{stem}-watch.service") }
    }

    /// Those that start at a boot.
    pub fn enabled(&self) -> [&str; 3] {
        [&self.mesos, &self.resume, &self.watch]
    }
}

/// The text of every unit of a node whose file is `node_file`.
pub fn units(node: &NodeConfig, node_file: &Path) -> Vec<Unit> {
    let names = Names::of(node);
    let Names { mesos, resume, .. } = &names;
    let root = node.root.display().to_string();
    let (path, word) = (specifiers(&root), quoted(&root));
    let word = word.trim_end_matches('"');
    let end = if word.starts_with('"') { "\"" } else { "" };
    let helper =
        format!("{word}/helper/current/dcos-restart-helper{end} --node {}", quoted(&node_file.display().to_string()));
    let program = node.role.program();
    let stop = node.health.stop_deadline.max(1.0);
    let role = node.role;
    let made = "# Written by `dcos-restart-helper units`. Changes belong into a drop-in: `systemctl edit`.\n";
    let mesos_unit = format!(
        "{made}\
[Unit]
Description=Mesos {role} of the active set in {path}
Wants=network-online.target
After=network-online.target {resume}
RequiresMountsFor=\"{path}\"
# A node is never given up: not by systemd either.
StartLimitIntervalSec=0

[Service]
Type=exec
EnvironmentFile={path}/active/environment
ExecStart={word}/active/bin/{program}{end}
ExecStartPost=-{helper} started $MAINPID
Restart=always
RestartSec=1s
TimeoutStopSec={stop}
# Tasks, and downloads that are under way, outlive a restart of Mesos.
KillMode=process
Delegate=yes
# A task that runs out of memory is not the end of the agent.
OOMPolicy=continue
TasksMax=infinity
LimitNOFILE=131072

[Install]
WantedBy=multi-user.target
"
    );
    // An attempt must not stand still because somebody has ended the helper politely; `systemctl stop` still does.
    let always = "Restart=on-failure\nRestartForceExitStatus=SIGTERM SIGINT SIGHUP SIGPIPE\nRestartSec=100ms\n\
                  OOMScoreAdjust=-900\n";
    let unless_busy = "StartLimitIntervalSec=0\n";
    let helper_unit = format!(
        "{made}\
[Unit]
Description=Restarts the Mesos {role} of {path}
{unless_busy}
[Service]
Type=exec
ExecStart={helper} start --foreground
{always}"
    );
    let resume_unit = format!(
        "{made}\
[Unit]
Description=Which set the Mesos {role} of {path} shall start from
Before={mesos}
RequiresMountsFor=\"{path}\"
ConditionPathExists={path}/state/journal.json

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={helper} resume --boot
TimeoutStartSec=60s

[Install]
WantedBy=multi-user.target
"
    );
    let watch_unit = format!(
        "{made}\
[Unit]
Description=Goes on with the restart of the Mesos {role} of {path} that a boot interrupted
After={resume}
ConditionPathExists={path}/state/journal.json
{unless_busy}
[Service]
Type=exec
ExecStart={helper} watch --boot
{always}
[Install]
WantedBy=multi-user.target
"
    );
    let Names { mesos, helper, resume, watch } = names;
    vec![
        Unit { name: mesos, text: mesos_unit },
        Unit { name: helper, text: helper_unit },
        Unit { name: resume, text: resume_unit },
        Unit { name: watch, text: watch_unit },
    ]
}

/// `%` begins a specifier in a unit.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// A word of a command line in a unit.
fn quoted(text: &str) -> String {
    let escaped = specifiers(text).replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$");
    if escaped.contains([' ', '\t', ';', '\'']) || escaped != specifiers(text) {
        format!("\"{escaped}\"")
    } else {
        escaped
    }
}

/// Writes the units of a node below `directory`, [`DIRECTORY`] on a live machine, and lets systemd read them if it is that
/// one; answers the files. Units that are as they should be are left alone, so that it may be done again.
///
/// # Errors
/// If a file can't be written, or systemd can't read them.
pub fn install(node: &NodeConfig, node_file: &Path, directory: &Path) -> Result<Vec<PathBuf>, Problem> {
    let (mut files, mut changed) = (Vec::new(), false);
    for unit in units(node, node_file) {
        let file = directory.join(&unit.name);
        if std::fs::read_to_string(&file).ok().as_deref() != Some(&unit.text) {
            changed = true;
            replace(&file, &unit.text).map_err(|error| {
                let detail = format!("can't write `{}`: {error}", file.display());
                Problem::new(ExitCode::Unexpected, "units-not-written", detail)
            })?;
        }
        files.push(file);
    }
    if changed && directory == Path::new(DIRECTORY) {
        manage(&["daemon-reload"])?;
    }
    Ok(files)
}

#[expect(clippy::disallowed_methods, reason = "units are systemd's files, and none of the store's")]
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let new = file.with_extension("service.new");
    let mut handle = std::fs::File::create(&new)?;
    handle.write_all(text.as_bytes())?;
    // A unit that a power cut has emptied would leave the node without Mesos.
    handle.sync_all()?;
    std::fs::rename(&new, file)?;
    file.parent().map_or(Ok(()), |directory| std::fs::File::open(directory)?.sync_all())
}

/// Has systemd start Mesos at every boot, and whoever goes on with an attempt that the boot interrupted. Who answered in
/// its place until now is ended: two that want one address at a boot would leave it to chance who gets it.
///
/// # Errors
/// If systemd refuses.
pub fn enable(node: &NodeConfig) -> Result<(), Problem> {
    let names = Names::of(node);
    manage(&[&["enable", "--quiet"], names.enabled().as_slice()].concat())?;
    // Not by `Conflicts=`, which would also end Mesos when somebody starts the other one.
    if ["is-enabled", "is-active"].iter().any(|question| manage(&[question, "--quiet", STAND_IN]).is_ok()) {
        tracing::warn!("`{STAND_IN}` is ended and disabled: Mesos's modules answer from now on");
        manage(&["disable", "--quiet", "--now", STAND_IN])?;
    }
    Ok(())
}

/// Has systemd start Mesos now. Comes back before it answers.
///
/// # Errors
/// If systemd refuses, or Mesos can't be executed.
pub fn start(node: &NodeConfig) -> Result<(), Problem> {
    manage(&["start", &Names::of(node).mesos])
}

/// Stops what runs of a node and takes its units away from below `directory`. Tasks go on. Fine if there are none.
///
/// # Errors
/// If systemd refuses, or a file can't be removed.
pub fn remove(node: &NodeConfig, directory: &Path) -> Result<(), Problem> {
    let names = Names::of(node);
    let all = [&names.watch, &names.helper, &names.resume, &names.mesos].map(String::as_str);
    let files: Vec<PathBuf> = all.iter().map(|name| directory.join(name)).filter(|file| file.exists()).collect();
    if files.is_empty() {
        return Ok(());
    }
    let live = directory == Path::new(DIRECTORY);
    if live {
        manage(&[&["stop"], all.as_slice()].concat())?;
        manage(&[&["disable", "--quiet"], names.enabled().as_slice()].concat())?;
    }
    for file in files {
        std::fs::remove_file(&file).map_err(|error| {
            let detail = format!("can't remove `{}`: {error}", file.display());
            Problem::new(ExitCode::Unexpected, "units-not-removed", detail)
        })?;
    }
    if live { manage(&["daemon-reload"]) } else { Ok(()) }
}

/// Starts the helper anew, without waiting for it: nobody listens, so whichever runs is about to end.
///
/// # Errors
/// If systemd refuses.
pub fn start_helper(node: &NodeConfig) -> Result<(), Problem> {
    manage(&["restart", "--no-block", &Names::of(node).helper])
}

/// Stops the helper, wherever it runs.
///
/// # Errors
/// If systemd refuses.
pub fn stop_helper(node: &NodeConfig) -> Result<(), Problem> {
    let names = Names::of(node);
    manage(&["stop", &names.helper, &names.watch])
}

/// Whether this node's Mesos is a unit.
pub fn is_used(node: &NodeConfig) -> bool {
    node.supervisor.kind == SupervisorKind::Systemd
}

fn manage(arguments: &[&str]) -> Result<(), Problem> {
    command::run("systemctl", arguments, MANAGE_DEADLINE).map(drop).map_err(|error: CommandError| {
        let problem = Problem::new(ExitCode::Unexpected, "systemd-failed", Problem::chain(&error));
        match error {
            CommandError::NotRun { .. } => problem.hint("`kind = \"process\"` in `[supervisor]` needs no systemd"),
            _ => problem.hint("`dcos-restart-helper units --install` writes the units of this node"),
        }
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Names, install, quoted, remove, units};
    use dcos_core::node::NodeConfig;
    use std::path::Path;

    fn node(more: &str) -> NodeConfig {
        NodeConfig::parse(&format!(
            "{more}\nrole = \"agent\"\ngroup = \"agents\"\n[mesos]\nip = \"127.0.0.1\"\nport = 5051\n\
             master = \"127.0.0.1:5050\"\nwork_dir = \"/var/lib/mesos\"\n"
        ))
        .unwrap()
    }

    #[test]
    fn names_are_the_usual_ones_unless_the_node_file_has_others() {
        let names = Names::of(&node(""));
        assert_eq!(names.mesos, "dcos-mesos-agent.service");
        assert_eq!(
            [names.helper, names.resume, names.watch],
            ["dcos-restart-helper.service", "dcos-restart-helper-resume.service", "dcos-restart-helper-watch.service"]
        );
        let mut node = node("");
        node.supervisor.unit = Some("mesos-slave".to_owned());
        node.supervisor.helper_unit = Some("helper-2.service".to_owned());
        let names = Names::of(&node);
        assert_eq!((names.mesos.as_str(), names.watch.as_str()), ("mesos-slave.service", "helper-2-watch.service"));
    }

    #[test]
    fn units_name_what_does_not_change() {
        let units = units(&node(""), Path::new("/etc/dcos/node.toml"));
        let [mesos, helper, resume, watch] = units.as_slice() else { panic!("{units:?}") };
        for line in [
            "EnvironmentFile=/opt/dcos/active/environment",
            "ExecStart=/opt/dcos/active/bin/mesos-agent",
            "After=network-online.target dcos-restart-helper-resume.service",
            "KillMode=process",
            "TimeoutStopSec=10",
        ] {
            assert!(mesos.text.lines().any(|found| found == line), "{line}\n{}", mesos.text);
        }
        let program = "ExecStart=/opt/dcos/helper/current/dcos-restart-helper --node /etc/dcos/node.toml";
        for (unit, verb) in [(helper, "start --foreground"), (resume, "resume --boot"), (watch, "watch --boot")] {
            let line = format!("{program} {verb}");
            assert!(unit.text.lines().any(|found| found == line), "{line}\n{}", unit.text);
        }
        for unit in [helper, watch] {
            let line = "\nRestartForceExitStatus=SIGTERM SIGINT SIGHUP SIGPIPE\n";
            assert!(unit.text.contains(line), "whatever ends it: {}", unit.text);
        }
        assert!(resume.text.contains("\nBefore=dcos-mesos-agent.service\n"));
        assert!(!mesos.text.lines().any(|line| line.starts_with("Wants=") && line.contains("resume")));
        assert!(!watch.text.contains("Before="));
    }

    #[test]
    fn strange_paths_stay_one_word() {
        assert_eq!(quoted("/opt/dcos"), "/opt/dcos");
        assert_eq!(quoted("/opt/50%/a b"), "\"/opt/50%%/a b\"");
        assert_eq!(quoted("/opt/$x"), "\"/opt/$$x\"");
        let units = units(&node("root = \"/opt/my dcos\""), Path::new("/etc/node.toml"));
        assert!(units[0].text.contains("ExecStart=\"/opt/my dcos/active/bin/mesos-agent\"\n"), "{}", units[0].text);
    }

    #[test]
    fn they_come_and_go() {
        let directory = tempfile::tempdir().unwrap();
        let files = install(&node(""), Path::new("/etc/dcos/node.toml"), directory.path()).unwrap();
        assert_eq!(files.len(), 4);
        assert!(files.iter().all(|file| file.exists()));
        let again = install(&node(""), Path::new("/etc/dcos/node.toml"), directory.path()).unwrap();
        assert_eq!(again, files);
        remove(&node(""), directory.path()).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        remove(&node(""), directory.path()).unwrap();
    }
}
