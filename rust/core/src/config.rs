//! `etc/config.json` of a `mesos-config` package: what a generation's environment and `modules.json` are rendered from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::role::Role;

/// The path of the file within its package.
pub const FILE_NAME: &str = "etc/config.json";

/// The path, within the same package, of the options that it was made from.
pub const OPTIONS_FILE_NAME: &str = "etc/options.json";

/// The format that this release reads and writes.
pub const FORMAT: u32 = 1;

/// The configuration of a master or an agent, without the facts of any one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MesosConfig {
    /// The file's format: [`FORMAT`].
    pub format: u32,
    /// Which of Mesos's programs it is for.
    pub role: Role,
    /// Mesos's flags, as `MESOS_*` variables.
    pub environment: BTreeMap<String, String>,
    /// The modules that Mesos loads, in this order.
    pub modules: Vec<EnabledModule>,
}

/// A module that Mesos is told to load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnabledModule {
    /// Its name; some package of the set says which library has it.
    pub name: String,
    /// Its parameters as Mesos hands them over: as text. Those of type `node-file` are the node's to fill in.
    pub parameters: BTreeMap<String, String>,
}
