//! Machines that are directories, made and ended for real.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use dcos_core::provider::{Answer, Call, Launch, Machine, MachineState, PROTOCOL, Reason, Request};

use super::answer;

fn ask(directory: &Path, cluster: &str, call: Call) -> Answer {
    let settings = serde_json::json!({"directory": directory});
    let request = Request { protocol: PROTOCOL, cluster: cluster.to_owned(), settings, call };
    answer(&serde_json::to_vec(&request).unwrap())
}

fn launch(directory: &Path, token: &str, script: &str) -> Answer {
    let launch = Launch {
        operation: "o1".to_owned(),
        slot: 0,
        token: token.to_owned(),
        choice: 0,
        class: serde_json::json!({"bootstrap_options": ["--hold=2"]}),
        user_data: script.to_owned(),
    };
    ask(directory, "c1", Call::Launch(Box::new(launch)))
}

fn machines(directory: &Path, cluster: &str) -> Vec<Machine> {
    match ask(directory, cluster, Call::List) {
        Answer::Machines(machines) => machines,
        other => unreachable!("{other:?}"),
    }
}

/// Waits until a file is there with a whole line in it.
fn line(path: &Path) -> String {
    let since = Instant::now();
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => assert!(since.elapsed() < Duration::from_secs(20), "{} does not come", path.display()),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_machine_is_made_once_for_a_token_and_ends_with_all_its_processes() {
    let yard = tempfile::tempdir().unwrap();
    // A process that leaves its group and its environment behind, as a task does; and one that leaves the directory too and
    // whose program is removed under it, as the helper that the user data unpacks.
    let script = r#"
env -i setsid sh -c 'echo $$ >task; exec sleep 1000' &
unpacked=$(mktemp -d)
cp "$(command -v sh)" "$unpacked/helper"
mkfifo wait
(place=$PWD; cd / && exec env -i setsid "$unpacked/helper" -c 'echo $$ >"$0/helper"; read -r _ <>"$0/wait"' "$place") &
until [ -s helper ]; do :; done
rm -r "$unpacked"
echo "$DCOS_BOOTSTRAP_OPTIONS" >options
exec sleep 1000
"#;
    let first = launch(yard.path(), "o1-0-0-0", script);
    assert_eq!(launch(yard.path(), "o1-0-0-0", script), first, "an answer that was lost is given again");
    let seen = machines(yard.path(), "c1");
    assert_eq!(seen.len(), 1);
    assert_eq!(machines(yard.path(), "c2"), [], "another cluster's are none of its business");
    let place = yard.path().join(&seen[0].id);
    let options = line(&place.join("options"));
    assert!(
        options.contains(&format!("--port={}", seen[0].port.unwrap())) && options.ends_with("--hold=2"),
        "{options}"
    );
    let left_behind = [line(&place.join("task")), line(&place.join("helper"))];
    let lives = |pid: &String| {
        !std::fs::read_to_string(Path::new("/proc").join(pid).join("cmdline")).unwrap_or_default().is_empty()
    };
    assert!(left_behind.iter().all(lives));
    let end = || ask(yard.path(), "c1", Call::Terminate { machine: seen[0].id.clone() });
    assert_eq!((end(), end()), (Answer::Terminated, Answer::Terminated));
    assert!(!left_behind.iter().any(lives), "both went with their machine: {left_behind:?}");
    assert_eq!(machines(yard.path(), "c1")[0].state, MachineState::Gone);
    assert!(!place.exists());
}

#[test]
fn what_cannot_be_is_refused_and_makes_nothing() {
    let yard = tempfile::tempdir().unwrap();
    let reason = |answer: Answer| match answer {
        Answer::Failed(failure) => failure.reason,
        other => unreachable!("{other:?}"),
    };
    assert_eq!(reason(answer(b"{}")), Reason::Invalid);
    let class = |class| Call::Check { classes: [("small".to_owned(), class)].into() };
    assert_eq!(reason(ask(yard.path(), "c1", class(serde_json::json!({"image": "ami-1"})))), Reason::Invalid);
    assert_eq!(ask(yard.path(), "c1", class(serde_json::json!({}))), Answer::Checked);
    assert_eq!(reason(ask(yard.path(), "c1", Call::Terminate { machine: "local-x".to_owned() })), Reason::Unknown);
    assert_eq!(reason(ask(Path::new("relative"), "c1", Call::List)), Reason::Invalid);
    assert_eq!(machines(yard.path(), "c1"), []);
}
