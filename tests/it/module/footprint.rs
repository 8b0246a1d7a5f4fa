//! What the module leaves alone in its host's process.

use std::collections::BTreeSet;
use std::fs;

use super::mesos::{EVERYWHERE, Mesos, Role, test_modules};

/// The open-flag bit of a descriptor that children do not inherit, as in /proc's fdinfo.
const CLOEXEC: u32 = 0o2_000_000;

/// What a child of this Mesos would inherit, by what the descriptors point at; numbers of sockets and pipes vary.
fn inheritable(mesos: &Mesos) -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(mesos.proc("fd"))
        .expect("the descriptors of Mesos")
        .filter_map(|entry| {
            let entry = entry.ok()?;
            // One that is gone by now was not the module's.
            let info = fs::read_to_string(mesos.proc("fdinfo").join(entry.file_name())).ok()?;
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?.trim().to_owned();
            let kept = u32::from_str_radix(&flags, 8).ok()? & CLOEXEC == 0;
            let target = fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
            kept.then(|| target.split(':').next().unwrap_or_default().to_owned())
        })
        .collect();
    found.retain(|target| !target.ends_with("/log"));
    found.sort();
    found
}

/// The signals that are caught, ignored and blocked, as /proc prints them.
fn signals(mesos: &Mesos) -> BTreeSet<String> {
    let status = fs::read_to_string(mesos.proc("status")).expect("the status of Mesos");
    let wanted = ["SigBlk:", "SigIgn:", "SigCgt:"];
    status.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect()
}

fn environment(mesos: &Mesos) -> BTreeSet<Vec<u8>> {
    let bytes = fs::read(mesos.proc("environ")).expect("the environment of Mesos");
    let variables = bytes.split(|&byte| byte == 0).map(<[u8]>::to_vec);
    variables.filter(|variable| !variable.starts_with(b"MESOS_")).collect()
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn signals_environment_and_inheritable_descriptors_are_as_without_the_module() {
    for (version, role) in EVERYWHERE {
        let without = Mesos::start_with(version, role, None, &[]);
        let with = Mesos::start(version, role, &test_modules(version));
        // Both kinds of answer have been given once: the runtime runs, and a panic has been caught.
        for path in ["/pkg/health", "/pkg/state/slow?milliseconds=1", "/pkg/state/panic"] {
            with.get(path);
        }
        assert_eq!(signals(&with), signals(&without), "{version} {role:?}");
        assert_eq!(environment(&with), environment(&without), "{version} {role:?}");
        assert_eq!(inheritable(&with), inheritable(&without), "{version} {role:?}");
    }
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn a_mesos_that_gives_up_after_it_made_the_modules_ends_as_it_would_without() {
    for version in ["1.10.0", "1.11.0"] {
        let isolation = [("MESOS_ISOLATION", "nonsense")];
        let mut mesos = Mesos::spawn(version, Role::Agent, Some(&test_modules(version)), &isolation);
        // An orderly exit runs destructors under the feet of the module's threads; that must not end in a signal.
        assert_eq!(mesos.wait_for_end().code(), Some(1), "{}", mesos.log());
        assert!(mesos.log().contains("Unknown or unsupported isolator 'nonsense'"), "{}", mesos.log());
    }
}
