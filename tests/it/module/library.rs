//! The libraries themselves: what they export, what Mesos says to them, and the sample module.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use super::mesos::{Mesos, Role, built, manifest};

/// The number of SIGSEGV on Linux.
const SIGSEGV: i32 = 11;

/// The names of the symbols that `library` defines for others.
fn exported(library: &std::path::Path) -> Vec<String> {
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(library).output().expect("`nm` of binutils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names in ASCII");
    text.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn only_the_module_records_are_exported() {
    let ours = ["Deploy", "Pkg", "Provision", "Restart"].map(|part| format!("org_dcos_bits_{part}"));
    for version in ["1.10.0", "1.11.0"] {
        assert_eq!(exported(&built(version, "libdcos_bits.so")), ours);
        assert_eq!(exported(&built(version, "libdcos_bits_test.so")), ours);
        assert_eq!(exported(&built(version, "libfizzbuzz.so")), ["org_example_FizzBuzz"]);
    }
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn the_test_router_is_not_in_the_product() {
    for version in ["1.10.0", "1.11.0"] {
        let holds = |name| {
            let bytes = std::fs::read(built(version, name)).expect("a library");
            bytes.windows(11).any(|window| window == b"panic-later")
        };
        assert!(holds("libdcos_bits_test.so"), "the test build has no test router: what is looked for is wrong");
        assert!(!holds("libdcos_bits.so"), "the product has the test router");
    }
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn the_sample_module_counts_up_to_its_limit() {
    for (version, role) in super::mesos::EVERYWHERE {
        let sample = manifest(&built(version, "libfizzbuzz.so"), &["org_example_FizzBuzz"], &[("limit", "300")]);
        let mut mesos = Mesos::start(version, role, &sample);
        assert_eq!(mesos.get("/fizzbuzz/health").status, 200);
        let says = |n: &str| mesos.get(&format!("/fizzbuzz/count?n={n}")).json()["says"].clone();
        assert_eq!(["3", "10", "300", "301", "7"].map(says), ["Fizz", "Buzz", "FizzBuzz", "", "7"].map(said));
        mesos.assert_alive();
    }
}

/// What is said, as JSON; nothing for an error.
fn said(text: &str) -> serde_json::Value {
    if text.is_empty() { serde_json::Value::Null } else { text.into() }
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn the_crashing_sample_takes_its_mesos_down_after_it_answered() {
    let sample = manifest(&built("1.11.0", "crash/libfizzbuzz.so"), &["org_example_FizzBuzz"], &[]);
    let mut mesos = Mesos::start("1.11.0", Role::Agent, &sample);
    assert_eq!(mesos.get("/fizzbuzz/health").status, 200);
    assert_eq!(mesos.wait_for_end().signal(), Some(SIGSEGV));
}
