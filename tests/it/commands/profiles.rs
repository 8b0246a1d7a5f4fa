//! Clusters by name, and who one is there.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::harness::program::{Outcome, run};

/// An operator with a home of their own.
struct Operator(tempfile::TempDir);

impl Operator {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn dcos_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Outcome {
        let mut environment = vec![("XDG_CONFIG_HOME", self.0.path().as_os_str())];
        environment.extend(more.iter().map(|(name, value)| (*name, OsStr::new(value))));
        run(Path::new(env!("CARGO_BIN_EXE_dcos")), arguments, &environment)
    }

    fn dcos(&self, arguments: &[&str]) -> Outcome {
        self.dcos_with(arguments, &[])
    }
}

#[test]
fn a_cluster_is_named_once_and_used_from_then_on() {
    let (_machine, master) = super::exits::master();
    let url = master.url.clone();
    let alice = Operator::new();
    alice.dcos(&["profile", "add", "lab", "--url", &url]).expect(0);
    alice.dcos(&["deploy", "list"]).expect(0);
    alice.dcos(&["profile", "add", "prod", "--url", "http://127.0.0.1:1"]).expect(0);
    alice.dcos(&["deploy", "list"]).expect(0);
    alice.dcos(&["--profile", "prod", "deploy", "list"]).expect(9);
    alice.dcos_with(&["deploy", "list"], &[("DCOS_PROFILE", "prod")]).expect(9);
    alice.dcos(&["profile", "use", "prod"]).expect(0);
    alice.dcos(&["deploy", "list"]).expect(9);
    let listed = alice.dcos(&["profile", "list"]).expect(0).stdout;
    assert_eq!(
        listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>(),
        ["USED NAME URL WHO", &format!("lab {url} nobody"), "* prod http://127.0.0.1:1 nobody"]
    );
    // Who names an address and the profile of another cluster may mean either.
    let two = alice.dcos(&["--profile", "prod", "--url", &url, "deploy", "list"]).expect(2);
    assert!(two.stderr.contains("two clusters are named"), "{two}");
    alice.dcos(&["profile", "add", "lab", "--url", "http://127.0.0.1:1"]).expect(5);
    alice.dcos(&["profile", "remove", "prod"]).expect(0);
    alice.dcos(&["deploy", "list"]).expect(2);
    alice.dcos(&["profile", "use", "prod"]).expect(4);
    let mode = std::fs::metadata(alice.0.path().join("dcos/config.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[test]
fn a_secret_comes_from_a_file_that_is_closed_or_from_the_environment_and_is_never_guessed() {
    let alice = Operator::new();
    let file = alice.0.path().join("prod.credentials");
    std::fs::write(&file, "alice wonderland\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let path = file.to_str().unwrap();
    let ask = ["--url", "http://127.0.0.1:1", "deploy", "list"];
    let open = alice.dcos_with(&ask, &[("DCOS_CREDENTIALS", path)]).expect(2);
    assert!(open.stderr.contains(&format!("hint: `chmod 600 {path}` closes it")), "{open}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    alice.dcos_with(&ask, &[("DCOS_CREDENTIALS", path)]).expect(9);
    // Nobody sits at a terminal here.
    let nobody = alice.dcos_with(&ask, &[("DCOS_PRINCIPAL", "alice")]).expect(2);
    assert!(nobody.stderr.contains("`DCOS_SECRET` is not set, and nobody is there to be asked"), "{nobody}");
    alice.dcos_with(&ask, &[("DCOS_PRINCIPAL", "alice"), ("DCOS_SECRET", "wonderland")]).expect(9);
    alice.dcos_with(&ask, &[("DCOS_PRINCIPAL", "al:ice"), ("DCOS_SECRET", "wonderland")]).expect(2);
}

#[test]
fn what_destroys_is_refused_where_nobody_can_be_asked() {
    let alice = Operator::new();
    let backup = alice.0.path().join("cluster.json");
    let backup = backup.to_str().unwrap();
    let (_machine, master) = super::exits::master();
    alice.dcos(&["--url", &master.url, "deploy", "backup", backup]).expect(0);
    let restore = ["--url", &master.url, "deploy", "restore", backup];
    let refused = alice.dcos(&restore).expect(3);
    alice.dcos(&[&restore[..], &["--yes"]].concat()).expect(0);
    assert!(refused.stderr.contains("nobody is there to be asked\nhint: `--yes` says that it is meant"), "{refused}");
}
