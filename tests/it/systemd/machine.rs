//! An agent's machine with a systemd of its own, and a master beside it that outlives it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::host::Host;
use crate::harness::program::{Outcome, run};
use crate::harness::{archive, free_ports, http, id, target, until};

pub(super) const OLD: &str = "1.10.0";
pub(super) const NEW: &str = "1.11.0";

/// The unit of Mesos.
pub(super) const UNIT: &str = "dcos-mesos-agent.service";

/// The unit of what answers on Mesos's address where none is.
pub(super) const STAND_IN: &str = "dcos-node.service";

/// A real master, and an agent's machine that is switched on. Both end with the test.
pub(super) struct Machine {
    // In this order: the host is removed before the folder that it is kept in.
    pub(super) host: Host,
    master: Child,
    folder: TempDir,
    pub(super) master_port: u16,
    pub(super) port: u16,
}

impl Machine {
    /// A machine with both versions in its store and Mesos 1.10.0 running, registered. `hold` is the seconds that a new
    /// Mesos must live.
    pub(super) fn started(hold: f64) -> Self {
        let folder = tempfile::Builder::new().prefix("dcos-bits-systemd.").tempdir().unwrap();
        let ports = free_ports(2);
        let (master_port, port) = (ports[0], ports[1]);
        let master = start_master(folder.path(), master_port);
        let host = Host::make(&folder.path().join("host"), &[]);
        let node = format!(
            "role = \"agent\"\ngroup = \"agents\"\n[mesos]\nip = \"127.0.0.1\"\nport = {port}\n\
             master = \"127.0.0.1:{master_port}\"\nwork_dir = \"/var/lib/mesos\"\nruntime_dir = \"/run/mesos\"\n\
             [supervisor]\nkind = \"systemd\"\n[health]\nhold = {hold:.1}\n"
        );
        std::fs::create_dir_all(folder.path().join("host/upper/etc/dcos")).unwrap();
        std::fs::write(folder.path().join("host/upper/etc/dcos/node.toml"), node).unwrap();
        let machine = Self { host, master, folder, master_port, port };
        machine.host.boot();
        machine.add_packages();
        machine.pkg("activate", &machine.set(OLD)).expect(0);
        machine.start_stand_in();
        machine.helper(&["start"]).expect(0);
        until("the agent is registered", 30, || machine.agent_id());
        machine
    }

    /// What answers where no Mesos is, as the Debian package brings it.
    fn start_stand_in(&self) {
        let unit =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/units").join(STAND_IN));
        let unit = unit.unwrap().replace("/usr/bin/dcos-node", env!("CARGO_BIN_EXE_dcos-node"));
        std::fs::write(self.host.shared().join(STAND_IN), unit).unwrap();
        self.host.run(&["cp", &format!("/shared/{STAND_IN}"), "/etc/systemd/system"]).expect(0);
        self.host.run(&["systemctl", "enable", "--now", STAND_IN]).expect(0);
        until("it answers in place of Mesos", 30, || http::get(&format!("http://127.0.0.1:{}/pkg", self.port)));
    }

    fn add_packages(&self) {
        let mut archives = vec![archive("fizzbuzz--1.4.0", "+mesos1.11.0")];
        for version in [OLD, NEW] {
            archives.push(archive(&format!("mesos--{version}"), ""));
            archives.push(archive("dcos-bits--", &format!("+mesos{version}")));
        }
        archives.push(self.build_config(CONFIG, &["Pkg", "Restart"], &[]));
        let broken = [("MESOS_ISOLATION", "no-such-isolator")];
        archives.push(self.build_config(BROKEN_CONFIG, &["Pkg", "Restart"], &broken));
        archives.push(self.build_config(CRASHING_CONFIG, &["Pkg", "Restart", "FizzBuzz"], &[]));
        // Unpacking two of Mesos is what takes longest: the program under test would take three times as long.
        let program = target().join("release/dcos-pkg");
        for archive in archives {
            self.run(program.to_str().unwrap(), &["add", archive.to_str().unwrap()]).expect(0);
        }
    }

    /// Packs a config with modules and flags; answers where the host finds it.
    fn build_config(&self, id: &str, modules: &[&str], flags: &[(&str, &str)]) -> PathBuf {
        let (name, version) = id.split_once("--").unwrap();
        let modules: Vec<Value> = modules
            .iter()
            .map(|module| {
                let vendor = if *module == "FizzBuzz" { "org_example" } else { "org_dcos_bits" };
                json!({"name": format!("{vendor}_{module}"), "parameters": {}})
            })
            .collect();
        let mut environment = json!({
            "MESOS_LAUNCHER": "posix",
            "MESOS_ISOLATION": "posix/cpu,posix/mem",
            "MESOS_SYSTEMD_ENABLE_SUPPORT": "false",
            "MESOS_RESOURCES": "cpus:1;mem:256;disk:100",
            "MESOS_REGISTRATION_BACKOFF_FACTOR": "10ms",
        });
        for (flag, value) in flags {
            environment[*flag] = json!(value);
        }
        let config = json!({"format": 1, "role": "agent", "environment": environment, "modules": modules});
        let pkginfo = json!({
            "format": 1, "name": name, "version": version, "kind": "mesos-config", "roles": ["agent"],
            "requires": ["mesos >= 1.10.0, < 1.12.0"],
        });
        let tree = self.folder.path().join(id);
        std::fs::create_dir_all(tree.join("etc")).unwrap();
        std::fs::write(tree.join("etc/config.json"), config.to_string()).unwrap();
        std::fs::write(tree.join("pkginfo.json"), pkginfo.to_string()).unwrap();
        let file = format!("{id}.tar.gz");
        let made = self.host.shared().join(&file);
        let arguments = ["build", tree.to_str().unwrap(), "--output", made.to_str().unwrap()];
        run(Path::new(env!("CARGO_BIN_EXE_dcos-pkg")), &arguments, &[]).expect(0);
        Path::new("/shared").join(file)
    }

