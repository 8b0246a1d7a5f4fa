//! A repository in a bucket: uploaded as an operator does it, read by plain GET as from any web server.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::{free_ports, program, until};
use crate::pkg::machine::{Machine, noise};

/// The folder of the environment with moto, which is made if it is not there.
fn environment() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws/prepare");
    let prepared = Command::new(&script).stderr(Stdio::piped()).output().unwrap();
    let why = String::from_utf8_lossy(&prepared.stderr);
    assert!(prepared.status.success(), "there is no S3: run `tests/aws/prepare`\n{why}");
    PathBuf::from(String::from_utf8(prepared.stdout).unwrap().trim_end())
}

/// What answers as S3 does; ended with the test.
struct Bucket {
    environment: PathBuf,
    endpoint: String,
    child: Child,
}

impl Bucket {
    fn start() -> Self {
        let environment = environment();
        let port = free_ports(1)[0];
        let child = Command::new(environment.join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bucket = Self { environment, endpoint: format!("http://127.0.0.1:{port}"), child };
        until("S3 answers", 30, || std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(drop));
        bucket
    }

    fn url(&self) -> String {
        format!("{}/packages/", self.endpoint)
    }

    /// Uploads what is new of the folder and deletes what is gone; answers what was done.
    fn sync(&self, folder: &Path) -> Vec<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws/sync.py");
        let mut child = Command::new(self.environment.join("bin/python"))
            .arg(script)
            .args([&self.endpoint, "packages"])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
        assert!(child.wait().unwrap().success());
        lines
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs S3 (tests/aws/prepare): make test"]
fn a_bucket_is_a_repository() {
    let bucket = Bucket::start();
    let machine = Machine::new(None);
    let large = noise(1 << 20);
    let first = machine.build_plain("a--1:2~rc1+mesos1.11.0", &[("lib/large", &large), ("lib/small", b"small")]);
    let second = machine.build_plain("b--1", &[("lib/b", b"b")]);
    let (repository, keys) = (machine.path("repository"), machine.path("keys"));
    let dcos = |arguments: &[&str]| program::dcos(arguments).expect(0);
    let [folder, keys] = [&repository, &keys].map(|path| path.to_str().unwrap().to_owned());
    dcos(&["repo", "init", &folder, "--keys", &keys]);
    dcos(&["repo", "publish", &folder, first.to_str().unwrap(), "--keys", &keys]);
    let uploaded = bucket.sync(&repository);
    assert_eq!(uploaded.last().unwrap(), "uploaded metadata/timestamp.json");

    let root = machine.path("repository/metadata/1.root.json");
    std::fs::copy(root, machine.path("root.json")).unwrap();
    let root_json = machine.path("root.json");
    machine.write_node(&format!("[repositories.release]\nurl = \"{}\"\nroot_json = {root_json:?}\n", bucket.url()));
    machine.pkg(&["fetch", "a--1:2~rc1+mesos1.11.0"]).expect(0);
    machine.pkg(&["verify"]).expect(0);
    // S3 does ranges, so a damaged file is had by itself.
    let small = machine.root().join("packages/a--1:2~rc1+mesos1.11.0/lib/small");
    std::fs::remove_file(&small).unwrap();
    let repaired = machine.pkg(&["repair"]).expect(0);
    assert!(!repaired.stderr.contains("whole archive"), "{repaired}");
    machine.pkg(&["verify"]).expect(0);

    // The next publication brings what is new, and nothing else.
    dcos(&["repo", "publish", &folder, second.to_str().unwrap(), "--keys", &keys]);
    let uploaded = bucket.sync(&repository);
    assert!(uploaded.iter().all(|line| !line.contains("packages/a/")), "{uploaded:?}");
    machine.pkg(&["fetch", "b--1"]).expect(0);
    machine.pkg(&["fetch", "c--1"]).expect(4);

    // What is revoked goes from the bucket, and is refused on a node that has it.
    dcos(&["repo", "revoke", &folder, "b--1", "--keys", &keys]);
    let synced = bucket.sync(&repository);
    assert!(synced.contains(&"deleted packages/b/b--1.tar.zst".to_owned()), "{synced:?}");
    machine.pkg(&["available"]).expect(0);
    let report = machine.pkg(&["validate", "b--1", "--json"]).expect(3).json();
    let codes: Vec<&str> =
        report["problems"].as_array().unwrap().iter().filter_map(|one| one["code"].as_str()).collect();
    assert!(codes.contains(&"revoked"), "{report}");
    machine.pkg(&["remove", "b--1"]).expect(0);
    let refused = machine.pkg(&["fetch", "b--1", "--json"]).expect(3);
    assert_eq!(refused.json()["type"], "urn:dcos-bits:package-revoked", "{refused}");
}
