//! Refusals of files that people write: of a node, of options, of packages, of credentials.

use dcos_config::{InvalidOptions, Options, Syntax};
use dcos_core::node::{InvalidNodeConfig, NodeConfig};
use dcos_core::pkginfo::InvalidPkgInfo;
use dcos_core::requirement::InvalidRequirement;
use dcos_core::{ExitCode, PkgInfo, Problem};
use dcos_deploy::trust::InvalidCredentials;

use super::{denied, examples};

/// As whoever reads the file says it.
fn told(error: &dyn std::error::Error, name: &str, what: &str, hint: &str) -> Problem {
    Problem::new(ExitCode::Usage, name, format!("{what}: {}", Problem::chain(error))).hint(hint)
}

#[test]
fn of_a_node_file() {
    #[derive(Debug)]
    struct Told(InvalidNodeConfig);
    impl From<Told> for Problem {
        fn from(Told(error): Told) -> Self {
            told(&error, "bad-node-file", "`/etc/dcos/node.toml`", "docs/node.toml is an example with every key")
        }
    }
    let of = |text: &str| Told(NodeConfig::parse(text).map(|_| ()).expect_err("that is no node file"));
    let empty = "role = \"agent\"\ngroup = \"\"\n[mesos]\nip = \"10.0.0.7\"\nport = 5051\nwork_dir = \"/w\"\n\
        runtime_dir = \"/r\"\nmaster = \"10.0.0.1:5050\"\nzk = \"zk://10.0.0.1:2181/mesos\"\n";
    examples! { "node-file", Told:
        Told(InvalidNodeConfig::Toml(_)) => of("rolle = \"agent\"\n"),
        Told(InvalidNodeConfig::Value { .. }) => of(empty),
    }
}

#[test]
fn of_options() {
    #[derive(Debug)]
    struct Told(InvalidOptions);
    impl From<Told> for Problem {
        fn from(Told(error): Told) -> Self {
            error.problem()
        }
    }
    let of = |text: &str| Told(Options::parse(text, Syntax::Toml).map(|_| ()).expect_err("those are no options"));
    examples! { "options", Told:
        Told(InvalidOptions::Syntax { .. }) => of("role = agent\n"),
        Told(InvalidOptions::Findings(_)) => of(
            "role = \"agent\"\ngroup = \"agents\"\nmodules = []\n[flags]\nresorces = \"cpus:4\"\n"),
    }
}

#[test]
fn of_a_pkginfo() {
    #[derive(Debug)]
    struct Told(InvalidPkgInfo);
    impl From<Told> for Problem {
        fn from(Told(error): Told) -> Self {
            told(&error, "bad-pkginfo", "`pkginfo.json`", "docs/module.md says what is in it")
        }
    }
    let plain = r#"{"format": 1, "name": "a", "version": "1", "kind": "plain"}"#;
    let of = |from: &str, to: &str| {
        Told(PkgInfo::parse(&plain.replace(from, to)).map(|_| ()).expect_err("that is no pkginfo"))
    };
    examples! { "pkginfo", Told:
        Told(InvalidPkgInfo::Json(_)) => of("plain", "plane"),
        Told(InvalidPkgInfo::Format(_)) => of("\"format\": 1", "\"format\": 2"),
        Told(InvalidPkgInfo::Id(_)) => Told(InvalidPkgInfo::Id(
            "a".parse::<dcos_core::PackageId>().map(|_| ()).expect_err("that is no id"))),
        Told(InvalidPkgInfo::Field { .. }) => of("plain", "module"),
        Told(InvalidPkgInfo::Library(_)) => of("\"plain\"",
            r#""module", "mesos": {"version": "1.11.0"}, "modules": [{"library": "../x.so", "name": "x"}]"#),
    }
}

#[test]
fn of_a_requirement() {
    #[derive(Debug)]
    struct Told(InvalidRequirement);
    impl From<Told> for Problem {
        fn from(Told(error): Told) -> Self {
            told(&error, "bad-requirement", "`requires`", "such as `mesos >= 1.11.0, < 1.12.0`")
        }
    }
    let of = |text: &str| {
        Told(text.parse::<dcos_core::requirement::Requirement>().map(|_| ()).expect_err("that is no requirement"))
    };
    examples! { "requirement", Told:
        Told(InvalidRequirement::Id { .. }) => of("me sos"),
        Told(InvalidRequirement::Operator { .. }) => of("mesos >= 1.11.0, ~ 1.12.0"),
    }
}

#[test]
fn of_credentials() {
    #[derive(Debug)]
    struct Told(InvalidCredentials);
    impl From<Told> for Problem {
        fn from(Told(error): Told) -> Self {
            crate::dcos::bad_credentials(&error)
        }
    }
    let path = || "/home/alice/prod.credentials".into();
    let malformed = dcos_core::credentials::Credential::parse("secret").map(|_| ()).expect_err("a name is missing");
    examples! { "credentials", Told:
        Told(InvalidCredentials::Unreadable { .. }) => Told(InvalidCredentials::Unreadable { path: path(), source: denied() }),
        Told(InvalidCredentials::Open(_)) => Told(InvalidCredentials::Open(path())),
        Told(InvalidCredentials::Malformed { .. }) => Told(InvalidCredentials::Malformed { path: path(), source: malformed }),
    }
}

#[test]
fn of_a_name_or_version() {
    let mut page = super::Page::new("id");
    for text in [
        "",
        "a",
        "-a--1",
        "a b--1",
        "a--b--1",
        "a---1",
        "a--",
        "a--1/2",
        "a--1.tar.gz",
        &format!("a--{}", "1".repeat(210)),
    ] {
        let error = text.parse::<dcos_core::PackageId>().map(|_| ()).expect_err("that is no id");
        let problem = Problem::new(ExitCode::Usage, "invalid-id", error.to_string());
        page.add(&format!("`{}`", text.chars().take(20).collect::<String>()), problem.hint("such as `mesos--1.11.0`"));
    }
    page.compare();
}