    /// The ids of the set of a version.
    pub(super) fn set(&self, version: &str) -> Vec<String> {
        let bits = id(&archive("dcos-bits--", &format!("+mesos{version}")));
        vec![format!("mesos--{version}"), bits, CONFIG.to_owned()]
    }

    /// The set of the old version with a config that ends its Mesos at once.
    pub(super) fn broken_set(&self) -> Vec<String> {
        let mut set = self.set(OLD);
        set[2] = BROKEN_CONFIG.to_owned();
        set
    }

    /// The set of the new version with a module that crashes its Mesos after three seconds.
    pub(super) fn crashing_set(&self) -> Vec<String> {
        let mut set = self.set(NEW);
        set[2] = CRASHING_CONFIG.to_owned();
        set.push(id(&archive("fizzbuzz--1.4.0", "+mesos1.11.0")));
        set
    }

    pub(super) fn run(&self, program: &str, arguments: &[&str]) -> Outcome {
        let all: Vec<&str> = [program].iter().chain(arguments).copied().collect();
        self.host.run(&all)
    }

    fn pkg(&self, verb: &str, set: &[String]) -> Outcome {
        let all: Vec<&str> = [verb].into_iter().chain(set.iter().map(String::as_str)).collect();
        self.run(env!("CARGO_BIN_EXE_dcos-pkg"), &all)
    }

    pub(super) fn helper(&self, arguments: &[&str]) -> Outcome {
        self.run(env!("CARGO_BIN_EXE_dcos-restart-helper"), arguments)
    }

    /// Begins a restart into a set, with these flags.
    pub(super) fn restart(&self, flags: &[&str], set: &[String]) -> Outcome {
        let ids = set.iter().map(String::as_str);
        let all: Vec<&str> = ["run"].into_iter().chain(flags.iter().copied()).chain(["--set"]).chain(ids).collect();
        self.helper(&all)
    }

    pub(super) fn status(&self) -> Value {
        self.helper(&["status", "--json"]).expect(0).json()
    }

    /// What Mesos answers to `/version`; empty while it does not answer.
    pub(super) fn version(&self) -> String {
        let url = format!("http://127.0.0.1:{}/version", self.port);
        http::json(&url)["version"].as_str().unwrap_or_default().to_owned()
    }

    /// The id under which the master lists the agent as active.
    pub(super) fn agent_id(&self) -> Option<String> {
        let listed = http::json(&format!("http://127.0.0.1:{}/master/slaves", self.master_port));
        let agents = listed["slaves"].as_array().cloned().unwrap_or_default();
        let active = agents.iter().find(|agent| agent["active"] == true)?;
        active["id"].as_str().map(str::to_owned)
    }

    /// A property of a unit.
    pub(super) fn property(&self, unit: &str, name: &str) -> String {
        let shown = self.host.run(&["systemctl", "show", unit, "--property", name, "--value"]).expect(0);
        shown.stdout.trim().to_owned()
    }

    /// The journal of the attempt, as it stands on the disk of the running host.
    pub(super) fn journal(&self, root: &Path) -> Value {
        let text = std::fs::read(root.join("opt/dcos/state/journal.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.master.kill();
        let _ = self.master.wait();
    }
}

const CONFIG: &str = "mesos-config--0123456789ab";
const BROKEN_CONFIG: &str = "mesos-config--123456789abc";
const CRASHING_CONFIG: &str = "mesos-config--23456789abcd";

/// A master without a machine of its own: it is not what these tests are about.
fn start_master(folder: &Path, port: u16) -> Child {
    let log = std::fs::File::create(folder.join("master.log")).unwrap();
    let master = Command::new(crate::module::mesos::tree(OLD).join("bin/mesos-master"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("MESOS_IP", "127.0.0.1")
        .env("MESOS_HOSTNAME", "127.0.0.1")
        .env("MESOS_PORT", port.to_string())
        .env("MESOS_REGISTRY", "in_memory")
        .env("MESOS_WORK_DIR", folder.join("master"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    until("the master answers", 30, || http::get(&format!("http://127.0.0.1:{port}/version")));
    master
}
