//! Real masters and agents for the tests of the module, one per test, on ports of the kernel's choice.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Answer, get};

/// Starting takes a twentieth of a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// What a Mesos is started as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Master,
    Agent,
}

/// The versions and roles that everything is tested in.
pub(crate) const EVERYWHERE: [(&str, Role); 4] =
    [("1.10.0", Role::Master), ("1.10.0", Role::Agent), ("1.11.0", Role::Master), ("1.11.0", Role::Agent)];

/// What the build left for one version of Mesos: `libdcos_bits.so` and its kin.
pub(crate) fn built(version: &str, name: &str) -> PathBuf {
    artifact(&format!("{version}/{name}"))
}

/// A file below `target/mesos`.
pub(crate) fn artifact(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    let path = target.join("mesos").join(name);
    assert!(path.exists(), "`{}` is missing\nhint: cpp/build-module; cpp/build-module --test", path.display());
    path
}

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The package tree of a real Mesos.
pub(crate) fn tree(version: &str) -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("DCOS_BITS_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("dcos-bits")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/dcos-bits")))
        .expect("HOME is set");
    let path = cache.join(format!("mesos/{version}/mesos--{version}"));
    assert!(path.exists(), "`{}` is missing\nhint: tests/mesos/prepare", path.display());
    path
}

/// The manifest for loading our modules by hand, filled in.
pub(crate) fn template(library: &Path, node: &Path) -> Value {
    let text = include_str!("../../../modules.json.in")
        .replace("@LIBRARY@", &library.display().to_string())
        .replace("@NODE@", &node.display().to_string());
    serde_json::from_str(&text).expect("the template is JSON")
}

/// A manifest that loads all four modules of `library`, each with `parameters`.
pub(crate) fn our_modules(library: &Path, parameters: &[(&str, &str)]) -> Value {
    let template = template(library, Path::new(""));
    let modules = template["libraries"][0]["modules"].as_array().expect("a list of modules");
    let names: Vec<_> = modules.iter().map(|module| module["name"].as_str().expect("a name")).collect();
    manifest(library, &names, parameters)
}

/// A manifest that loads `modules` of `library`, each with `parameters`.
pub(crate) fn manifest(library: &Path, modules: &[&str], parameters: &[(&str, &str)]) -> Value {
    let parameters: Vec<_> = parameters.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let modules: Vec<_> = modules.iter().map(|name| json!({"name": name, "parameters": parameters})).collect();
    json!({"libraries": [{"file": library, "modules": modules}]})
}

/// A manifest with the test build of our modules and its router.
pub(crate) fn test_modules(version: &str) -> Value {
    our_modules(&built(version, "libdcos_bits_test.so"), &[("test_router", "")])
}

/// Writes a node.toml that is well, as far as `root` is; its path.
pub(crate) fn node_toml(directory: &Path, role: Role, root: &Path) -> String {
    let (role, master) = match role {
        Role::Master => ("master", ""),
        Role::Agent => ("agent", "master = \"127.0.0.1:5050\"\n"),
    };
    let text = format!(
        "root = {root:?}\nrole = \"{role}\"\ngroup = \"all\"\n\n\
         [mesos]\nip = \"127.0.0.1\"\nport = 5051\nwork_dir = \"/nowhere\"\n{master}"
    );
    let path = directory.join("node.toml");
    std::fs::write(&path, text).expect("a file");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// A running Mesos, killed when dropped.
#[derive(Debug)]
pub(crate) struct Mesos {
    child: Child,
    directory: TempDir,
    pub(crate) address: SocketAddr,
}

impl Mesos {
    /// Starts a Mesos with the modules of `manifest` and waits until it answers.
    pub(crate) fn start(version: &str, role: Role, manifest: &Value) -> Self {
        Self::start_with(version, role, Some(manifest), &[])
    }

    /// Starts a Mesos, with more of its environment, and waits until it answers.
    pub(crate) fn start_with(
        version: &str,
        role: Role,
        manifest: Option<&Value>,
        environment: &[(&str, &str)],
    ) -> Self {
        let mut mesos = Self::spawn(version, role, manifest, environment);
        mesos.address = mesos.wait_for_address();
        mesos.wait_until("it answers", |mesos| (get(mesos.address, "/version").status == 200).then_some(()));
        mesos
    }

    /// Starts a Mesos and does not wait.
    pub(crate) fn spawn(version: &str, role: Role, manifest: Option<&Value>, environment: &[(&str, &str)]) -> Self {
        let directory = TempDir::with_prefix("dcos-bits-module-").expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);
        let program = match role {
            Role::Master => "bin/mesos-master",
            Role::Agent => "bin/mesos-agent",
        };
        let log = File::create(path("log")).expect("a log file");
        let mut command = Command::new(tree(version).join(program));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs([("MESOS_IP", "127.0.0.1"), ("MESOS_PORT", "0"), ("MESOS_HOSTNAME", "localhost")])
            .env("MESOS_WORK_DIR", path("work"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the same log file"))
            .stderr(log);
        if let Some(manifest) = manifest {
            fs::write(path("modules.json"), manifest.to_string()).expect("a manifest");
            command.env("MESOS_MODULES", format!("file://{}", path("modules.json").display()));
        }
        match role {
            Role::Master => command.env("MESOS_REGISTRY", "in_memory"),
            // Port 1 of this machine: nobody is there, and an agent without a master does all that is wanted here.
            Role::Agent => command
                .env("MESOS_MASTER", "127.0.0.1:1")
                .env("MESOS_RUNTIME_DIR", path("run"))
                .env("MESOS_LAUNCHER", "posix")
                .env("MESOS_ISOLATION", "posix/cpu,posix/mem")
                .env("MESOS_SYSTEMD_ENABLE_SUPPORT", "false")
                .env("MESOS_RESOURCES", "cpus:1;mem:256;disk:100"),
        };
        command.envs(environment.iter().copied());
        let child = command.spawn().expect("a real Mesos");
        Self { child, directory, address: SocketAddr::from(([127, 0, 0, 1], 0)) }
    }

    /// Where it listens, as it says in its log.
    pub(crate) fn wait_for_address(&mut self) -> SocketAddr {
        self.wait_until("it says where it listens", |mesos| {
            let file = File::open(mesos.directory.path().join("log")).expect("the log");
            BufReader::new(file).lines().map_while(Result::ok).find_map(|line| {
                // `Master … started on 127.0.0.1:40001`, `Agent started on (1)@127.0.0.1:40002`
                let (_, place) = line.split_once(" started on ")?;
                place.trim_start_matches("(1)@").parse().ok()
            })
        })
    }

    /// Waits for a condition and returns what it found; panics with the log if Mesos ends or the time is up.
    pub(crate) fn wait_until<T>(&mut self, condition: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            if let Some(status) = self.child.try_wait().expect("the status of a child") {
                panic!("Mesos ended ({status}) before {condition}; its log:\n{}", self.log());
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain until {condition}; Mesos's log:\n{}", self.log());
            std::thread::sleep(GLANCE);
        }
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the status of a child") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "Mesos did not end; its log:\n{}", self.log());
            std::thread::sleep(GLANCE);
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        get(self.address, path)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).expect("the log")
    }

    /// Fails unless it is the process that was started and answers.
    pub(crate) fn assert_alive(&mut self) {
        let status = self.child.try_wait().expect("the status of a child");
        assert_eq!(status, None, "Mesos ended; its log:\n{}", self.log());
        assert_eq!(self.get("/version").status, 200);
    }

    /// A file of its directory in /proc.
    pub(crate) fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.child.id()))
    }
}

impl Drop for Mesos {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to do.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
