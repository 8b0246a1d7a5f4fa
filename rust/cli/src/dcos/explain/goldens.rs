//! What is printed for every class and every cause, word by word, in `tests/golden/explain`. A class or cause without such a
//! file does not compile. `DCOS_GOLDEN=update cargo test -p dcos-cli` writes the files anew.

use dcos_api::types::deploy::{ClusterNode, Deployment, Halt};
use serde_json::{Value, json};

use super::cause::Cause;
use super::class::Class;
use super::{explain, text};
use dcos_testkit::golden;

const OLD: [&str; 2] = ["mesos--1.10.0", "mesos-config--0123456789ab"];
const NEW: [&str; 2] = ["mesos--1.11.0", "mesos-config--0123456789ab"];
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// The file of each class and cause: a new one is an arm that is missing here, and an arm without a file does not compile.
macro_rules! files {
    ($kind:ident, $folder:literal: $($variant:ident $file:literal,)+) => {
        impl $kind {
            const fn golden(self) -> &'static str {
                match self {
                    $(Self::$variant => include_str!(concat!("../../../../../tests/golden/explain/", $folder, $file, ".txt")),)+
                }
            }
        }
    };
}

files! { Class, "":
    Well "well",
    Drift "drift",
    Unreachable "unreachable",
    Unregistered "unregistered",
    RestartedByOther "restarted-by-other",
    Skipped "skipped",
    Late "late",
    NeverStarted "never-started",
    KeepsSet "keeps-set",
    WaitsHalt "waits-halt",
    WaitsPaused "waits-paused",
    WaitsStart "waits-start",
    WaitsStopping "waits-stopping",
    WaitsInventory "waits-inventory",
    WaitsPulse "waits-pulse",
    WaitsWindow "waits-window",
    WaitsSoak "waits-soak",
    WaitsWave "waits-wave",
    WaitsMaster "waits-master",
    WaitsListed "waits-listed",
    WaitsOthers "waits-others",
    WaitsNext "waits-next",
    WaitsAgain "waits-again",
    WaitsFetch "waits-fetch",
    WaitsValidation "waits-validation",
    WaitsOther "waits-other",
    Fetching "fetching",
    Validating "validating",
    Restarting "restarting",
    RollingBack "rolling-back",
    Unconfirmed "unconfirmed",
    Doubtful "doubtful",
    FetchFailed "fetch-failed",
    SetRefused "set-refused",
    ValidationSilent "validation-silent",
    TaskLoss "task-loss",
    FailedBefore "failed-before",
    BeginRefused "begin-refused",
    NoTicket "no-ticket",
    Deadline "deadline",
    Silent "silent",
    OtherSet "other-set",
    FailedOther "failed-other",
    RolledBack "rolled-back",
    PutBack "put-back",
    Lost "lost",
}

files! { Cause, "cause/":
    Exited "exited",
    Crashed "crashed",
    Killed "killed",
    Ended "ended",
    PortTaken "port-taken",
    DiskFull "disk-full",
    TooManyFiles "too-many-files",
    CheckpointRefused "checkpoint-refused",
    LibraryMissing "library-missing",
    FlagRefused "flag-refused",
    NotStarted "not-started",
    NotSwitched "not-switched",
    NotWiped "not-wiped",
    NoAnswer "no-answer",
    WrongVersion "wrong-version",
    RecoveryErrors "recovery-errors",
    NotRecovered "not-recovered",
    NotRegistered "not-registered",
    OtherAgent "other-agent",
    NotLeading "not-leading",
    EndpointUnwell "endpoint-unwell",
    NotSteady "not-steady",
    Other "other",
}

/// An upgrade with this node in that state, and another beside it.
fn deployment(state: &str, node_state: &str, detail: &str, other: &str) -> Deployment {
    let node = |name: &str, state: &str, detail: &str| {
        json!({"node": name, "role": "agent", "group": "agents", "from": OLD, "to": NEW, "state": state,
            "attempt": "d7-1-1", "detail": detail, "updated_at": EPOCH})
    };
    made(json!({
        "id": "d7", "change": {"upgrade": {"mesos": "1.11.0"}}, "strategy": {}, "state": state, "changed": true,
        "waves": [], "created_at": EPOCH,
        "nodes": [node("10.0.0.7:5051", node_state, detail), node("10.0.0.8:5051", other, "")],
    }))
}

fn made<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("a fixture is wrong: {error}"))
}

