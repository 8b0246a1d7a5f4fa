#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dcos_core::PkgInfo;

use super::generate;
use crate::options::{InvalidOptions, Options, Syntax};

fn available() -> Vec<PkgInfo> {
    let info = |version: &str, parameters: &str, roles: &str, name: &str, module: &str| {
        PkgInfo::parse(&format!(
            r#"{{ "format": 1, "name": "{name}", "version": "{version}", "kind": "module", "roles": [{roles}],
                "mesos": {{ "version": "1.11.0" }},
                "modules": [ {{ "library": "lib/x.so", "name": "{module}", "parameters": {{ {parameters} }} }} ] }}"#
        ))
        .unwrap()
    };
    let limit = r#""limit": {"type": "integer", "default": 100}, "loud": {"type": "boolean"}"#;
    vec![
        info("1.2.0", limit, "\"agent\"", "fizzbuzz", "org_example_FizzBuzz"),
        info("1.1.0", "", "", "fizzbuzz", "org_example_Old"),
        info("0.1.0", r#""node": {"type": "node-file"}"#, "", "dcos-bits", "org_dcos_bits_Pkg"),
        info("1", "", "", "twin", "org_dcos_bits_Pkg"),
        PkgInfo::parse(r#"{"format": 1, "name": "libfoo", "version": "1", "kind": "plain"}"#).unwrap(),
    ]
}

const OPTIONS: &str = "role = \"agent\"\nmodules = [\"dcos-bits\", \"fizzbuzz\"]\n[flags]\nresources = \"cpus:4;mem:1024\"\n\
                       [parameters.org_example_FizzBuzz]\nlimit = 15\n";

fn made(text: &str) -> Result<super::ConfigPackage, InvalidOptions> {
    generate(&Options::parse(text, Syntax::Toml)?, &available())
}

#[test]
fn the_package_is_the_same_on_every_machine() {
    let package = made(OPTIONS).unwrap();
    // Recorded once: another id for the same options would make every node fetch and restart for nothing.
    assert_eq!(package.id.to_string(), "mesos-config--09b7723320d0");
    assert_eq!(package.files.keys().collect::<Vec<_>>(), ["etc/config.json", "etc/options.json", "pkginfo.json"]);
    assert_eq!(
        String::from_utf8_lossy(&package.files["etc/config.json"]),
        r#"{
  "environment": {
    "MESOS_RESOURCES": "cpus:4;mem:1024"
  },
  "format": 1,
  "modules": [
    {
      "name": "org_dcos_bits_Pkg",
      "parameters": {}
    },
    {
      "name": "org_example_FizzBuzz",
      "parameters": {
        "limit": "15"
      }
    }
  ],
  "role": "agent"
}
"#
    );
    let pkginfo = PkgInfo::parse(std::str::from_utf8(&package.files["pkginfo.json"]).unwrap()).unwrap();
    assert_eq!(pkginfo, package.pkginfo);
    assert_eq!(pkginfo.id(), package.id);
    let requires: Vec<String> = pkginfo.requires.iter().map(ToString::to_string).collect();
    assert_eq!(requires, ["mesos >= 1.10.0, < 1.12.0", "dcos-bits", "fizzbuzz"]);
    let options =
        Options::parse(std::str::from_utf8(&package.files["etc/options.json"]).unwrap(), Syntax::Json).unwrap();
    assert_eq!(generate(&options, &available()).unwrap(), package);
}

#[test]
fn every_change_makes_another_id_and_mere_form_does_not() {
    let id = made(OPTIONS).unwrap().id;
    assert_eq!(made(&format!("# a comment\n{OPTIONS}")).unwrap().id, id);
    for (from, to) in [
        ("15", "16"),
        ("cpus:4", "cpus:5"),
        ("[flags]", "[flags]\nisolation = \"posix/cpu\""),
        ("\"dcos-bits\", ", ""),
        ("role", "group = \"gpu\"\nrole"),
    ] {
        assert!(OPTIONS.contains(from));
        assert_ne!(made(&OPTIONS.replacen(from, to, 1)).unwrap().id, id, "{to}");
    }
}

#[test]
fn refusals_name_the_option_and_what_was_probably_meant() {
    for (from, to, code, message, hint) in [
        ("limit", "limt", "unknown-parameter", "`parameters.org_example_FizzBuzz.limt` is no parameter", "`limit`"),
        (
            "= 15",
            "= \"15\"",
            "parameter-type",
            "is the text \"15\", and a whole number is needed",
            "`15` without quotes",
        ),
        ("= 15", "= 1.5", "parameter-type", "is `1.5`, and a whole number is needed", ""),
        ("FizzBuzz]", "FizzBuz]", "unknown-module", "`parameters.org_example_FizzBuz`", "`org_example_FizzBuzz`"),
        ("\"fizzbuzz\"", "\"fizzbuz\"", "unknown-module", "no package `fizzbuz` is known", "`fizzbuzz`"),
        (
            "role = \"agent\"\nmodules = [\"dcos-bits\", \"fizzbuzz\"]\n[flags]\nresources = \"cpus:4;mem:1024\"",
            "role = \"master\"\nmodules = [\"fizzbuzz\"]\n[flags]\ncluster = \"x\"",
            "module-role",
            "`fizzbuzz` is not for a node of role `master`",
            "`agent`",
        ),
        ("\"dcos-bits\"", "\"dcos-bits\", \"twin\"", "duplicate-module", "of package `twin`", "only one"),
        ("\"dcos-bits\"", "\"libfoo\"", "no-modules", "is of kind `plain`", ""),
        (
            "limit = 15",
            "limit = 15\n[parameters.org_dcos_bits_Pkg]\nnode = \"/x\"",
            "parameter-type",
            "each node fills in",
            "leave",
        ),
    ] {
        assert!(OPTIONS.contains(from), "{from}");
        let error = made(&OPTIONS.replacen(from, to, 1)).unwrap_err();
        let problem = error.problem();
        let found = problem.problems.iter().find(|found| found.code == code);
        let found = found.unwrap_or_else(|| panic!("{code} for {to}: {problem:?}"));
        assert!(found.message.contains(message), "{}", found.message);
        assert!(found.hint.as_deref().unwrap_or_default().contains(hint), "{:?}", found.hint);
        assert_eq!(problem.exit_code(), dcos_core::ExitCode::Refused);
    }
}

#[test]
fn a_flag_of_a_newer_mesos_asks_for_it() {
    let text = "role = \"master\"\n[flags]\nregistry = \"in_memory\"\nallocator_recovery_timeout = \"5mins\"\n";
    let requires: Vec<String> = made(text).unwrap().pkginfo.requires.iter().map(ToString::to_string).collect();
    assert_eq!(requires, ["mesos >= 1.11.0, < 1.12.0"]);
}
