//! A cluster in which every Mesos asks for names: who is who, and the files that say so.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::Cluster;

/// The operator.
pub(super) const ALICE: (&str, &str) = ("alice", "loud");

/// Whom the controller is when it calls, and whom agents that join by a token are.
const CONTROLLER: (&str, &str) = ("controller", "quiet");
const JOINING: (&str, &str) = ("joining", "hush");

impl Cluster {
    /// Writes the files with names and secrets: who is called knows many, who calls is one.
    pub(super) fn write_names(&self) {
        let one = |(principal, secret): (&str, &str)| json!({"principal": principal, "secret": secret});
        let many = |names: &[(&str, &str)]| json!({"credentials": names.iter().copied().map(one).collect::<Vec<_>>()});
        for (name, content) in [
            ("alice", one(ALICE)),
            ("own", one(CONTROLLER)),
            ("joining", one(JOINING)),
            ("known", many(&[ALICE, CONTROLLER, JOINING])),
            ("joined", many(&[CONTROLLER, JOINING])),
        ] {
            std::fs::write(self.path(name), content.to_string()).expect("a file of names can be written");
            std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600))
                .expect("it can be closed");
        }
    }

    /// What a node's file says of names, below `[deploy]`.
    pub(super) fn names(&self) -> String {
        format!(
            "credentials = {:?}\njoin_credentials = {:?}\njoin_mesos_credentials = {:?}\nnetworks = [\"127.0.0.0/8\"]\n\
             shared_principals = [\"joining\"]\n[roles]\nalice = \"admin\"\njoining = \"node\"\ncontroller = \"operator\"\n",
            self.path("own"),
            self.path("joining"),
            self.path("joined")
        )
    }

    /// Where the config of the agents has Mesos look for names. Nobody but a node that joins writes that file.
    pub(crate) fn names_of_agents(&self) -> std::path::PathBuf {
        self.path("names-of-agents")
    }

    /// The flags by which a Mesos asks for names.
    pub(super) fn ask_for_names(&self, role: &str, flags: &mut Value) {
        let (flag, path) = match role {
            "master" => ("credentials", self.path("known")),
            _ => ("http_credentials", self.names_of_agents()),
        };
        flags[flag] = json!(format!("file://{}", path.display()));
        for flag in ["authenticate_http_readonly", "authenticate_http_readwrite"] {
            flags[flag] = json!("true");
        }
    }
}
