//! The module probe against our own libraries, and against libraries that mean no good.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::mesos::{artifact, built, tree};

/// Runs the probe; its exit status, its document, its messages.
fn run(version: &str, arguments: &[&str], library: &Path, symbols: &[&str]) -> (Option<i32>, Value, String) {
    let output = Command::new(artifact("dcos-module-probe"))
        .args(arguments)
        .arg("--mesos")
        .arg(tree(version).join("lib/libmesos.so"))
        .arg(library)
        .args(symbols)
        .env("SECRET", "not for libraries")
        .output()
        .expect("the probe");
    let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), document, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A library made of `source`.
fn compile(directory: &TempDir, source: &str) -> PathBuf {
    let (input, library) = (directory.path().join("hostile.c"), directory.path().join("libhostile.so"));
    let prologue = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <signal.h>\n#include <unistd.h>\n\
                    #include <fcntl.h>\nextern char **environ;\n#define START __attribute__((constructor)) static void start(void)\n";
    std::fs::write(&input, format!("{prologue}{source}\n")).expect("a source file");
    let status = Command::new("cc").args(["-w", "-shared", "-fPIC", "-o"]).arg(&library).arg(&input).status();
    assert!(status.expect("a C compiler").success(), "compiling failed: {source}");
    library
}

/// Why the library made of `source` is not loadable.
fn refusal(source: &str) -> String {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let library = compile(&directory, source);
    let (status, document, messages) = run("1.11.0", &["--timeout", "5"], &library, &["org_example_Hostile"]);
    assert_eq!((status, &document["loadable"]), (Some(0), &json!(false)), "{document} {messages}");
    let reason = document["error"].as_str().expect("a reason").to_owned();
    reason.replace(library.to_str().expect("a path in UTF-8"), "LIBRARY")
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn records_of_both_versions_are_read_under_either() {
    for mesos in ["1.10.0", "1.11.0"] {
        for version in ["1.10.0", "1.11.0"] {
            let symbols = ["org_dcos_bits_Pkg", "org_dcos_bits_Nothing", "org_dcos_bits_Deploy"];
            let (status, document, messages) = run(mesos, &[], &built(version, "libdcos_bits.so"), &symbols);
            assert_eq!((status, messages.as_str()), (Some(0), ""));
            assert_eq!((&document["loadable"], &document["error"]), (&json!(true), &json!(null)), "{document}");
            assert_eq!(document["missing"], json!(["org_dcos_bits_Nothing"]));
            let seen: Vec<_> = document["modules"].as_array().expect("a list").iter().map(summary).collect();
            let expected = ["org_dcos_bits_Pkg", "org_dcos_bits_Deploy"]
                .map(|name| json!([name, "2", version, "Anonymous", null]));
            assert_eq!(seen, expected);
        }
    }
}

fn summary(module: &Value) -> Value {
    json!([module["symbol"], module["api_version"], module["mesos_version"], module["kind"], module["compatible"]])
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn a_record_that_is_filled_in_at_start_up_is_read() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // As a compiler may do it: the strings are put in by a constructor. One is not UTF-8.
    let library = compile(
        &directory,
        r#"static int fits(void) { return 0; }
           void *org_example_Late[8];
           START { char *texts[] = {"2", "1.11.0", "Hook", "\xff\"", "a\nb", ""}; memcpy(org_example_Late, texts, 48);
                   org_example_Late[6] = fits; }"#,
    );
    let (status, document, _) = run("1.11.0", &[], &library, &["org_example_Late"]);
    assert_eq!(status, Some(0));
    let expected = json!({"symbol": "org_example_Late", "api_version": "2", "mesos_version": "1.11.0", "kind": "Hook",
        "author_name": "\u{fffd}\"", "author_email": "a\nb", "description": "", "compatible": false});
    assert_eq!(document["modules"], json!([expected]));
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn what_is_no_library_is_not_loadable() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("text");
    std::fs::write(&file, "not a library at all").expect("a file");
    for (path, reason) in
        [(file.as_path(), "file too short"), (Path::new("/nowhere/at/all"), "No such file or directory")]
    {
        let (status, document, _) = run("1.11.0", &[], path, &["org_example_Hostile"]);
        assert_eq!((status, &document["loadable"]), (Some(0), &json!(false)));
        let error = document["error"].as_str().expect("a reason");
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(refusal("void nowhere(void); START { nowhere(); }"), "LIBRARY: undefined symbol: nowhere");
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn what_crashes_hangs_or_leaves_is_told_apart() {
    let loading = |ending: &str| format!("{ending} while loading the library");
    assert_eq!(refusal("START { raise(SIGSEGV); }"), loading("killed by SIGSEGV"));
    assert_eq!(refusal("START { exit(0); }"), loading("exited with status 0"));
    assert_eq!(refusal("START { for (;;) pause(); }"), loading("not done within 5 s"));
    assert_eq!(refusal("START { for (;;) if (!malloc(1 << 24)) abort(); }"), loading("killed by SIGABRT"));
    // A record that points nowhere.
    let wild = "killed by SIGSEGV while reading the record of module `org_example_Hostile`";
    assert_eq!(refusal("long org_example_Hostile[8] = {1, 2, 3};"), wild);
    // Talking without end into the channel ends it, whatever it says.
    let flood = refusal("START { char junk[4096] = {4}; for (;;) write(3, junk, sizeof junk); }");
    assert!(flood.ends_with("while loading the library"), "{flood}");
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn a_library_sees_nothing_and_changes_nothing() {
    // Each is a crash of its own if the confinement has a hole.
    let environment = "START { if (environ && *environ) raise(SIGUSR1); raise(SIGTERM); }";
    assert_eq!(refusal(environment), "killed by SIGTERM while loading the library");
    let descriptors = "START { for (int fd = 4; fd < 1024; fd++) if (fcntl(fd, F_GETFD) >= 0 && fcntl(fd, F_GETFL) & O_RDWR) \
                       raise(SIGUSR1); raise(SIGTERM); }";
    assert_eq!(refusal(descriptors), "killed by SIGTERM while loading the library");

    let directory = tempfile::tempdir().expect("a temporary directory");
    let kept = directory.path().join("kept");
    std::fs::write(&kept, "as it was").expect("a file");
    let path = kept.to_str().expect("a path in UTF-8");
    let writing = format!(
        r#"START {{ signal(SIGXFSZ, SIG_IGN); int fd = open("{path}", O_WRONLY); if (fd >= 0) write(fd, "x", 1);
           raise(SIGTERM); }}"#
    );
    assert_eq!(refusal(&writing), "killed by SIGTERM while loading the library");
    assert_eq!(std::fs::read_to_string(&kept).expect("the file"), "as it was");
    // What it prints does not end up in the document.
    assert_eq!(
        refusal(r#"START { puts("{"); fflush(stdout); raise(SIGTERM); }"#),
        "killed by SIGTERM while loading the library"
    );
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn nothing_that_a_library_starts_outlives_the_probe() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Out of the process group, with the channel open, and with a parent that ends: as fled as one can be.
    let library = compile(
        &directory,
        "START { if (!fork()) { setsid(); if (!fork()) { alarm(600); for (;;) pause(); } _exit(0); } usleep(200000); }",
    );
    let started = Instant::now();
    let (status, document, messages) = run("1.11.0", &[], &library, &["org_example_Hostile"]);
    assert_eq!((status, &document["loadable"]), (Some(0), &json!(true)), "{document} {messages}");
    assert!(started.elapsed() < Duration::from_secs(15), "the probe waited for what the library started");
    let path = library.to_str().expect("a path in UTF-8");
    let survivors: Vec<_> = std::fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("maps")).ok())
        .filter(|maps| maps.contains(path))
        .collect();
    assert_eq!(survivors.len(), 0, "a process of the library is left");
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn what_cannot_be_told_is_an_error() {
    let probe = |arguments: &[&str]| {
        let output = Command::new(artifact("dcos-module-probe")).args(arguments).output().expect("the probe");
        (output.status.code(), output.stdout.is_empty(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, silent, message) = probe(&["--mesos", "/nowhere/libmesos.so", "/nowhere/lib.so", "symbol"]);
    assert_eq!((status, silent), (Some(1), true));
    assert!(message.contains("loading `/nowhere/libmesos.so` failed"), "{message}");
    for arguments in
        [&[][..], &["--mesos"], &["--mesos", "/lib.so", "/lib.so"], &["--nonsense", "1", "/lib.so", "symbol"]]
    {
        let (status, silent, message) = probe(arguments);
        assert_eq!((status, silent), (Some(2), true), "{arguments:?}");
        assert!(message.starts_with("Usage: dcos-module-probe"), "{message}");
    }
}