/// The node, well and on its old set, changed by `with`.
#[expect(clippy::needless_pass_by_value, reason = "documents are written where they are given")]
fn node(with: Value) -> ClusterNode {
    let mut node = json!({"node": "10.0.0.7:5051", "url": "http://10.0.0.7:5051", "role": "agent", "group": "agents",
        "agent_id": "a-S0", "registered": true, "reachable": true, "set": OLD, "desired": OLD, "mesos_version": "1.10.0"});
    for (key, value) in with.as_object().into_iter().flatten() {
        node[key] = value.clone();
    }
    made(node)
}

fn away() -> Value {
    json!({"reachable": false, "set": null, "mesos_version": null, "detail": "can't connect to it: connection refused"})
}

#[expect(clippy::needless_pass_by_value, reason = "as above")]
fn attempt(state: &str, detail: &str, checks: Value, log: &[&str]) -> Value {
    json!({"last_attempt": {"attempt": "d7-1-1", "state": state, "detail": detail, "set": NEW, "generation": 4,
        "previous_generation": 3, "started_at": EPOCH, "changed_at": EPOCH, "checks": checks, "log": log}})
}

/// A node and its deployment that are of that class.
fn example(class: Class) -> (ClusterNode, Option<Deployment>) {
    let waits = |detail: &str| (node(json!({})), Some(deployment("restarting", "fetched", detail, "restarting")));
    let held = |state: &str, detail: &str| (node(json!({})), Some(deployment(state, "fetched", detail, "fetched")));
    let failed = |detail: &str| (node(json!({})), Some(deployment("failed", "failed", detail, "waiting")));
    let moving = |state: &str, detail: &str| (node(away()), Some(deployment("restarting", state, detail, "waiting")));
    let undecided = json!([{"name": "registered", "answer": "cannot_tell",
        "detail": "no leading master can be asked: connection refused"}]);
    let new = |with: Value| {
        let mut all = json!({"set": NEW, "mesos_version": "1.11.0"});
        all.as_object_mut().into_iter().for_each(|all| all.extend(with.as_object().cloned().unwrap_or_default()));
        node(all)
    };
    match class {
        Class::Well => (new(json!({"desired": NEW})), Some(deployment("done", "confirmed", "", "confirmed"))),
        Class::Drift => (node(json!({"desired": NEW, "drift": true})), None),
        Class::Unreachable => (node(away()), None),
        Class::Unregistered => {
            (node(json!({"registered": false, "detail": "the master does not list it as active"})), None)
        }
        Class::RestartedByOther => {
            (node(attempt("watching", "`recovered`: it has not recovered yet", json!([]), &[])), None)
        }
        Class::Skipped => {
            (node(json!({})), Some(deployment("restarting", "skipped", "the strategy excludes it", "waiting")))
        }
        Class::Late => {
            (node(away()), Some(deployment("restarting", "skipped", "was dead before its turn came", "waiting")))
        }
        Class::NeverStarted => (
            node(json!({})),
            Some(deployment("failed", "waiting", "was not started before the deployment ended", "rolled_back")),
        ),
        Class::KeepsSet => (
            node(json!({})),
            Some(deployment("rolling_back", "fetched", "keeps its set: it was not started", "waiting")),
        ),
        Class::WaitsHalt => held("halted", "waits for halt `h2` to be cleared: error rate above 1%"),
        Class::WaitsPaused => held("paused", "waits for `start`: paused by alice"),
        Class::WaitsStart => held("staged", "waits for `start`"),
        Class::WaitsStopping => waits("waits for nodes under way: no further one starts"),
        Class::WaitsInventory => waits("waits for the master's list of agents"),
        Class::WaitsPulse => waits("waits for a pulse: none came within 60 s"),
        Class::WaitsWindow => waits("waits for the next window in which restarts may begin"),
        Class::WaitsSoak => waits("waits for the soak of wave 1: 240 s are left"),
        Class::WaitsWave => waits("waits for wave 1 (10.0.0.8:5051) to hold"),
        Class::WaitsMaster => waits("waits for the master 10.0.0.2:5050 to answer"),
        Class::WaitsListed => waits("waits until the master lists it as active"),
        Class::WaitsOthers => waits("waits for 10.0.0.8:5051 to settle: 1 may be away at once"),
        Class::WaitsNext => waits("is next"),
        Class::WaitsAgain => waits("is asked again soon: attempt `local-1` is under way (watching)"),
        Class::WaitsFetch => held("fetching", "waits for 10.0.0.8:5051 to fetch"),
        Class::WaitsValidation => held("validating", "waits for 10.0.0.8:5051 to say whether the set can work"),
        Class::WaitsOther => waits("waits for what only a later release knows"),
        Class::Fetching => (node(json!({})), Some(deployment("fetching", "fetching", "fetches", "fetched"))),
        Class::Validating => held("validating", "is asked whether the set can work"),
        Class::Restarting => {
            moving("restarting", "starting: Mesos was started as process 4711; does not answer just now")
        }
        Class::RollingBack => moving("restarting", "rolling back: Mesos has ended: it exited with status 1"),
        Class::Unconfirmed => (
            new(attempt(
                "unconfirmed",
                "it can't be told: `registered`: no leading master can be asked",
                undecided,
                &[],
            )),
            Some(deployment("restarting", "unconfirmed", "unconfirmed: it can't be told", "waiting")),
        ),
        Class::Doubtful => (
            new(attempt(
                "unconfirmed",
                "it can't be told: `registered`: no leading master can be asked",
                undecided,
                &[],
            )),
            Some(deployment("failed", "unconfirmed", "could not tell within 600 s: it can't be told", "waiting")),
        ),
        Class::FetchFailed => failed("could not fetch: `mesos--1.11.0` is in no configured repository"),
        Class::SetRefused => {
            failed("the set can't work there: `fizzbuzz--1.3.0` is for Mesos 1.11.0, and the set has 1.10.0")
        }
        Class::ValidationSilent => failed("did not say whether the set can work: connection refused"),
        Class::TaskLoss => {
            failed("refused to begin: one task of frameworks that do not checkpoint would die: `chronos/job-1`")
        }
        Class::FailedBefore => failed(
            "refused to begin: this set failed here in attempt `d6-1-1` at 1970-01-01T00:00:00Z: Mesos has ended: it exited \
             with status 1",
        ),
        Class::BeginRefused => failed("refused to begin: `/var/lib/mesos` has 2 MiB of room, and 64 MiB are needed"),
        Class::NoTicket => failed("did not answer within 600 s: connection refused"),
        Class::Deadline => failed("was not well within 600 s, last seen watching: it does not answer"),
        Class::Silent => (
            node(away()),
            Some(deployment("failed", "failed", "was not heard of within 600 s: connection refused", "waiting")),
        ),
        Class::OtherSet => failed("its attempt is for another set: mesos--1.9.0 mesos-config--0123456789ab"),
        Class::FailedOther => failed("what only a later release knows"),
        Class::RolledBack => rolled_back(Cause::Exited),
        Class::PutBack => (node(json!({})), Some(deployment("rolled_back", "rolled_back", "", "rolled_back"))),
        Class::Lost => lost(Cause::PortTaken),
    }
}

