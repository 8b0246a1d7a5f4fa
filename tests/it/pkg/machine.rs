//! A machine with a store and a node file, and packages made for these tests.
//!
//! The packages hold next to nothing: a `mesos` here is a text file where a Mesos would be, since what is tested is how
//! packages travel, arrive and are activated. What a real Mesos makes of them is tested with real ones.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::harness::program::{self, Outcome};

/// The set that most tests activate, besides a config.
pub(crate) const MESOS: &str = "mesos--1.10.0";
pub(crate) const BITS: &str = "dcos-bits--0.1.0+mesos1.10.0";

/// A folder of its own for everything that a test needs.
pub(crate) struct Machine {
    folder: TempDir,
}

impl Machine {
    /// A machine that gets its packages from the repository at `url`.
    pub(crate) fn new(url: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Self { folder };
        let repositories = url.map(|url| format!("[repositories.release]\nurl = \"{url}\"\n")).unwrap_or_default();
        machine.write_node(&repositories);
        machine
    }

    /// Replaces the node file's part about repositories.
    pub(crate) fn write_node(&self, repositories: &str) {
        let root = self.root();
        let work_dir = self.path("work");
        let text = format!(
            "root = {root:?}\nrole = \"agent\"\ngroup = \"agents\"\n[mesos]\nip = \"127.0.0.1\"\nport = 5051\n\
             master = \"127.0.0.1:5050\"\nwork_dir = {work_dir:?}\n{repositories}"
        );
        std::fs::write(self.path("node.toml"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// Runs `dcos-pkg` for this machine.
    pub(crate) fn pkg(&self, arguments: &[&str]) -> Outcome {
        let node = self.path("node.toml");
        let all: Vec<&str> = ["--node", node.to_str().unwrap()].iter().chain(arguments).copied().collect();
        self.tidy(pkg(&all))
    }

    /// Starts `dcos-pkg` for this machine, and does not wait for it.
    pub(crate) fn start_pkg(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_dcos-pkg"))
            .arg("--node")
            .arg(self.path("node.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// The same outcome on every machine and in every run.
    pub(crate) fn tidy(&self, mut outcome: Outcome) -> Outcome {
        let folder = self.folder.path().to_str().unwrap();
        for text in [&mut outcome.line, &mut outcome.stdout, &mut outcome.stderr] {
            *text = text.replace(folder, "TMP");
        }
        outcome
    }

    /// The names in a directory of the store, in order; none if there is no such directory.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.root().join(directory))
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Builds the archive of a package with these files besides its pkginfo.
    pub(crate) fn build(&self, id: &str, pkginfo: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let tree = self.path("trees").join(id);
        let (name, version) = id.split_once("--").unwrap();
        let pkginfo = format!(r#"{{"format": 1, "name": "{name}", "version": "{version}", {pkginfo}}}"#);
        for (path, bytes) in files.iter().copied().chain([("pkginfo.json", pkginfo.as_bytes())]) {
            let path = tree.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let archive = self.path(&format!("{id}.tar.zst"));
        pkg(&["build", tree.to_str().unwrap(), "--output", archive.to_str().unwrap()]).expect(0);
        archive
    }

    /// A package of kind plain.
    pub(crate) fn build_plain(&self, id: &str, files: &[(&str, &[u8])]) -> PathBuf {
        self.build(id, r#""kind": "plain""#, files)
    }

    /// What stands in for Mesos and dcos-bits of a version, and a config for them: the archives, the config's last.
    pub(crate) fn build_set(&self, mesos: &str) -> Vec<PathBuf> {
        let version = format!(r#""mesos": {{"version": "{mesos}"}}"#);
        let agent = self.build(
            &format!("mesos--{mesos}"),
            &format!(r#""kind": "mesos", {version}"#),
            &[("bin/mesos-agent", b"no Mesos"), ("lib/libmesos.so", mesos.as_bytes())],
        );
        let module = r#"{"library": "lib/libdcos_bits.so", "name": "org_dcos_bits_Pkg",
            "parameters": {"node": {"type": "node-file"}}, "health": "/pkg/health"}"#;
        let bits = self.build(
            &format!("dcos-bits--0.1.0+mesos{mesos}"),
            &format!(r#""kind": "module", {version}, "modules": [{module}]"#),
            &[("lib/libdcos_bits.so", mesos.as_bytes()), ("bin/dcos-restart-helper", b"no helper")],
        );
        vec![agent, bits, self.build_config("cpus:4")]
    }

    /// A config that enables the module of what stands in for dcos-bits.
    pub(crate) fn build_config(&self, resources: &str) -> PathBuf {
        let pkginfo = self.path("bits-pkginfo.json");
        let text = r#"{"format": 1, "name": "dcos-bits", "version": "0.1.0+mesos1.10.0", "kind": "module",
            "mesos": {"version": "1.10.0"}, "modules": [{"library": "lib/libdcos_bits.so", "name": "org_dcos_bits_Pkg"}]}"#;
        std::fs::write(&pkginfo, text).unwrap();
        let resources = format!("flags.resources={resources}");
        let output = self.folder.path().to_str().unwrap();
        let pkginfo = pkginfo.to_str().unwrap();
        let generate = ["config", "generate", "--role", "agent", "--modules", "dcos-bits"];
        let rest = ["--set", &resources, "--pkginfo", pkginfo, "--output", output, "--json"];
        let generated = program::dcos(&[&generate[..], &rest[..]].concat()).expect(0);
        PathBuf::from(generated.json()["output"].as_str().unwrap())
    }

    /// A repository with these archives.
    pub(crate) fn publish(&self, archives: &[PathBuf]) -> PathBuf {
        let repository = self.path("repository");
        let folder = repository.to_str().unwrap();
        program::dcos(&["repo", "init", folder]).expect(0);
        let archives = archives.iter().map(|archive| archive.to_str().unwrap());
        program::dcos(&["repo", "publish", folder].into_iter().chain(archives).collect::<Vec<_>>()).expect(0);
        repository
    }
}

/// Runs `dcos-pkg`.
pub(crate) fn pkg(arguments: &[&str]) -> Outcome {
    program::run(Path::new(env!("CARGO_BIN_EXE_dcos-pkg")), arguments, &[])
}

/// The id of an archive's package.
pub(crate) fn id(archive: &Path) -> String {
    archive.file_name().unwrap().to_str().unwrap().trim_end_matches(".tar.zst").to_owned()
}

/// Bytes that no compression makes smaller, the same every time.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}
