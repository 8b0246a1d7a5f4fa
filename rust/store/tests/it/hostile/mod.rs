//! What an attacker may send: for each rule a case that it alone refuses, and beside it a harmless twin.
//!
//! - `archives`: cases by hand; `systematic`: the same trick by every way into the archive; `twins`: for each rule an
//!   archive that differs from a case of it in what the rule is about, and is accepted
//! - `streams`: compression, sizes, bombs
//! - `advisories`: what was found in the archive readers of others
//! - `texts`: ids, requirements, pkginfo, manifests

mod advisories;
mod archives;
mod streams;
mod systematic;
mod texts;
mod twins;

use std::collections::BTreeSet;
use std::io::{Read, Write as _};
use std::path::Path;

use dcos_store::{Expected, Refusal, Rule, Store, StoreError};

use crate::fixture::walk;
use crate::tarball::{Tar, gzip, zstd};

/// A tar stream, and the rule that refuses it.
struct Case {
    name: String,
    rule: Rule,
    tar: Vec<u8>,
}

/// Shows a count in every run: the harness keeps what its tests print, and this goes past it.
fn say(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// A folder in memory, where there is such a place: these cases are many, and none of them is about the disk.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn receive(root: &Path, archive: &[u8]) -> Result<(), Refusal> {
    receive_from(root, archive, &Expected { origin: "test".to_owned(), ..Expected::default() })
}

fn receive_from(root: &Path, source: impl Read + Send, expected: &Expected) -> Result<(), Refusal> {
    let store = Store::open(root.join("store"), None).unwrap();
    match store.receive(source, expected) {
        Ok(_) => Ok(()),
        Err(StoreError::Archive { source, .. }) => Err(source),
        Err(error) => panic!("not a refusal: {}", dcos_core::Problem::chain(&error)),
    }
}

/// Receives, and checks that nothing is left and nothing was written elsewhere.
fn refused(name: &str, expected: Rule, archive: &[u8]) {
    let root = scratch();
    let outcome = receive(root.path(), archive);
    let refusal = outcome.expect_err(name);
    assert_eq!(refusal.rule, expected, "{name}: {refusal}");
    assert_eq!(walk(root.path()), ["store", "store/staging"], "{name}");
}

fn accepted(name: &str, archive: &[u8]) {
    let root = scratch();
    if let Err(refusal) = receive(root.path(), archive) {
        panic!("{name}: {refusal}");
    }
}

/// A tar of a package with something more in it.
fn tar(more: impl FnOnce(Tar) -> Tar) -> Vec<u8> {
    more(Tar::package()).end()
}

#[test]
fn each_rule_refuses_its_cases_in_both_compressions() {
    let cases: Vec<Case> = archives::cases().into_iter().chain(systematic::cases()).collect();
    for Case { name, rule, tar } in &cases {
        refused(name, *rule, &gzip(tar));
        refused(name, *rule, &zstd(tar));
    }
    let rules: BTreeSet<&str> = cases.iter().map(|case| case.rule.name()).collect();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "a case is there twice");
    say(&format!("hostile archives: {} cases of {} rules, each in both compressions", cases.len(), rules.len()));
    assert!(cases.len() >= 240, "{} cases", cases.len());
}

#[test]
fn every_rule_has_a_case_and_a_harmless_twin() {
    let mut seen: BTreeSet<&str> =
        archives::cases().into_iter().chain(systematic::cases()).map(|case| case.rule.name()).collect();
    seen.extend(streams::RULES.iter().map(|rule| rule.name()));
    let twins = twins::all();
    let twinned: BTreeSet<&str> = twins.iter().map(|(rule, _)| rule.name()).collect();
    for rule in Rule::ALL {
        assert!(seen.contains(rule.name()), "no case for `{rule}`");
        assert!(twinned.contains(rule.name()), "no twin for `{rule}`");
    }
    for (rule, archive) in &twins {
        accepted(&format!("the twin of `{rule}`"), archive);
    }
}
