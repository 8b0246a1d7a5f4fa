//! What requests begin, and what they don't, when they are made twice, or two at once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dcos_api::types::provision::{AddSlave, DecommissionSlave};
use dcos_core::{ExitCode, Problem};

use super::{Pace, Provisioning};
use crate::admit::awaited;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::operation::{Add, End, FORMAT, Operation, Slot, Stage, Work};
use crate::provider::{Failure, Launch, LaunchError, Launched, Machine, MachineState, Provider};
use crate::remove;
use crate::world::{Agent, Drain};

/// A cluster of agents that were made from here, whose log is a list. Mesos takes every call, and nothing comes of any.
struct Site {
    log: Mutex<Vec<Operation>>,
    /// How many there are; `None` while the master does not list them.
    agents: Option<u8>,
}

/// A provider that takes its time, as real ones do, and makes nothing.
struct Slow {
    machines: u8,
}

#[async_trait]
impl Cluster for Site {
    async fn operations(&self) -> Result<Vec<Operation>, Problem> {
        Ok(self.log.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn keep(&self, before: Option<&Operation>, after: Option<&Operation>) -> Result<(), Problem> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = before {
            let place = log.iter().position(|known| known == before);
            let changed = || Problem::new(ExitCode::Conflict, "changed", "it was changed meanwhile");
            log.remove(place.ok_or_else(changed)?);
        }
        log.extend(after.cloned());
        Ok(())
    }

    async fn agents(&self) -> Result<Vec<Agent>, String> {
        let agent = |number| Agent {
            id: format!("a-{number}"),
            node: format!("10.0.0.{number}:5051"),
            address: Some(([10, 0, 0, number], 5051).into()),
            registered: true,
            active: true,
            deactivated: false,
            drain: Drain::No,
            settled: None,
        };
        let agents = self.agents.ok_or("the master answered 401 Unauthorized")?;
        Ok((0..agents).map(agent).collect())
    }

    async fn busy(&self, _: &str) -> Result<Option<String>, Problem> {
        Ok(None)
    }

    async fn known(&self, _: &str) -> Result<(), Problem> {
        Ok(())
    }

    async fn settled(&self, _: &Agent, _: &str) -> Option<bool> {
        None
    }

    async fn call(&self, _: &remove::Action) -> Result<(), String> {
        Ok(())
    }

    async fn token(&self, _: &str, _: u64) -> Result<String, Problem> {
        Ok("word".to_owned())
    }
}

#[async_trait]
impl Provider for Slow {
    async fn check(&self, class: &str) -> Result<(), Failure> {
        if class == "broken" { Err(Failure::invalid("class `broken`: no image")) } else { Ok(()) }
    }

    async fn launch(&self, _: Launch) -> Result<Launched, LaunchError> {
        Err(LaunchError::Throttled("later".to_owned()))
    }

    async fn list(&self) -> Result<Vec<Machine>, Failure> {
        // Time is paused: whoever else can go on does so first.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let machine = |number: u8| Machine {
            id: format!("i-{number}"),
            state: MachineState::Running,
            token: format!("o1-{number}-0-0"),
            operation: "o1".to_owned(),
            slot: number.into(),
            address: Some([10, 0, 0, number].into()),
            port: None,
            kind: String::new(),
        };
        Ok((0..self.machines).map(machine).collect())
    }

    async fn terminate(&self, _: &str) -> Result<(), Failure> {
        Ok(())
    }
}

/// Provisioning over `agents` agents with their machines, of which there may be five, and one must be left.
fn service(agents: u8) -> Provisioning {
    over(Some(agents), "")
}

/// The same with more classes, or with agents that can't be listed.
fn over(agents: Option<u8>, classes: &str) -> Provisioning {
    started(Site { log: Mutex::new(Vec::new()), agents }, agents.unwrap_or(0), classes)
}

fn started(site: Site, machines: u8, classes: &str) -> Provisioning {
    let text = format!(
        "cluster = \"c1\"\n[provider]\nname = \"slow\"\nprogram = \"slow\"\n[limits]\nmachines = 5\nminimum_agents = 1\n\
         [bootstrap]\nmasters = [\"http://10.0.0.1:5050\"]\n\
         package = {{ url = \"http://10.0.0.9/dcos-bits.tar.gz\", sha256 = \"{}\" }}\n[classes.small]\ngroup = \"agents\"\n{classes}",
        "0".repeat(64)
    );
    let pace = Pace { busy: Duration::from_secs(3600), idle: Duration::from_secs(3600) };
    Provisioning::start(Config::parse(&text).unwrap(), Arc::new(Slow { machines }), Arc::new(site), pace)
}

fn more(count: usize, key: Option<&str>) -> AddSlave {
    AddSlave { count, class: None, key: key.map(str::to_owned), dry_run: false }
}

fn less(number: u8, keep_instance: bool) -> DecommissionSlave {
    DecommissionSlave { agent: format!("a-{number}"), grace: 60, keep_instance, dry_run: false }
}

