//! Refusals of a restart, and of what keeps Mesos running.

use dcos_core::attempt::AttemptState;
use dcos_core::validate::Report;
use dcos_core::{ExitCode, PackageSet, Problem};
use dcos_restart::Refusal;
use dcos_restart::host::LockError;
use dcos_restart::journal::Unusable;
use dcos_restart::records::FailedSet;
use dcos_restart::supervisor::SupervisorError;
use dcos_restart::supervisor::systemd::CommandError;

use super::{denied, digest, examples, finding, id};

fn set() -> PackageSet {
    ["mesos--1.11.0", "mesos-config--0123456789ab"].map(id).into_iter().collect()
}

#[test]
fn of_an_attempt() {
    let one = |code, message, hint| vec![finding(code, message, hint)];
    examples! { "restart", Refusal:
        Refusal::InvalidAttempt(_) => Refusal::InvalidAttempt("a b".into()),
        Refusal::AttemptRunning { .. } => Refusal::AttemptRunning { attempt: "d7-1-1".into(), state: AttemptState::Watching },
        Refusal::AttemptKnown(_) => Refusal::AttemptKnown("d7-1-1".into()),
        Refusal::OldTerm { .. } => Refusal::OldTerm { given: 3, seen: 4 },
        Refusal::OriginNotAllowed(_) => Refusal::OriginNotAllowed("http://203.0.113.9:80".into()),
        Refusal::AlreadyActive { .. } => Refusal::AlreadyActive { generation: 4 },
        Refusal::InvalidSet(_) => Refusal::InvalidSet(Report {
            valid: false, problems: one("no-mesos", "the set has no Mesos", "add one: `mesos--VERSION`"), notes: Vec::new() }),
        Refusal::FailedBefore(_) => Refusal::FailedBefore(Box::new(FailedSet {
            digest: digest(1), set: set(), attempt: "d6-1-1".into(), at: jiff::Timestamp::UNIX_EPOCH,
            detail: "Mesos has ended: it exited with status 1".into() })),
        Refusal::TaskLoss(_) => Refusal::TaskLoss(vec!["chronos/job-1".into(), "chronos/job-2".into()]),
        Refusal::NotReady(_) => Refusal::NotReady(one(
            "no-room", "`/var/lib/mesos` has 2 MiB of room, and 64 MiB are needed", "make room there")),
        Refusal::CleanUnconfirmed { .. } => Refusal::CleanUnconfirmed {
            work_dir: "/var/lib/mesos".into(), tasks: "3 tasks".into() },
        Refusal::CleanUnsafe(_) => Refusal::CleanUnsafe(one(
            "mount-inside", "`/var/lib/mesos/data` is a mount point", "unmount it")),
    }
}

#[test]
fn of_a_journal() {
    examples! { "journal", Unusable:
        Unusable::Unreadable(_) => Unusable::Unreadable(serde_json::from_str::<u8>("").expect_err("nothing is no number")),
        Unusable::FromTheFuture(_) => Unusable::FromTheFuture(2),
        Unusable::OfAnotherNode { .. } => Unusable::OfAnotherNode {
            journal: "10.0.0.8:5051".into(), node: "10.0.0.7:5051".into() },
    }
}

#[test]
fn of_whoever_keeps_mesos_running() {
    let late = CommandError::Late {
        line: "systemctl start dcos-mesos-agent.service".into(),
        deadline: std::time::Duration::from_secs(30),
    };
    examples! { "supervisor", SupervisorError:
        SupervisorError::WontDie { .. } => SupervisorError::WontDie { pid: 4711 },
        SupervisorError::StillRuns { .. } => SupervisorError::StillRuns { pid: 4711, generation: 3 },
        SupervisorError::System { .. } => SupervisorError::System {
            what: "execute `/opt/dcos/packages/mesos--1.11.0/bin/mesos-agent`".into(), source: denied() },
        SupervisorError::NoUnit { .. } => SupervisorError::NoUnit { unit: "dcos-mesos-agent.service".into() },
        SupervisorError::Systemd { .. } => SupervisorError::Systemd {
            what: "start `dcos-mesos-agent.service`".into(), source: late },
        SupervisorError::Store { .. } => SupervisorError::Store {
            what: "find out how to start it",
            problem: Box::new(Problem::new(ExitCode::Unexpected, "store-damaged", "`set.json` is damaged")) },
    }
}

#[test]
fn of_a_lock() {
    #[derive(Debug)]
    struct Told(LockError);
    impl From<Told> for Problem {
        fn from(Told(error): Told) -> Self {
            error.into()
        }
    }
    examples! { "lock", Told:
        Told(LockError::Held { .. }) => Told(LockError::Held {
            path: "/opt/dcos/state/helper.lock".into(), pid: Some(4711) }),
        Told(LockError::Io { .. }) => Told(LockError::Io { path: "/opt/dcos/state/helper.lock".into(), source: denied() }),
    }
}
