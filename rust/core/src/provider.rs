//! What a provider of machines is asked and answers, and what a machine is: the contract between provisioning and the
//! programs that make machines.
//!
//! A provider is a program of its own: it reads one [`Request`] on standard input, prints one [`Answer`] on standard output
//! and ends. So the SDK of a cloud is neither in Mesos's address space nor in anybody's build who does not want it, a
//! provider that hangs is killed, and a site can write its own in any language.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The version of the requests and answers.
pub const PROTOCOL: u32 = 1;

/// What a provider is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The cluster: machines of others are never listed nor touched.
    pub cluster: String,
    /// The provider's own settings, from its table in the configuration.
    pub settings: serde_json::Value,
    /// What is wanted.
    pub call: Call,
}

/// The calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Call {
    /// Whether the settings and these classes could work, nothing being made.
    Check {
        /// The classes' settings by name.
        classes: BTreeMap<String, serde_json::Value>,
    },
    /// Make a machine, or say which one was made of this token before.
    Launch(Box<Launch>),
    /// Every machine of the cluster that is not long gone.
    List,
    /// End a machine of the cluster. One that is gone already is no error.
    Terminate {
        /// Its name.
        machine: String,
    },
}

/// A machine to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The operation it is for.
    pub operation: String,
    /// The slot in it.
    pub slot: usize,
    /// The client token.
    pub token: String,
    /// Which of the class's choices of type and subnet, from 0.
    pub choice: u32,
    /// The class's settings.
    pub class: serde_json::Value,
    /// What the machine does at its first start: a script for `/bin/sh`.
    pub user_data: String,
}

/// What a provider answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// The settings and classes could work.
    Checked,
    /// There is a machine.
    Launched(Launched),
    /// The machines.
    Machines(Vec<Machine>),
    /// The machine is gone or going.
    Terminated,
    /// It was not done.
    Failed(Failure),
}

/// A machine that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launched {
    /// The provider's name for it.
    pub machine: String,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What kind of reason it is.
    pub reason: Reason,
    /// In words, without secrets.
    pub detail: String,
}

/// Kinds of reasons. Only [`Reason::Unknown`] leaves open whether something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No machine of this choice is to be had now.
    NoCapacity,
    /// The class has no choice of that number.
    NoMoreChoices,
    /// The credentials are missing, wrong, or not enough.
    Denied,
    /// The request can never work as it is.
    Invalid,
    /// Too many calls.
    Throttled,
    /// There was no good answer in time.
    Unknown,
}

/// A machine that we had made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The provider's name for it.
    pub id: String,
    /// Whether it runs.
    pub state: MachineState,
    /// The client token that it was made with.
    pub token: String,
    /// The operation that it was made for.
    pub operation: String,
    /// The slot in it.
    pub slot: usize,
    /// Its address, once it has one.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The agent's port, where machines share an address.
    #[serde(default)]
    pub port: Option<u16>,
    /// What kind of machine it is and where, in the provider's words.
    #[serde(default)]
    pub kind: String,
}

/// Whether a machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    /// It is being made.
    Pending,
    /// It runs.
    Running,
    /// It is on its way out, or stopped.
    Stopping,
    /// It is no more.
    Gone,
}

impl Machine {
    /// Whether it is not known to be gone.
    pub const fn is_live(&self) -> bool {
        !matches!(self.state, MachineState::Gone)
    }

    /// Whether it is neither gone nor going.
    pub const fn is_usable(&self) -> bool {
        matches!(self.state, MachineState::Pending | MachineState::Running)
    }

    /// Whether an agent that listens there is this machine's.
    pub fn carries(&self, agent: Option<SocketAddr>) -> bool {
        agent.is_some_and(|agent| self.address == Some(agent.ip()) && self.port.is_none_or(|port| port == agent.port()))
    }
}

impl Request {
    /// Reads what a provider's program was given on standard input.
    ///
    /// # Errors
    /// [`Reason::Invalid`] if it is no request, or one of another protocol.
    pub fn read(input: &[u8]) -> Result<Self, Failure> {
        let request: Self = serde_json::from_slice(input)
            .map_err(|error| Failure::invalid(format!("the request is not one of this protocol: {error}")))?;
        if request.protocol != PROTOCOL {
            let text = format!("the request has protocol {}, and this program knows {PROTOCOL}", request.protocol);
            return Err(Failure::invalid(text));
        }
        Ok(request)
    }
}

impl Failure {
    /// A failure of what can never work as it is.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self { reason: Reason::Invalid, detail: detail.into() }
    }

    /// A failure that leaves open whether something was done.
    pub fn unknown(detail: impl Into<String>) -> Self {
        Self { reason: Reason::Unknown, detail: detail.into() }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Call, PROTOCOL, Reason, Request};

    #[test]
    fn a_request_of_another_protocol_is_told_from_none() {
        let request = |protocol| Request {
            protocol,
            cluster: "c1".to_owned(),
            settings: serde_json::json!({}),
            call: Call::List,
        };
        let read = |request: &Request| Request::read(&serde_json::to_vec(request).unwrap());
        assert_eq!(read(&request(PROTOCOL)), Ok(request(PROTOCOL)));
        for (failure, why) in [
            (read(&request(PROTOCOL + 1)).unwrap_err(), "has protocol 2, and this program knows 1"),
            (Request::read(b"{}").unwrap_err(), "is not one of this protocol"),
            (Request::read(b"").unwrap_err(), "is not one of this protocol"),
        ] {
            assert_eq!(failure.reason, Reason::Invalid);
            assert!(failure.detail.contains(why), "{failure:?}");
        }
    }
}