#[tokio::test(start_paused = true)]
async fn the_same_request_under_the_same_key_is_begun_once() {
    let service = service(0);
    let first = service.add(more(2, Some("k1")), None).await.unwrap();
    let again = service.add(more(2, Some("k1")), None).await.unwrap();
    assert_eq!((&again.id, again.asked_at), (&first.id, first.asked_at));
    let named = AddSlave { class: Some("small".to_owned()), ..more(2, Some("k1")) };
    assert_eq!(service.add(named, None).await.unwrap().id, first.id, "the only class is that class");
    for (request, name) in [
        (more(1, Some("k1")), "key-used"),
        (AddSlave { class: Some("large".to_owned()), ..more(2, Some("k1")) }, "key-used"),
        (more(1, Some("")), "bad-key"),
        (more(1, Some(&"k".repeat(65))), "bad-key"),
    ] {
        let refused = service.add(request, None).await.unwrap_err();
        assert!(refused.name() == name && !refused.hints.is_empty(), "{refused:?}");
    }
    assert_eq!(service.operations().await.unwrap().operations.len(), 1);
    service.add(more(2, Some("k2")), None).await.unwrap();
    service.add(more(1, None), None).await.unwrap();
    assert_eq!(service.operations().await.unwrap().operations.len(), 3, "others are requests of their own");
}

#[tokio::test(start_paused = true)]
async fn two_requests_at_once_keep_to_the_limit_together() {
    let service = service(0);
    let (one, other) = tokio::join!(service.add(more(3, None), None), service.add(more(3, None), None));
    assert!(one.is_ok(), "{one:?}");
    assert_eq!(other.unwrap_err().name(), "too-many");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_being_removed_is_not_one_that_is_left() {
    let service = service(2);
    let (one, other) =
        tokio::join!(service.decommission(less(0, false), None), service.decommission(less(1, false), None));
    let (one, refused) = (one.unwrap(), other.unwrap_err());
    assert_eq!(refused.name(), "too-few", "the master lists both as active, and one of them is going");

    let again = service.decommission(less(0, false), None).await.unwrap();
    assert_eq!((&again.id, again.asked_at), (&one.id, one.asked_at), "whoever asks again gets the same removal");
    let refused = service.decommission(less(0, true), None).await.unwrap_err();
    assert!(refused.name() == "removal-running" && refused.detail.contains("ends its machine"), "{refused:?}");
    assert_eq!(service.operations().await.unwrap().operations.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_while_the_agents_can_not_be_listed() {
    let service = over(None, "");
    for refused in [
        service.add(more(1, None), None).await.unwrap_err(),
        service.add(AddSlave { dry_run: true, ..more(1, None) }, None).await.unwrap_err(),
        service.decommission(less(0, false), None).await.unwrap_err(),
    ] {
        assert_eq!((refused.name(), refused.exit_code()), ("not-known-now", ExitCode::Unreachable), "{refused:?}");
        assert!(refused.detail.contains("401 Unauthorized") && refused.hints[0].contains("`mesos_credentials`"));
    }
    assert!(service.operations().await.unwrap().operations.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_class_that_can_not_work_is_in_the_way_of_no_other() {
    let service = over(Some(0), "[classes.broken]\ngroup = \"agents\"\n");
    let of = |class: &str| AddSlave { class: Some(class.to_owned()), ..more(1, None) };
    assert_eq!(service.add(of("broken"), None).await.unwrap_err().name(), "provider-refused");
    assert_eq!(service.add(of("small"), None).await.unwrap().class.as_deref(), Some("small"));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_dead_for_good_is_removed_by_what_is_remembered_of_it() {
    let slot = |number: u8| Slot {
        stage: Stage::Registered,
        machine: Some(format!("i-{number}")),
        agent_id: Some(format!("dead-{number}")),
        node: Some(format!("dead-{number}.example:5051")),
        ..Slot::new()
    };
    let add = Add { class: "small".to_owned(), group: "agents".to_owned(), slots: vec![slot(1), slot(2)] };
    let brought = Operation {
        format: FORMAT,
        id: "o1".to_owned(),
        asked_at: jiff::Timestamp::now(),
        by: None,
        key: None,
        work: Work::Add(add),
        warnings: Vec::new(),
        cancelled: None,
        end: Some(End { at: jiff::Timestamp::now(), done: true, reason: String::new() }),
    };
    // Two agents are listed, at the first two of three machines.
    let site = Site { log: Mutex::new(vec![brought]), agents: Some(2) };
    let service = started(site, 3, "");
    for name in ["dead-2", "dead-2.example:5051", "i-2"] {
        let request = DecommissionSlave { agent: name.to_owned(), dry_run: true, ..less(0, false) };
        let planned = service.decommission(request, None).await.unwrap();
        assert_eq!(
            (planned.slaves[0].agent_id.as_deref(), planned.slaves[0].instance.as_deref()),
            (Some("dead-2"), Some("i-2"))
        );
    }
    for name in ["dead-1", "i-1", "i-3", "dead-3"] {
        let request = DecommissionSlave { agent: name.to_owned(), ..less(0, false) };
        let refused = service.decommission(request, None).await.unwrap_err();
        assert_eq!(refused.name(), "no-such-agent", "{name}: another agent is on that machine, or nobody knows it");
    }
}

#[test]
fn a_machine_that_is_made_and_not_listed_yet_counts() {
    let operation = |machine: Option<&str>| {
        let mut add = Add { class: "small".to_owned(), group: "agents".to_owned(), slots: vec![Slot::new()] };
        add.slots[0].stage = Stage::Launched;
        add.slots[0].machine = machine.map(str::to_owned);
        Work::Add(add)
    };
    assert_eq!(awaited(&operation(None), &[]), 1);
    assert_eq!(awaited(&operation(Some("i-9")), &[]), 1);
    let listed = Machine {
        id: "i-9".to_owned(),
        state: MachineState::Pending,
        token: "o1-0-0-0".to_owned(),
        operation: "o1".to_owned(),
        slot: 0,
        address: None,
        port: None,
        kind: String::new(),
    };
    assert_eq!(awaited(&operation(Some("i-9")), &[listed]), 0);
}