/// What a node says of that cause, and the last lines of its log.
fn words(cause: Cause) -> (&'static str, &'static [&'static str]) {
    match cause {
        Cause::Exited => ("Mesos has ended: it exited with status 1", &["E1122 main.cpp:1] the module has no licence"]),
        Cause::Crashed => (
            "Mesos has ended: it was ended by signal 11 (core dumped)",
            &["*** SIGSEGV (@0x0) received by PID 4711 ***"],
        ),
        Cause::Killed => ("Mesos has ended: it was ended by signal 9", &["I1122 slave.cpp:1] Agent started"]),
        Cause::Ended => ("Mesos has ended: it ended while no helper watched it", &[]),
        Cause::PortTaken => (
            "Mesos has ended: it exited with status 1",
            &["Failed to initialize: Failed to bind on 10.0.0.7:5051: Address already in use"],
        ),
        Cause::DiskFull => (
            "Mesos has ended: it exited with status 1",
            &["Failed to create the boot id file: No space left on device"],
        ),
        Cause::TooManyFiles => {
            ("Mesos has ended: it was ended by signal 6", &["Failed to create pipe: Too many open files"])
        }
        Cause::CheckpointRefused => (
            "Mesos has ended: it exited with status 1",
            &["Failed to perform recovery: Incompatible agent info detected."],
        ),
        Cause::LibraryMissing => (
            "Mesos has ended: it exited with status 127",
            &["mesos-agent: error while loading shared libraries: libsvn_delta-1.so.0: cannot open shared object file"],
        ),
        Cause::FlagRefused => (
            "Mesos has ended: it exited with status 1",
            &["Failed to load flag 'registration_backoff_factor': Failed to load value 'soon'"],
        ),
        Cause::NotStarted => {
            ("can't execute `/opt/dcos/packages/mesos--1.11.0/bin/mesos-agent`: permission denied", &[])
        }
        Cause::NotSwitched => ("can't make the set active: can't rename `active.new`: no space left on device", &[]),
        Cause::NotWiped => ("the work directory was not wiped: `/var/lib/mesos/data` is a mount point", &[]),
        Cause::NoAnswer => {
            ("`version`: `/version` does not answer: it takes too long", &["I1122 module.cpp:1] waiting"])
        }
        Cause::WrongVersion => ("`version`: it is Mesos 1.10.0, and the set's is 1.11.0", &[]),
        Cause::RecoveryErrors => {
            ("`recovered`: its recovery met 2 errors", &["W1122 slave.cpp:1] Failed to recover executor"])
        }
        Cause::NotRecovered => ("`recovered`: it has not recovered yet", &[]),
        Cause::NotRegistered => ("`registered`: it has not registered yet", &[]),
        Cause::OtherAgent => ("`registered`: it registered as `a-S1` and was `a-S0` before", &[]),
        Cause::NotLeading => ("`leading`: it does not lead yet", &[]),
        Cause::EndpointUnwell => ("`/fizzbuzz/health`: it answers 503: no connection to its database", &[]),
        Cause::NotSteady => ("it does not stay well: `/fizzbuzz/health`: it answers 503", &[]),
        Cause::Other => ("what only a later release knows", &[]),
    }
}

fn report(state: &str, cause: Cause, more: &str) -> Value {
    let (detail, log) = words(cause);
    let checks = match detail.strip_prefix('`').and_then(|rest| rest.split_once("`: ")) {
        Some((check, said)) => json!([{"name": "process", "answer": "yes", "detail": "it runs"},
            {"name": check, "answer": "no", "detail": said}]),
        None => json!([]),
    };
    attempt(state, &format!("{detail}{more}"), checks, log)
}

fn rolled_back(cause: Cause) -> (ClusterNode, Option<Deployment>) {
    let detail = format!("runs its old set again: {}", words(cause).0);
    (node(report("rolled_back", cause, "")), Some(deployment("failed", "rolled_back", &detail, "confirmed")))
}

fn lost(cause: Cause) -> (ClusterNode, Option<Deployment>) {
    let more = "; the previous set does not come up either: Mesos has ended: it exited with status 1";
    let detail = format!("came up on neither set: {}{more}", words(cause).0);
    let mut with = report("lost", cause, more);
    with.as_object_mut().into_iter().for_each(|with| with.extend(away().as_object().cloned().unwrap_or_default()));
    (node(with), Some(deployment("failed", "lost", &detail, "waiting")))
}

fn printed(node: &ClusterNode, deployment: Option<&Deployment>) -> String {
    let halts: [Halt; 1] = [made(json!({"id": "h2", "reason": "error rate above 1%", "at": EPOCH}))];
    text::text(&explain(node, deployment, &halts))
}

#[test]
fn every_class_has_its_words() {
    let mut wrong = golden::Wrong::default();
    for class in Class::ALL {
        let (node, deployment) = example(*class);
        let found = explain(&node, deployment.as_ref(), &[]).class;
        assert_eq!(found, *class, "the example is of another class");
        let name = format!("explain/{}.txt", class.name());
        wrong.compare(&name, class.golden(), &printed(&node, deployment.as_ref()));
    }
    wrong.none();
}

#[test]
fn every_cause_has_its_words_where_the_old_set_runs_and_where_nothing_does() {
    let mut wrong = golden::Wrong::default();
    for cause in Cause::ALL {
        let (node, deployment) = rolled_back(*cause);
        assert_eq!(explain(&node, deployment.as_ref(), &[]).cause, Some(*cause));
        let mut both = printed(&node, deployment.as_ref());
        let (node, deployment) = lost(*cause);
        assert_eq!(explain(&node, deployment.as_ref(), &[]).cause, Some(*cause));
        both.push('\n');
        both.push_str(&printed(&node, deployment.as_ref()));
        wrong.compare(&format!("explain/cause/{}.txt", cause.name()), cause.golden(), &both);
    }
    wrong.none();
}

#[test]
fn a_next_command_is_one_that_there_is() {
    let causes = Cause::ALL.iter().flat_map(|cause| [rolled_back(*cause), lost(*cause)]);
    for (node, deployment) in Class::ALL.iter().map(|class| example(*class)).chain(causes) {
        let next = explain(&node, deployment.as_ref(), &[]).next;
        let words: Vec<&str> = next.split_whitespace().collect();
        let command = match words.first() {
            Some(&"dcos") => crate::dcos::command(),
            Some(&"dcos-restart-helper") => crate::helper::command(),
            other => panic!("`{next}`: no program of ours is {other:?}"),
        };
        if let Err(error) = command.try_get_matches_from(&words) {
            panic!("`{next}` is no command: {error}");
        }
    }
}
