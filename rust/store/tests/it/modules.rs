//! What is learned of module libraries before a set is entered, with a program in place of the real one: what it says is
//! what the test wants it to.

use std::fs;

use dcos_core::PackageSet;

use crate::fixture::Node;

const CONFIG: &str = r#"{"format":1,"role":"agent","environment":{},
    "modules":[{"name":"org_example_FizzBuzz","parameters":{}}]}"#;

/// A set whose probe is this shell script.
fn node_with(script: &str) -> (Node, PackageSet) {
    let node = Node::new();
    let binding = r#""mesos":{"version":"1.11.0"}"#;
    let module = format!(
        r#""kind":"module",{binding},"modules":[{{"library":"lib/libfizzbuzz.so","name":"org_example_FizzBuzz"}}]"#
    );
    let probe = format!("#!/bin/sh\n{script}\n");
    let set = [
        node.add(
            "mesos--1.11.0",
            &format!(r#""kind":"mesos",{binding}"#),
            &[("bin/mesos-agent!", ""), ("lib/libmesos.so", "m")],
        ),
        node.add("conf--1", r#""kind":"mesos-config""#, &[("etc/config.json", CONFIG)]),
        node.add("dcos-bits--1", r#""kind":"plain""#, &[("libexec/dcos-bits/dcos-module-probe!", &probe)]),
        node.add("fizzbuzz--1+mesos1.11.0", &module, &[("lib/libfizzbuzz.so", "f")]),
    ];
    (node, set.into_iter().collect())
}

fn answer(mesos_version: &str) -> String {
    format!(
        r#"echo '{{"library":"x","loadable":true,"error":null,"missing":[],"modules":[{{"symbol":"org_example_FizzBuzz","api_version":"2","mesos_version":"{mesos_version}","kind":"Anonymous","author_name":"a","compatible":null}}]}}'"#
    )
}

fn codes(node: &Node, set: &PackageSet) -> Vec<String> {
    let report = node.store().validate(set).unwrap();
    report.problems.into_iter().chain(report.notes).map(|finding| finding.code).collect()
}

#[test]
fn the_program_is_given_both_libraries_and_asked_once() {
    let (node, set) =
        node_with(&format!("echo \"$@\" >> \"$(dirname \"$0\")/../../../../../asked\"\n{}", answer("1.11.0")));
    assert_eq!(codes(&node, &set), Vec::<String>::new());
    assert_eq!(codes(&node, &set), Vec::<String>::new());
    let packages = node.root().join("packages");
    let expected = format!(
        "--mesos {0}/mesos--1.11.0/lib/libmesos.so {0}/fizzbuzz--1+mesos1.11.0/lib/libfizzbuzz.so org_example_FizzBuzz\n",
        packages.display()
    );
    assert_eq!(fs::read_to_string(node.path("asked")).unwrap(), expected);
}

#[test]
fn a_library_that_says_another_mesos_than_its_package_is_refused() {
    let (node, set) = node_with(&answer("1.10.0"));
    let report = node.store().validate(&set).unwrap();
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].code, "module-mesos-version");
    for part in ["1.10.0", "1.11.0", "lib/libfizzbuzz.so"] {
        assert!(report.problems[0].message.contains(part), "{}", report.problems[0].message);
    }
}

#[test]
fn what_becomes_of_the_program_is_told_apart() {
    for (script, code) in [
        ("kill -SEGV $$", "module-kills"),
        ("exit 1", "module-record-unknown"),
        ("echo nonsense", "module-record-unknown"),
        (r#"echo '{"loadable":false,"error":"undefined symbol: x"}'"#, "module-not-loadable"),
        (r#"echo '{"loadable":true,"missing":["org_example_FizzBuzz"]}'"#, "module-symbol-missing"),
    ] {
        let (node, set) = node_with(script);
        assert_eq!(codes(&node, &set), [code], "{script}");
    }
}

#[test]
fn an_answer_that_fails_is_asked_for_again() {
    let (node, set) = node_with(&format!(
        "f=\"$(dirname \"$0\")/../../../../../asked\"\n[ -e \"$f\" ] || {{ : > \"$f\"; kill -SEGV $$; }}\n{}",
        answer("1.11.0")
    ));
    assert_eq!(codes(&node, &set), ["module-kills"]);
    assert_eq!(codes(&node, &set), Vec::<String>::new());
}
