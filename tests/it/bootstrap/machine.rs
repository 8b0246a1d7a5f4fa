//! A machine with nothing on it, and a signed repository with a set for it, in which a fake stands for Mesos.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::program::{self, Outcome};
use crate::harness::until;
use crate::pkg::server::Hostile;

const VERSION: &str = "1.10.0";
const CONFIG: &str = "mesos-config--0123456789ab";

/// The set that the machine shall run.
pub(super) fn set() -> [String; 3] {
    [format!("mesos--{VERSION}"), format!("dcos-bits--0.1.0+mesos{VERSION}"), CONFIG.to_owned()]
}

/// The machine; everything on it ends with the test.
pub(super) struct Machine {
    folder: TempDir,
    pub(super) port: u16,
    pub(super) repository: Hostile,
}

impl Machine {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let repository = Hostile::start(&folder.path().join("repository"));
        let machine = Self { folder, port, repository };
        machine.publish();
        machine
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The arguments of an operator who knows everything.
    pub(super) fn arguments(&self) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        let mut arguments: Vec<String> =
            ["bootstrap", "--process", "--role", "master", "--ip", "127.0.0.1", "--hold", "0.3"]
                .map(str::to_owned)
                .to_vec();
        for (name, value) in [
            ("--node", path("etc/node.toml")),
            ("--root", path("root")),
            ("--port", self.port.to_string()),
            ("--work-dir", path("work")),
            ("--release-url", self.repository.url()),
            ("--release-root", path("repository/metadata/1.root.json")),
            ("--deadline", "60".to_owned()),
        ] {
            arguments.extend([name.to_owned(), value]);
        }
        arguments.push("--set".to_owned());
        arguments.extend(set());
        arguments
    }

    /// Bootstraps, to the end.
    pub(super) fn bootstrap(&self, more: &[&str]) -> Outcome {
        let arguments = self.arguments();
        let (first, rest) = arguments.split_first().unwrap();
        let all: Vec<&str> = std::iter::once(first.as_str())
            .chain(more.iter().copied())
            .chain(rest.iter().map(String::as_str))
            .collect();
        self.helper(&all)
    }

    /// Bootstraps without waiting.
    pub(super) fn bootstrapping(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_dcos-restart-helper"))
            .args(self.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Runs the helper's program with these arguments only.
    pub(super) fn helper(&self, arguments: &[&str]) -> Outcome {
        program::run(Path::new(env!("CARGO_BIN_EXE_dcos-restart-helper")), arguments, &[])
    }

    /// Runs it for this machine's node file.
    pub(super) fn node(&self, arguments: &[&str]) -> Outcome {
        let file = self.path("etc/node.toml");
        let all: Vec<&str> = ["--node", file.to_str().unwrap()].iter().chain(arguments).copied().collect();
        self.helper(&all)
    }

    pub(super) fn status(&self) -> Value {
        self.node(&["status", "--json"]).expect(0).json()
    }

    /// It runs the set, which came up cleanly, and has never run two at once.
    #[track_caller]
    pub(super) fn runs(&self) {
        let status = self.status();
        let wanted = {
            let mut set = set().to_vec();
            set.sort();
            set
        };
        assert_eq!(status["running"]["packages"], serde_json::json!(wanted), "{status}");
        assert_eq!(status["last_attempts"][0]["state"], "confirmed", "{status}");
        assert!(!self.path("work/two-at-once").exists());
    }

    /// How often the fake was started.
    pub(super) fn starts(&self) -> usize {
        std::fs::read_to_string(self.path("work/starts")).unwrap_or_default().lines().count()
    }

    fn publish(&self) {
        let repository = self.path("repository");
        let keys = self.path("keys");
        let dcos = |arguments: &[&str]| {
            program::run(Path::new(env!("CARGO_BIN_EXE_dcos")), arguments, &[]).expect(0);
        };
        dcos(&["repo", "init", repository.to_str().unwrap(), "--keys", keys.to_str().unwrap()]);
        let script = include_str!("../restart/mesos.py").replace("@VERSION@", VERSION);
        let script = format!("#!{}\n{script}", crate::restart::machine::python());
        let mesos = format!(r#""mesos": {{"version": "{VERSION}"}}"#);
        let module = r#"{"library": "lib/libdcos_bits.so", "name": "org_dcos_bits_Pkg", "health": "/pkg/health"}"#;
        let helper = format!("#!/bin/sh\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_dcos-restart-helper"));
        let config = r#"{"format": 1, "role": "master", "environment": {},
            "modules": [{"name": "org_dcos_bits_Pkg", "parameters": {}}]}"#;
        let [mesos_id, bits_id, config_id] = set();
        let archives = [
            self.archive(
                &mesos_id,
                &format!(r#""kind": "mesos", {mesos}"#),
                &[("bin/mesos-master", &script), ("lib/libmesos.so", VERSION)],
            ),
            self.archive(
                &bits_id,
                &format!(r#""kind": "module", {mesos}, "modules": [{module}]"#),
                &[("lib/libdcos_bits.so", VERSION), ("bin/dcos-restart-helper", &helper)],
            ),
            self.archive(
                &config_id,
                r#""kind": "mesos-config", "roles": ["master"], "requires": ["mesos >= 1.10.0, < 1.12.0"]"#,
                &[("etc/config.json", config)],
            ),
        ];
        let mut publish = vec!["repo", "publish", repository.to_str().unwrap(), "--keys", keys.to_str().unwrap()];
        publish.extend(archives.iter().map(|archive| archive.to_str().unwrap()));
        dcos(&publish);
    }

    fn archive(&self, id: &str, pkginfo: &str, files: &[(&str, &str)]) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let tree = self.path("trees").join(id);
        let (name, version) = id.split_once("--").unwrap();
        let pkginfo = format!(r#"{{"format": 1, "name": "{name}", "version": "{version}", {pkginfo}}}"#);
        for (path, text) in files.iter().copied().chain([("pkginfo.json", pkginfo.as_str())]) {
            let file = tree.join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, text).unwrap();
            if path.starts_with("bin/") {
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        let archive = self.path(&format!("{id}.tar.zst"));
        let arguments = ["build", tree.to_str().unwrap(), "--output", archive.to_str().unwrap()];
        program::run(Path::new(env!("CARGO_BIN_EXE_dcos-pkg")), &arguments, &[]).expect(0);
        archive
    }

    /// Waits until somebody holds the helper's lock.
    #[track_caller]
    pub(super) fn helper_runs(&self) {
        until("a helper is at work", 20, || {
            let pid = std::fs::read_to_string(self.path("root/state/helper.lock")).ok()?;
            Path::new("/proc").join(pid.trim()).exists().then_some(())
        });
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.path("etc/node.toml").exists() {
            let stopped = self.node(&["stop", "--mesos", "--force"]);
            if std::thread::panicking() {
                let log = std::fs::read_to_string(self.path("root/state/log/helper.log")).unwrap_or_default();
                eprintln!("{stopped}\n--- helper.log\n{log}");
            }
        }
    }
}

/// `dcos-node serve` for a node file, on a port of its own; ended with the test.
pub(super) struct Served {
    child: Child,
    pub(super) url: String,
}

impl Served {
    pub(super) fn start(node: &Path) -> Self {
        use std::io::BufRead as _;
        let mut child = Command::new(env!("CARGO_BIN_EXE_dcos-node"))
            .args(["serve", "--listen", "127.0.0.1:0", "--node"])
            .arg(node)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("it said `{line}`")).to_owned();
        Self { child, url }
    }

    /// Posts JSON; answers the status and the body.
    pub(super) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", path, &body.to_string())
    }

    pub(super) fn ask(&self, method: &str, path: &str, text: &str) -> (u16, Value) {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or_default())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
