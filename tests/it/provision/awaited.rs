//! What a real master answers about agents that have not come back to it: everything that a removal concludes from it.

use std::path::Path;

use dcos_core::Role;
use dcos_provision::mesos::Master;
use dcos_provision::operation::{FORMAT, Operation, Remove, RemoveStage, Work};
use dcos_provision::remove::{Action, next, told};
use dcos_provision::world::{Agent, Machine, MachineState, World};
use jiff::{SignedDuration, Timestamp};

use crate::config::process::{Environment, Process, free_port, host, program};

/// A removal that waits for its turn.
fn removal(agent: &Agent) -> Operation {
    let remove = Remove {
        agent_id: agent.id.clone(),
        node: agent.node.clone(),
        machine: Some("i-1".to_owned()),
        keep_machine: false,
        grace: 0,
        stage: RemoveStage::Waiting,
        since: Timestamp::now(),
        away_since: None,
        marked: false,
        detail: String::new(),
    };
    Operation {
        format: FORMAT,
        id: "o1".to_owned(),
        asked_at: Timestamp::now(),
        by: None,
        key: None,
        work: Work::Remove(remove),
        warnings: Vec::new(),
        cancelled: None,
        end: None,
    }
}

/// What there is, with the agent's machine running.
fn world(agents: Vec<Agent>) -> World {
    let machine = Machine {
        id: "i-1".to_owned(),
        state: MachineState::Running,
        token: "o0-0-0-0".to_owned(),
        operation: "o0".to_owned(),
        slot: 0,
        address: None,
        port: None,
        kind: String::new(),
    };
    World { machines: Ok(vec![machine]), agents: Ok(agents) }
}

/// A master and an agent of one version, each with its own folder and port.
struct Pair {
    version: &'static str,
    folder: tempfile::TempDir,
    ports: [u16; 2],
    asks: Master,
    runtime: tokio::runtime::Runtime,
}

impl Pair {
    fn new(version: &'static str) -> Self {
        let ports = [free_port(), free_port()];
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self {
            version,
            folder: tempfile::tempdir().expect("a temporary directory"),
            ports,
            asks: Master::new(http, &format!("http://127.0.0.1:{}", ports[0]), None),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
        }
    }

    fn start(&self, role: Role) -> Process {
        let (name, port) = match role {
            Role::Master => ("master", self.ports[0]),
            Role::Agent => ("agent", self.ports[1]),
        };
        let more: &[(&str, &str)] = match role {
            // What it knows has to outlive it.
            Role::Master => &[("MESOS_REGISTRY", "replicated_log")],
            Role::Agent => &[
                ("MESOS_LAUNCHER", "posix"),
                ("MESOS_ISOLATION", "posix/cpu,posix/mem"),
                ("MESOS_SYSTEMD_ENABLE_SUPPORT", "false"),
                ("MESOS_REGISTRATION_BACKOFF_FACTOR", "10ms"),
            ],
        };
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut environment: Environment = host(role, &folder, port);
        environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        if role == Role::Agent {
            environment.insert("MESOS_MASTER".to_owned(), format!("127.0.0.1:{}", self.ports[0]));
        }
        let log: &Path = &folder.join("log");
        Process::start(&program(self.version, role), &environment, log)
    }

    fn agents(&self) -> Result<Vec<Agent>, String> {
        self.runtime.block_on(self.asks.agents())
    }

    fn call(&self, action: &Action) -> Result<(), String> {
        self.runtime.block_on(self.asks.call(action))
    }

    /// The one agent that the master lists, once it is registered or not, as wanted.
    fn agent(&self, master: &mut Process, registered: bool) -> Agent {
        master.until("it lists the agent", |_| {
            self.agents().ok()?.into_iter().find(|agent| agent.registered == registered)
        })
    }
}

#[test]
#[ignore = "needs real Mesos: make test"]
fn an_agent_that_has_not_come_back_is_waited_for_and_then_marked_gone_before_its_machine_ends() {
    for version in ["1.10.0", "1.11.0"] {
        let pair = Pair::new(version);
        let mut master = pair.start(Role::Master);
        let mut agent = pair.start(Role::Agent);
        let known = pair.agent(&mut master, true);
        // Otherwise it would come back as another one.
        let identity = pair.folder.path().join("agent/work/meta/slaves/latest/slave.info");
        agent.until("it has written down who it is", |_| identity.exists().then_some(()));
        assert!(known.active && known.address.is_some(), "{known:?}");
        drop((agent, master));

        let mut master = pair.start(Role::Master);
        let awaited = pair.agent(&mut master, false);
        assert_eq!((&awaited.id, &awaited.node, awaited.active), (&known.id, &known.node, false), "{version}");

        let mut operation = removal(&awaited);
        let seen = || world(pair.agents().expect("the master answers"));
        let day = SignedDuration::from_hours(24);
        assert_eq!(next(&mut operation, &seen(), day, Timestamp::now()), None, "{version}: it may run tasks");
        let mark = next(&mut operation, &seen(), SignedDuration::ZERO, Timestamp::now()).expect("it has waited");
        assert_eq!(mark, Action::MarkGone { agent: known.id.clone() }, "{version}");
        // Mesos takes the mark again and again, and goes on listing an agent that it awaited.
        assert_eq!((pair.call(&mark), pair.call(&mark)), (Ok(()), Ok(())), "{version}");
        assert!(pair.agents().expect("the master answers").iter().any(|agent| agent.id == known.id), "{version}");
        told(&mut operation, &mark, Ok(()));
        assert_eq!(next(&mut operation, &seen(), day, Timestamp::now()), None);
        let end = next(&mut operation, &seen(), day, Timestamp::now());
        assert_eq!(end, Some(Action::Terminate { machine: "i-1".to_owned() }), "{version}");

        // What the mark is for: whoever comes back is sent away.
        let mut agent = pair.start(Role::Agent);
        assert!(agent.wait("it is sent away", |_| None::<()>).is_none(), "{version}");
        assert!(!pair.agents().expect("the master answers").iter().any(|agent| agent.registered), "{version}");

        // One that the master has never heard of is as good as gone; to drain it is refused.
        let unknown = "00000000-0000-0000-0000-000000000000-S7".to_owned();
        assert_eq!(pair.call(&Action::MarkGone { agent: unknown.clone() }), Ok(()), "{version}");
        let refused = pair.call(&Action::Drain { agent: unknown, grace: 1 }).expect_err("nobody knows it");
        assert!(refused.contains("400"), "{version}: {refused}");
    }
}
