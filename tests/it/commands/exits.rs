//! What is printed with every exit code, word by word, in `tests/golden/exits`: by `dcos` for all of them, since it can give
//! all, and by the other programs for those that they give without a running Mesos. Real commands against a real `dcos-node`,
//! real stores and real repositories; against a fake master where only a restart that goes wrong leads there.
//! `DCOS_GOLDEN=update` writes the files anew.

use std::path::Path;

use dcos_core::ExitCode;
use dcos_core::attempt::AttemptState;
use dcos_testkit::golden::Wrong;

use super::fake_master::FakeMaster;
use crate::harness::program::{Outcome, dcos, run};
use crate::harness::served::Served;
use crate::node::Machine;

/// The outcome with what differs from run to run taken out.
fn settled(outcome: &Outcome, replaced: &[(&str, &str)]) -> String {
    let mut text = outcome.to_string();
    for (from, to) in replaced {
        text = text.replace(from, to);
    }
    // What an archive is compressed to is not what these pages are about.
    let digests: Vec<String> = text
        .split(|letter: char| !letter.is_ascii_hexdigit())
        .filter(|word| word.len() == 64)
        .map(str::to_owned)
        .collect();
    for digest in digests {
        text = text.replace(&digest, "DIGEST");
    }
    // Lines of progress begin with the time of day.
    let is_time = |word: &str| word.len() == 8 && word.bytes().filter(|byte| *byte == b':').count() == 2;
    let lines = text.lines().map(|line| match line.split_once(' ') {
        Some((time, rest)) if is_time(time) => format!("HH:MM:SS {rest}"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// `dcos` with the address of `url`, as `http://MASTER`.
fn at(url: &str, arguments: &[&str]) -> (Outcome, String) {
    let arguments: Vec<&str> = ["--url", url].iter().chain(arguments).copied().collect();
    let outcome = dcos(&arguments);
    let text = settled(&outcome, &[(url, "http://MASTER")]);
    (outcome, text)
}

/// A real controller, of a cluster that has no agents.
pub(super) fn master() -> (Machine, Served) {
    let machine = Machine::new("master", "");
    let served = Served::start(&machine.path("node.toml"), &[]);
    (machine, served)
}

/// A command of `dcos` that ends with that code: a new code has to be given an example here.
fn example(code: ExitCode) -> (Outcome, String) {
    match code {
        ExitCode::Done => at(&master().1.url, &["deploy", "list"]),
        ExitCode::Unexpected => {
            let fake = FakeMaster::answering(std::collections::BTreeMap::new());
            at(&fake.url, &["deploy", "list"])
        }
        ExitCode::Usage => {
            let outcome = dcos(&["deploy", "explain"]);
            let text = settled(&outcome, &[]);
            (outcome, text)
        }
        ExitCode::Refused => {
            let folder = tempfile::tempdir().unwrap();
            let options = folder.path().join("agents.toml");
            std::fs::write(&options, "role = \"agent\"\n[flags]\nresorces = \"cpus:4\"\n").unwrap();
            let home = folder.path().to_str().unwrap();
            let outcome = dcos(&["config", "generate", "--options", options.to_str().unwrap(), "--output", home]);
            let text = settled(&outcome, &[(home, "HOME")]);
            (outcome, text)
        }
        ExitCode::NotFound => at(&master().1.url, &["deploy", "watch", "d99"]),
        ExitCode::Conflict => watching("paused", "waiting", true),
        ExitCode::RolledBack => watching("failed", "rolled_back", true),
        ExitCode::NeedsPerson => watching("failed", "lost", true),
        ExitCode::Halted => watching("halted", "waiting", false),
        ExitCode::Unreachable => at("http://127.0.0.1:1", &["deploy", "nodes"]),
    }
}

/// A command that waits for a deployment which is at that end.
fn watching(state: &str, node: &str, changed: bool) -> (Outcome, String) {
    let fake = FakeMaster::with_upgrade(state, node, changed);
    at(&fake.url, &["deploy", "watch", "d7"])
}

#[test]
fn dcos_says_with_every_exit_code_what_came_of_it() {
    let mut wrong = Wrong::default();
    for code in ExitCode::ALL {
        let (outcome, text) = example(code);
        assert_eq!(outcome.code, Some(i32::from(code.number())), "{outcome}");
        wrong.compare_file(&format!("exits/dcos.{}.txt", code.number()), &text);
    }
    wrong.none();
}

#[test]
fn a_command_that_waits_says_last_what_is_running_now() {
    let mut wrong = Wrong::default();
    for (name, state, node, changed, code) in [
        ("done", "done", "confirmed", true, ExitCode::Done),
        ("failed-before-anything", "failed", "failed", false, ExitCode::Refused),
        ("paused", "paused", "waiting", true, ExitCode::Conflict),
        ("aborted", "aborted", "confirmed", true, ExitCode::Conflict),
        ("rolled-back", "failed", "rolled_back", true, ExitCode::RolledBack),
        ("lost", "failed", "lost", true, ExitCode::NeedsPerson),
        ("halted", "halted", "confirmed", true, ExitCode::Halted),
    ] {
        let (outcome, text) = watching(state, node, changed);
        assert_eq!(outcome.code, Some(i32::from(code.number())), "{outcome}");
        let last = outcome.stdout.lines().last().unwrap_or_default();
        assert!(last.contains("; running now: mesos--1.1"), "{outcome}");
        wrong.compare_file(&format!("exits/watch.{name}.txt"), &text);
    }
    wrong.none();
}

#[test]
fn a_command_that_waits_for_nobody_ends_with_9_and_says_that_it_goes_on() {
    let arguments = ["--patience", "0", "deploy", "watch", "d7"];
    let (outcome, text) = at("http://127.0.0.1:1", &arguments);
    assert_eq!(outcome.code, Some(9), "{outcome}");
    let mut wrong = Wrong::default();
    wrong.compare_file("exits/watch.unreachable.txt", &text);
    wrong.none();
}

#[test]
fn a_machine_without_a_node_is_nothing_for_the_doctor() {
    let outcome = dcos(&["doctor", "--node", "/nonexistent"]);
    assert_eq!(outcome.code, Some(4), "{outcome}");
    let mut wrong = Wrong::default();
    wrong.compare_file("exits/doctor.no-node.txt", &settled(&outcome, &[]));
    wrong.none();
}

#[test]
fn the_doctor_says_of_each_ill_node_and_deployment_what_to_type() {
    let mut wrong = Wrong::default();
    for (name, state, node, code) in
        [("ill", "failed", "lost", 7), ("halted", "halted", "waiting", 7), ("well", "done", "confirmed", 0)]
    {
        let fake = FakeMaster::with_upgrade(state, node, true);
        let (outcome, text) = at(&fake.url, &["doctor", "--cluster"]);
        assert_eq!(outcome.code, Some(code), "{outcome}");
        wrong.compare_file(&format!("exits/doctor.{name}.txt"), &text);
    }
    wrong.none();
}

/// The reports of attempts that came to each end that there is, as a helper leaves them: each is named by its end.
fn ended_attempts(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (place, state) in
        [AttemptState::Cancelled, AttemptState::RolledBack, AttemptState::Lost, AttemptState::Unconfirmed]
            .into_iter()
            .enumerate()
    {
        let detail = match state {
            AttemptState::Cancelled => "withdrawn: a halt stands",
            AttemptState::RolledBack => "Mesos has ended: it exited with status 1",
            AttemptState::Lost => {
                "the previous set does not come up either: Mesos has ended: it was killed by signal 9"
            }
            _ => "it can't be told whether it is registered: the master does not answer",
        };
        let check =
            serde_json::json!({"name": "registered", "answer": "cannot_tell", "detail": "the master does not answer"});
        let report = serde_json::json!({
            "attempt": state, "state": state, "detail": detail, "set": ["mesos--1.11.0"], "generation": 2,
            "previous_generation": 1, "started_at": "1970-01-01T00:00:00Z", "changed_at": "1970-01-01T00:00:10Z",
            "checks": if state == AttemptState::Unconfirmed { vec![check] } else { Vec::new() },
            "log": if state == AttemptState::RolledBack { vec!["the module has no licence"] } else { Vec::new() },
        });
        std::fs::write(folder.join(format!("{place:020}-000000000000.json")), report.to_string()).unwrap();
    }
}

#[test]
fn the_programs_of_a_machine_say_with_their_exit_codes_what_came_of_it() {
    let machine = Machine::new("agent", "");
    let node = machine.path("node.toml");
    let home = node.parent().unwrap().to_str().unwrap().to_owned();
    let node = node.to_str().unwrap();
    let text = |name: &str, content: &str| {
        let path = machine.path(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cut = text("fizzbuzz--1.2.0.tar.gz", "this is no archive");
    let typo = text("typo.toml", "rolle = \"agent\"\n");
    let unreachable = {
        let extra = "[repositories.release]\nurl = \"http://127.0.0.1:1/\"\n";
        text("unreachable.toml", &(std::fs::read_to_string(node).unwrap() + extra))
    };
    let [pkg, helper, server] =
        [env!("CARGO_BIN_EXE_dcos-pkg"), env!("CARGO_BIN_EXE_dcos-restart-helper"), env!("CARGO_BIN_EXE_dcos-node")];
    let used = text("used.toml", &std::fs::read_to_string(node).unwrap().replace("/root\"", "/used\""));
    let used = used.as_str();
    crate::node::publish(&machine, b"a tool\n");
    let tools = machine.path("tools--2.1.tar.gz");
    run(Path::new(pkg), &["--node", used, "add", tools.to_str().unwrap()], &[]).expect(0);
    // What a first attempt would have made.
    std::fs::create_dir_all(machine.path("used/state")).unwrap();
    // The same name with another content.
    let other = {
        std::fs::rename(&tools, machine.path("first.tar.gz")).unwrap();
        let (tree, other) = (machine.path("tree"), machine.path("tools--2.1.tar.gz"));
        std::fs::write(tree.join("share/tools"), b"another tool\n").unwrap();
        let arguments = ["build", tree.to_str().unwrap(), "--output", other.to_str().unwrap()];
        run(Path::new(pkg), &arguments, &[]).expect(0);
        other.to_str().unwrap().to_owned()
    };
    let ended = text("ended.toml", &std::fs::read_to_string(node).unwrap().replace("/root\"", "/ended\""));
    let ended = ended.as_str();
    ended_attempts(&machine.path("ended/state/attempts"));
    let mut wrong = Wrong::default();
    for (program, code, arguments) in [
        (pkg, 0, &["--node", node, "list"][..]),
        (pkg, 1, &["--root", &cut, "add", &cut]),
        (pkg, 2, &["--node", &typo, "list"]),
        (pkg, 3, &["--node", node, "add", &cut]),
        (pkg, 4, &["--node", node, "show", "mesos--1.11.0"]),
        (pkg, 5, &["--node", used, "add", &other]),
        (pkg, 9, &["--node", &unreachable, "available"]),
        (helper, 0, &["--node", node, "status"]),
        (helper, 2, &["--node", &typo, "status"]),
        // Nothing was ever installed there; then something was, and not this.
        (helper, 4, &["--node", node, "run", "--set", "mesos--1.11.0"]),
        (helper, 3, &["--node", used, "run", "--set", "tools--2.1"]),
        (helper, 4, &["--node", used, "watch"]),
        (helper, 5, &["--node", ended, "watch", "cancelled"]),
        (helper, 6, &["--node", ended, "watch", "rolled_back"]),
        (helper, 7, &["--node", ended, "watch", "lost"]),
        (helper, 9, &["--node", ended, "watch", "unconfirmed"]),
        (server, 0, &["--help"]),
        (server, 2, &["serve", "--node", &typo]),
        (server, 2, &["serve", "--node", node, "--role", "master"]),
    ] {
        let outcome = run(Path::new(program), arguments, &[]);
        assert_eq!(outcome.code, Some(code), "{outcome}");
        let name = Path::new(program).file_name().unwrap().to_str().unwrap();
        let case = ["--role", "run"].into_iter().find(|word| arguments.contains(word));
        let case = case.map_or_else(String::new, |word| format!(".{}", word.trim_start_matches('-')));
        wrong.compare_file(&format!("exits/{name}.{code}{case}.txt"), &settled(&outcome, &[(&home, "HOME")]));
    }
    wrong.none();
}

#[test]
fn a_mistyped_path_of_an_archive_or_a_store_is_said_to_lead_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let pkg = |arguments: &[&str]| run(Path::new(env!("CARGO_BIN_EXE_dcos-pkg")), arguments, &[]);
    let (store, archive) = (path("no-store"), path("fizzbuzz--1.2.0.tar.gz"));
    let outcome = pkg(&["--root", &path("store"), "add", &archive]).expect(4);
    assert!(outcome.stderr.contains(&format!("could not open the file `{archive}`")), "{outcome}");
    let outcome = pkg(&["--root", &store, "list"]).expect(0);
    assert_eq!(
        outcome.stderr.trim_end(),
        format!("note: there is no store at `{store}` yet; `--root DIR` names another")
    );
    assert!(!Path::new(&store).exists(), "whoever only looks makes nothing");
}
