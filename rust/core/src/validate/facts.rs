//! What is known of a set and of its node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::MesosConfig;
use crate::formats::Formats;
use crate::id::PackageId;
use crate::node::MesosFacts;
use crate::pkginfo::{ModuleInfo, ModuleRecord, PkgInfo};
use crate::role::{Kind, Role};

/// What is known of a set.
#[derive(Clone, Debug, Default)]
pub struct SetFacts {
    /// Its packages, each once, in order of id.
    pub packages: Vec<PackageFacts>,
}

/// What is known of a package.
#[derive(Clone, Debug)]
pub struct PackageFacts {
    /// The package.
    pub id: PackageId,
    /// What is in the store; `None` if it is not local.
    pub local: Option<LocalFacts>,
    /// The repository that has revoked it, if one has.
    pub revoked: Option<String>,
}

/// What is known of a local package.
#[derive(Clone, Debug)]
pub struct LocalFacts {
    /// What it says about itself.
    pub pkginfo: PkgInfo,
    /// Where it differs from what was added; empty if it is whole.
    pub damage: Vec<String>,
    /// What it has in the directories that generations link: by path, whether it is a directory.
    pub linked: BTreeMap<String, bool>,
    /// Its configuration, where it is a `mesos-config` and could be read; otherwise why not.
    pub config: Option<Result<MesosConfig, String>>,
    /// What is known of its module libraries, by path within the package.
    pub libraries: BTreeMap<String, LibraryFacts>,
    /// Which files it reads, where it is a dcos-bits that says so; otherwise why that can't be read.
    pub formats: Option<Result<Formats, String>>,
}

/// What is known of a module library together with the Mesos of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LibraryFacts {
    /// It was loaded into a process with that Mesos's library.
    Probed(Probe),
    /// Loading it killed or hung that process; here is how.
    Fatal(String),
    /// It could not be looked at: nothing to do it with.
    Unknown,
}

/// What came of loading a module library: the answer of `dcos-module-probe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Whether the dynamic linker took it.
    pub loadable: bool,
    /// Why not.
    #[serde(default)]
    pub error: Option<String>,
    /// The module records found.
    #[serde(default)]
    pub modules: Vec<ProbedModule>,
    /// The symbols that were asked for and are not in it.
    #[serde(default)]
    pub missing: Vec<String>,
}

/// A module record in a library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbedModule {
    /// Its symbol, which is the module's name.
    pub symbol: String,
    /// The version of Mesos's module interface.
    pub api_version: String,
    /// The Mesos it was built for.
    pub mesos_version: String,
    /// The kind of module.
    pub kind: String,
    /// What the record's own check answers, if it has one.
    #[serde(default)]
    pub compatible: Option<bool>,
}

/// What is known of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// What it is in its cluster; `None` if that is not known, and then not judged.
    pub role: Option<Role>,
    /// The node is to be given up: the set needs no dcos-bits.
    pub leave: bool,
    /// The node is in this set already, or goes back to it: what was revoked since is noted, not held against it.
    pub back: bool,
    /// Its node file names an ensemble of ZooKeeper, by which masters are elected.
    pub zookeeper: bool,
    /// What an agent of it finds when it starts again; `None` if it finds nothing, and then nothing is judged by it.
    pub agent: Option<AgentFacts>,
}

/// What an agent finds when it starts again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentFacts {
    /// Who left the checkpoint.
    pub left_by: LeftBy,
    /// The facts of the host, as they are now.
    pub host: MesosFacts,
}

/// The generation whose agent left a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftBy {
    /// Its number.
    pub generation: u64,
    /// The whole environment of its agent, with the facts that the host had then.
    pub environment: BTreeMap<String, String>,
}

impl SetFacts {
    /// The local packages.
    pub(super) fn local(&self) -> impl Iterator<Item = (&PackageId, &LocalFacts)> {
        self.packages.iter().filter_map(|package| Some((&package.id, package.local.as_ref()?)))
    }

    /// The local packages of a kind.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&PackageId, &LocalFacts)> {
        self.local().filter(move |(_, local)| local.pkginfo.kind == kind)
    }

    /// Whether something is missing, so that rules which need all packages keep silent.
    pub(super) fn incomplete(&self) -> bool {
        self.packages.iter().any(|package| package.local.is_none())
    }

    /// The version of the set's Mesos, if there is exactly one.
    pub fn mesos_version(&self) -> Option<&str> {
        let mut all = self.of_kind(Kind::Mesos);
        match (all.next(), all.next()) {
            (Some((_, local)), None) => local.pkginfo.mesos.as_ref().map(|mesos| mesos.version.as_str()),
            _ => None,
        }
    }

    /// The set's configuration, if there is exactly one and it can be read.
    pub fn config(&self) -> Option<(&PackageId, &MesosConfig)> {
        let mut all = self.of_kind(Kind::MesosConfig);
        match (all.next(), all.next()) {
            (Some((id, local)), None) => Some((id, local.config.as_ref()?.as_ref().ok()?)),
            _ => None,
        }
    }

    /// The packages that provide a module of that name.
    pub fn providers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a PackageId, &'a ModuleInfo)> {
        self.local().flat_map(move |(id, local)| {
            local.pkginfo.modules.iter().filter(move |module| module.name == name).map(move |module| (id, module))
        })
    }
}

impl ProbedModule {
    /// The record as a pkginfo has it.
    pub fn record(&self) -> ModuleRecord {
        ModuleRecord {
            api_version: self.api_version.clone(),
            mesos_version: self.mesos_version.clone(),
            kind: self.kind.clone(),
        }
    }
}
