//! What is printed with every exit code, word by word, in `tests/golden/exits`: by `dcos` for all of them, since it can give
//! all, and by the other programs for those that they give without a running Mesos. Real commands against a real `dcos-node`,
//! real stores and real repositories; against a fake master where only a restart that goes wrong leads there.
//! `DCOS_GOLDEN=update` writes the files anew.

use std::path::Path;

use dcos_core::ExitCode;
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
    let mut wrong = Wrong::default();
    for (program, code, arguments) in [
        (pkg, 0, &["--node", node, "list"][..]),
        (pkg, 1, &["--root", &cut, "add", &cut]),
        (pkg, 2, &["--node", &typo, "list"]),
        (pkg, 3, &["--node", node, "add", &cut]),
        (pkg, 4, &["--node", node, "show", "mesos--1.11.0"]),
        (pkg, 9, &["--node", &unreachable, "available"]),
        (helper, 0, &["--node", node, "status"]),
        (helper, 2, &["--node", &typo, "status"]),
        // Nothing was ever installed there; then something was, and not this.
        (helper, 4, &["--node", node, "run", "--set", "mesos--1.11.0"]),
        (helper, 3, &["--node", used, "run", "--set", "tools--2.1"]),
        (helper, 4, &["--node", used, "watch"]),
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
