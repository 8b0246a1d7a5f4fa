//! What provisioning refuses before it asks anybody: over HTTP and by `dcos`, each time with the reason and the next step, and
//! with nothing begun. A master that is `dcos-node` is enough for it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::LOCAL;
use crate::harness::program::run;
use crate::harness::served::Served;
use crate::node::kind;

/// A master without Mesos, and the folder where its provider would make machines.
struct Master {
    served: Served,
    _folder: tempfile::TempDir,
    machines: PathBuf,
}

impl Master {
    /// `provision` is what the file says that `[provision]` names; without it there is no such table.
    fn start(provision: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut text = format!(
            "root = {:?}\nrole = \"master\"\ngroup = \"masters\"\n[mesos]\nip = \"127.0.0.1\"\nport = 5050\n\
             work_dir = {:?}\n[supervisor]\nkind = \"process\"\n[limits]\ninsecure_allow_anonymous = true\n",
            at("root"),
            at("work")
        );
        if let Some(provision) = provision {
            let provision = provision.replace("@YARD@", &at("machines").display().to_string());
            std::fs::write(at("provision.toml"), provision).unwrap();
            text.push_str(&format!("[provision]\nconfig = {:?}\n", at("provision.toml")));
        }
        std::fs::write(at("node.toml"), text).unwrap();
        Self { served: Served::start(&at("node.toml"), &[]), machines: at("machines"), _folder: folder }
    }

    /// Asks for agents in both ways. Both say the same: the status, the exit code, the problem's name, what its text and its
    /// first hint contain.
    #[track_caller]
    fn refuses(&self, (words, body): (&[&str], Value), (status, code, name): (u16, i32, &str), says: [&str; 2]) {
        let (answered, problem) = self.served.post("/provision/add_slave", &body);
        assert_eq!((answered, problem["type"].as_str()), (status, Some(format!("urn:dcos-bits:{name}").as_str())));
        let outcome = self.dcos(&[&["--json", "slave", "add"], words].concat());
        assert_eq!(outcome.code, Some(code), "{outcome}");
        for problem in [problem, outcome.json()] {
            assert_eq!(problem["type"], format!("urn:dcos-bits:{name}"), "{problem}");
            let texts = [&problem["detail"], &problem["hints"][0]].map(|text| text.as_str().unwrap_or_default());
            assert!(texts[0].contains(says[0]) && texts[1].contains(says[1]), "{problem:#}");
        }
        let told = self.dcos(&[&["slave", "add"], words].concat());
        assert!(told.stderr.contains("error: ") && told.stderr.contains("\nhint: "), "{told}");
        assert!(!self.machines.exists(), "it made something");
    }

    fn dcos(&self, words: &[&str]) -> crate::harness::program::Outcome {
        run(Path::new(env!("CARGO_BIN_EXE_dcos")), words, &[("DCOS_URL", OsStr::new(&self.served.url))])
    }

    /// No operation was ever begun.
    #[track_caller]
    fn has_begun_nothing(&self) {
        let (status, operations) = self.served.ask("GET", "/provision/operations", None);
        assert_eq!((status, &operations["operations"]), (200, &json!([])), "{operations}");
    }
}

/// Machines of this one, at most two in all and three at once.
fn provision() -> String {
    format!(
        "cluster = \"test\"\n[limits]\nper_request = 3\nmachines = 2\n[bootstrap]\nmasters = [\"http://127.0.0.1:5050\"]\n\
         package = {{ url = \"http://127.0.0.1:1/dcos-bits.tar.gz\", sha256 = \"{}\" }}\n{LOCAL}",
        "0".repeat(64)
    )
}

#[test]
fn what_no_machine_could_be_made_of_is_refused_without_asking_anybody() {
    let master = Master::start(Some(&provision()));
    for (words, body, answer, says) in [
        (
            &["--class", "huge"][..],
            json!({"count": 1, "class": "huge"}),
            (404, 4, "no-such-class"),
            ["no class of machines `huge`", "there are: broken, small"],
        ),
        (&[], json!({"count": 1}), (400, 2, "no-class"), ["is not said", "there are: broken, small"]),
        (
            &["--class", "small", "--count", "4"],
            json!({"count": 4, "class": "small"}),
            (400, 2, "bad-count"),
            ["4 agents can't be asked for", "ask for 1 to 3"],
        ),
        (
            &["--class", "small", "--count", "3"],
            json!({"count": 3, "class": "small"}),
            (422, 3, "too-many"),
            ["above the limit of 2 machines", "raise `limits.machines`"],
        ),
    ] {
        master.refuses((words, body), answer, says);
    }
    // That is no number of agents for the command itself, which asks no master then.
    let (status, problem) = master.served.post("/provision/add_slave", &json!({"count": 0, "class": "small"}));
    assert_eq!((status, kind(&problem)), (400, "bad-count"), "{problem}");
    assert!(problem["hints"][0].as_str().is_some_and(|hint| hint.starts_with("ask for 1 to 3")), "{problem}");
    let none = master.dcos(&["slave", "add", "--class", "small", "--count", "0"]);
    assert!(none.code == Some(2) && none.stderr.contains("a whole number from 1 is needed"), "{none}");
    for (method, path) in [("GET", "/provision/operations/o1"), ("DELETE", "/provision/operations/o1")] {
        let (status, problem) = master.served.ask(method, path, None);
        assert_eq!((status, problem["type"].as_str()), (404, Some("urn:dcos-bits:no-such-operation")), "{problem}");
        assert!(problem["hints"][0].as_str().is_some_and(|hint| hint.contains("dcos slave operations")), "{problem}");
    }
    master.has_begun_nothing();
}

#[test]
fn a_master_without_a_provider_or_with_a_broken_file_says_so() {
    let asked = || (&["--count", "1"][..], json!({"count": 1}));
    let says = ["no provider of machines is configured", "under `[provision]` of the masters' `node.toml`"];
    let none = Master::start(None);
    none.refuses(asked(), (503, 9, "not-configured"), says);
    assert_eq!(none.served.ask("GET", "/provision/health", None).0, 200);

    let broken = Master::start(Some(&provision().replace("sha256 = \"0", "sha256 = \"x")));
    let says = ["`bootstrap.package.sha256` is not 64 lower-case hexadecimal digits", "mend the file"];
    broken.refuses(asked(), (503, 9, "provisioning-failed"), says);
}
