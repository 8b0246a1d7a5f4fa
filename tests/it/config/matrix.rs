//! Old and new agents for the predictor: every ordered pair of the variants of one thing, under each policy, and pairs
//! in which several things or the policy itself change.

use std::path::Path;

use dcos_core::checkpoint::Agent;
use dcos_core::node::MesosFacts;

use super::process::Environment;

/// Port 0 and port 1 of a case are two free ports of the machine that runs it.
pub(super) type Ports = [u16; 2];

/// How an agent is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) policy: &'static str,
    resources: &'static str,
    attributes: &'static str,
    /// The name that is given, or how one is found: `?` by looking it up, `!` by the address.
    hostname: &'static str,
    port: usize,
    domain: &'static str,
}

/// An agent that was, and the one that is started on its checkpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) old: Side,
    pub(super) new: Side,
}

const RESOURCES: [&str; 14] = [
    "cpus:2;mem:256;disk:100",
    "cpus:3;mem:256;disk:100",
    "cpus:1;cpus:1;mem:256;disk:100;ports:[31000-32000]",
    "cpus:2.0004;mem:256;disk:100",
    "cpus:2.001;mem:256;disk:100",
    "cpus:2;mem:256;disk:100;ports:[31000-32001]",
    "cpus:2;mem:256;disk:100;ports:[31000-31500,31501-32000]",
    "cpus:2;mem:256;disk:100;ports:[31000-31499,31501-32000]",
    "cpus:2;mem:256;disk:100;colours:{red,blue}",
    "cpus:2;mem:256;disk:100;colours:{blue, red, green}",
    "cpus:1;cpus(web):1;mem:256;disk:100",
    "cpus(*):2;mem:256;disk:100;extra:0",
    "cpus:2;mem:256;disk:100;extra:1",
    "cpus:2;disk:100",
];

const ATTRIBUTES: [&str; 13] = [
    "",
    "rack:a",
    "rack:b",
    "rack:a;level:3",
    "level:3;rack:a",
    "rack:a;level:3.0004",
    "rack:a;level:4",
    "rack:3",
    "span:[1-4]",
    "span:[1-2,3-4]",
    "span:[1-5]",
    "rack:a;rack:b",
    "rack:a;rack:a",
];

const HOSTNAMES: [&str; 4] = ["localhost", "127.0.0.1", "!", "?"];

const DOMAINS: [&str; 3] = [
    "",
    r#"{"fault_domain":{"region":{"name":"eu"},"zone":{"name":"a"}}}"#,
    r#"{"fault_domain":{"region":{"name":"eu"},"zone":{"name":"b"}}}"#,
];

const POLICIES: [&str; 2] = ["equal", "additive"];

const BASE: Side =
    Side { policy: "equal", resources: RESOURCES[0], attributes: "rack:a", hostname: "localhost", port: 0, domain: "" };

impl Side {
    /// The part that a config says.
    fn config(&self) -> Environment {
        let mut flags = vec![
            ("MESOS_LAUNCHER", "posix"),
            ("MESOS_ISOLATION", "posix/cpu,posix/mem"),
            ("MESOS_SYSTEMD_ENABLE_SUPPORT", "false"),
            ("MESOS_REGISTRATION_BACKOFF_FACTOR", "1ms"),
            ("MESOS_RECONFIGURATION_POLICY", self.policy),
            ("MESOS_RESOURCES", self.resources),
        ];
        if !self.domain.is_empty() {
            flags.push(("MESOS_DOMAIN", self.domain));
        }
        if self.hostname == "!" {
            flags.push(("MESOS_HOSTNAME_LOOKUP", "false"));
        }
        flags.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The part that `node.toml` says.
    fn facts(&self, folder: &Path, ports: Ports, master: u16) -> MesosFacts {
        MesosFacts {
            ip: [127, 0, 0, 1].into(),
            port: ports[self.port],
            hostname: Some(self.hostname.to_owned()).filter(|name| name != "?" && name != "!"),
            master: Some(format!("127.0.0.1:{master}")),
            zk: None,
            work_dir: folder.join("work"),
            runtime_dir: Some(folder.join("run")),
            attributes: Some(self.attributes.to_owned()).filter(|text| !text.is_empty()),
            credential: None,
        }
    }

    /// What the real agent is started with.
    pub(super) fn environment(&self, folder: &Path, ports: Ports, master: u16) -> Environment {
        let facts = self.facts(folder, ports, master);
        let mut environment = super::process::host(dcos_core::Role::Agent, folder, facts.port);
        environment.extend(self.config());
        let more = [
            ("MESOS_MASTER", facts.master),
            ("MESOS_HOSTNAME", facts.hostname),
            ("MESOS_ATTRIBUTES", facts.attributes),
        ];
        environment.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        environment
    }

    /// What the predictor knows of it.
    pub(super) fn agent(&self, ports: Ports) -> Agent {
        let facts = self.facts(Path::new("/nowhere"), ports, 5050);
        Agent::from_environment(&self.config(), &facts).expect("an agent that can be started")
    }
}

/// Every case.
pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut pairs = |variants: &[Side]| {
        for old in variants {
            cases.extend(variants.iter().map(|new| Case { old: *old, new: *new }));
        }
    };
    for policy in POLICIES {
        let base = Side { policy, ..BASE };
        pairs(&RESOURCES.map(|resources| Side { resources, ..base }));
        pairs(&ATTRIBUTES.map(|attributes| Side { attributes, ..base }));
        pairs(&HOSTNAMES.map(|hostname| Side { hostname, ..base }));
        pairs(&DOMAINS.map(|domain| Side { domain, ..base }));
        pairs(&[0, 1].map(|port| Side { port, ..base }));
    }
    // Several things at once, with the policy changing too.
    let grown = Side { resources: RESOURCES[1], attributes: "rack:a;level:3", domain: DOMAINS[1], ..BASE };
    let mixed = Side { resources: RESOURCES[9], attributes: "rack:b", port: 1, ..BASE };
    let both = |side: Side| POLICIES.map(|policy| Side { policy, ..side });
    pairs(&[both(BASE), both(grown), both(mixed)].concat());
    cases
}
