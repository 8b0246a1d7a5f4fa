//! Module records, read from real libraries beside a real Mesos when a package is built.

use std::path::PathBuf;

use super::machine::{Machine, pkg};
use crate::harness::program::Outcome;
use crate::module::mesos::{artifact, built, tree};

/// Builds a package of the sample module whose library was built for Mesos `library`, and which says it is for 1.11.0.
fn build(machine: &Machine, library: &str, module: &str) -> (Outcome, PathBuf) {
    let directory = machine.path("fizzbuzz");
    std::fs::create_dir_all(directory.join("lib")).unwrap();
    std::fs::copy(built(library, "libfizzbuzz.so"), directory.join("lib/libfizzbuzz.so")).unwrap();
    let pkginfo = format!(
        r#"{{"format": 1, "name": "fizzbuzz", "version": "1.2.0+mesos1.11.0", "kind": "module",
            "mesos": {{"version": "1.11.0"}}, "modules": [{{"library": "lib/libfizzbuzz.so", "name": "{module}"}}]}}"#
    );
    std::fs::write(directory.join("pkginfo.json"), pkginfo).unwrap();
    let archive = machine.path("fizzbuzz--1.2.0+mesos1.11.0.tar.zst");
    let probe = artifact("dcos-module-probe");
    let arguments = [
        "build",
        directory.to_str().unwrap(),
        "--output",
        archive.to_str().unwrap(),
        "--mesos",
        &tree("1.11.0").display().to_string(),
        "--probe",
        probe.to_str().unwrap(),
        "--json",
    ];
    (pkg(&arguments), archive)
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn the_record_in_the_library_goes_into_the_archive() {
    let machine = Machine::new(None);
    let (built, archive) = build(&machine, "1.11.0", "org_example_FizzBuzz");
    built.expect(0);
    machine.pkg(&["add", archive.to_str().unwrap()]).expect(0);
    let shown = machine.pkg(&["show", "fizzbuzz--1.2.0+mesos1.11.0", "--json"]).expect(0).json();
    let record = &shown["pkginfo"]["modules"][0]["record"];
    assert_eq!(record["mesos_version"], "1.11.0");
    assert_eq!(record["kind"], "Anonymous");
    // The directory that it was built from is as it was.
    let pkginfo = std::fs::read_to_string(machine.path("fizzbuzz/pkginfo.json")).unwrap();
    assert!(!pkginfo.contains("record"));
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn a_library_that_contradicts_its_package_is_not_built() {
    let machine = Machine::new(None);
    for (library, module, code) in
        [("1.10.0", "org_example_FizzBuzz", "module-mesos-version"), ("1.11.0", "org_example_Other", "no-record")]
    {
        let (refused, archive) = build(&machine, library, module);
        assert_eq!(refused.expect(3).json()["problems"][0]["code"], code);
        assert!(!archive.exists());
    }
}
