//! From a set to a generation, and the switch.
//!
//! A generation is built in staging, made durable, and renamed to its number; so one that has a number is complete.
//! Numbers are never used twice: paths with them are in the environment of live processes. The switch replaces one link.

use dcos_core::attempt::AttemptState;
use dcos_core::ports::{Generation, Launch};
use dcos_core::validate::{NodeFacts, Report, SetFacts};
use dcos_core::{PackageId, PackageSet, validate};
use jiff::Timestamp;

use super::document::{self, ENVIRONMENT_FILE, SET_FILE, SetDocument, read_environment, write_environment};
use super::facts::{agent, gather};
use super::links::{self, Link};
use super::render::{MODULES_FILE, RenderedPackage, Source, has_webui};
use crate::directory::Directory;
use crate::durable::{self, Moment};
use crate::error::StoreError;
use crate::lock::Locked;
use crate::manifest::Manifest;
use crate::staging::Staging;
use crate::store::{ACTIVE, GENERATIONS, Store};

/// The generation within its staging entry.
const TREE: &str = "tree";

/// How an activation by hand is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// Also while a Mesos of this store runs.
    pub offline: bool,
    /// Also without dcos-bits in the set: the node is given up.
    pub leave: bool,
}

/// Where a set that is judged would lead the node.
#[derive(Clone, Copy, Default)]
struct Way {
    /// Away from dcos-bits.
    leave: bool,
    /// To where it was before.
    back: bool,
    /// To an agent that need not accept the checkpoint that is there: somebody has judged that, or will wipe it.
    any_checkpoint: bool,
}

/// The files of a generation, other than links.
struct Rendered {
    set: SetDocument,
    files: [(&'static str, Vec<u8>); 3],
}

impl Store {
    /// Judges a set by every rule, as far as this node can tell. Nothing changes, other than that what was learned of
    /// module libraries is remembered.
    ///
    /// # Errors
    /// If the store can't be read. A set that is not valid is no error here.
    pub fn validate(&self, set: &PackageSet) -> Result<Report, StoreError> {
        self.validate_to(set, Way::default()).map(|(report, _)| report)
    }

    /// The same for a set that may be without dcos-bits.
    ///
    /// # Errors
    /// As [`Store::validate`].
    pub fn validate_leaving(&self, set: &PackageSet) -> Result<Report, StoreError> {
        self.validate_to(set, Way { leave: true, ..Way::default() }).map(|(report, _)| report)
    }

    fn validate_to(&self, set: &PackageSet, way: Way) -> Result<(Report, SetFacts), StoreError> {
        let facts = gather(self, set)?;
        let role = self.node().map(|node| node.config.role);
        let zookeeper = self.node().is_some_and(|node| node.config.mesos.zk.is_some());
        // An active set that can't be read excuses nothing, and is for others to complain about.
        let back = way.back || matches!(self.active(), Ok(Some(active)) if active.set == *set);
        let agent = if way.any_checkpoint { None } else { agent(self)? };
        let node = NodeFacts { role, leave: way.leave, back, zookeeper, agent };
        Ok((validate::validate(&facts, &node), facts))
    }

    /// Makes a generation of a valid set, durable; the existing one if there is one that says the same.
    ///
    /// An agent's checkpoint is not judged again: whoever is about to start it has asked [`Store::validate`], and knows
    /// whether the work directory will be wiped before.
    ///
    /// # Errors
    /// [`StoreError::InvalidSet`] with the whole report, [`StoreError::NoNode`], or if the store can't be written.
    pub fn stage(&self, locked: &Locked, set: &PackageSet) -> Result<Generation, StoreError> {
        self.stage_to(locked, set, Way { any_checkpoint: true, ..Way::default() })
    }

    fn stage_to(&self, _locked: &Locked, set: &PackageSet, way: Way) -> Result<Generation, StoreError> {
        let node = self.node().ok_or(StoreError::NoNode)?;
        let (report, facts) = self.validate_to(set, way)?;
        let (true, Some((_, config)), Some(mesos_version)) = (report.valid, facts.config(), facts.mesos_version())
        else {
            return Err(StoreError::InvalidSet(report));
        };
        let manifests = set.iter().map(|id| Ok(self.package(id)?.1)).collect::<Result<Vec<Manifest>, StoreError>>()?;
        let packages = rendered_packages(&facts, &manifests);
        let render = |number| {
            let source = Source { root: self.root(), number, node, config, packages: &packages };
            render(&source, set, mesos_version)
        };
        let generations = self.make_top(GENERATIONS)?;
        let numbers = numbers(&generations)?;
        for number in numbers.iter().rev() {
            if is_rendered_as(&generations.open(number.to_string())?, &render(*number)?.files)? {
                return self.generation(*number);
            }
        }
        let used = numbers.into_iter().chain(self.history()?.into_iter().map(|entry| entry.generation)).max();
        let rendered = render(used.unwrap_or(0) + 1)?;
        let plan = links::plan(manifests.iter().map(|manifest| (&manifest.id, &manifest.entries)));
        let staging = Staging::create(&self.make_scratch()?)?;
        let tree = staging.directory().create_directory(TREE)?;
        for (path, link) in &plan {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let parent = tree.descend(parent)?;
            match link {
                Link::Directory => drop(parent.create_directory(name)?),
                Link::To(target) => parent.create_link(name, target)?,
            }
        }
        for (name, bytes) in &rendered.files {
            tree.write_new(name, bytes, 0o644)?;
        }
        let directories = plan.values().filter(|link| **link == Link::Directory).count();
        durable::sync(Moment::TreeWritten(&tree, directories + rendered.files.len()))?;
        staging.directory().rename(TREE, &generations, &rendered.set.generation.to_string())?;
        generations.sync()?;
        tracing::info!(generation = rendered.set.generation, %set, "staged");
        Ok(rendered.set.generation())
    }

    /// The active generation; `None` on a new node.
    ///
    /// # Errors
    /// If `active` or what it points to can't be read.
    pub fn active(&self) -> Result<Option<Generation>, StoreError> {
        match self.active_number()? {
            Some(number) => self.generation(number).map(Some),
            None => Ok(None),
        }
    }

    /// The number of the active generation.
    ///
    /// # Errors
    /// If `active` can't be read or points elsewhere.
    pub fn active_number(&self) -> Result<Option<u64>, StoreError> {
        let root = match Directory::at(self.root()) {
            Ok(root) => root,
            Err(error) if error.errno() == Some(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(target) = root.link_target(ACTIVE)? else { return Ok(None) };
        let number = target.strip_prefix(GENERATIONS).and_then(|rest| rest.strip_prefix('/')?.parse().ok());
        let wrong = || StoreError::damaged(self.root().join(ACTIVE), format!("it points to `{target}`"));
        number.ok_or_else(wrong).map(Some)
    }

    /// The generation of that number.
    ///
    /// # Errors
    /// [`StoreError::NoGeneration`] if there is none; otherwise if it can't be read.
    pub fn generation(&self, number: u64) -> Result<Generation, StoreError> {
        Ok(self.set_document(number)?.0.generation())
    }

    /// The generations that there are, oldest first.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn generations(&self) -> Result<Vec<u64>, StoreError> {
        self.top(GENERATIONS)?.map_or_else(|| Ok(Vec::new()), |generations| numbers(&generations))
    }

    /// How to start the Mesos of a generation.
    ///
    /// # Errors
    /// [`StoreError::NoGeneration`] if there is none of that number; otherwise if it can't be read.
    pub fn launch(&self, number: u64) -> Result<Launch, StoreError> {
        let (document, directory) = self.set_document(number)?;
        let path = directory.path().join(ENVIRONMENT_FILE);
        let bytes = directory.read_if_any(ENVIRONMENT_FILE)?;
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let environment = text
            .and_then(|text| read_environment(&text))
            .ok_or_else(|| StoreError::damaged(path, "it is missing, or not `NAME=VALUE` lines"))?;
        let generation = document.generation();
        let SetDocument { program, health_paths, .. } = document;
        Ok(Launch { generation, program, arguments: Vec::new(), directory: None, environment, health_paths })
    }

    fn set_document(&self, number: u64) -> Result<(SetDocument, Directory), StoreError> {
        let missing = || StoreError::NoGeneration(number);
        let generations = self.top(GENERATIONS)?.ok_or_else(missing)?;
        let directory = generations.open_if_any(&number.to_string())?.ok_or_else(missing)?;
        let path = directory.path().join(SET_FILE);
        let bytes = directory.read_if_any(SET_FILE)?.ok_or_else(|| StoreError::damaged(&path, "it is missing"))?;
        let document: SetDocument =
            serde_json::from_slice(&bytes).map_err(|error| StoreError::damaged(&path, error))?;
        match document.format {
            document::FORMAT => Ok((document, directory)),
            found => Err(StoreError::Format { path, found: found.into(), known: document::FORMAT }),
        }
    }

    /// Moves `active` to an existing generation: one rename and one sync of a directory, whatever is in the set.
    ///
    /// # Errors
    /// [`StoreError::NoGeneration`] if there is none of that number; otherwise if the link can't be replaced.
    pub fn switch(&self, _locked: &Locked, number: u64) -> Result<(), StoreError> {
        self.set_document(number)?;
        let root = self.make()?;
        root.replace_link(ACTIVE, &format!("{GENERATIONS}/{number}"))?;
        tracing::info!(generation = number, "switched");
        Ok(())
    }

    /// Takes `active` away: the node is as one that never had a set. Fine if there is none.
    ///
    /// # Errors
    /// If the link can't be removed.
    pub fn deactivate(&self, _locked: &Locked) -> Result<(), StoreError> {
        let root = self.make()?;
        root.remove_file(ACTIVE)?;
        tracing::info!("no generation is active");
        root.sync()
    }

    /// Stages a set and switches to it by hand, on a node whose Mesos does not run.
    ///
    /// # Errors
    /// [`StoreError::MesosRuns`] if it does, unless `offline`; otherwise as [`Store::stage`] and [`Store::switch`].
    pub fn activate(
        &self,
        locked: &Locked,
        set: &PackageSet,
        activation: &Activation,
    ) -> Result<Generation, StoreError> {
        self.refuse_running(activation)?;
        let generation = self.stage_to(locked, set, Way { leave: activation.leave, ..Way::default() })?;
        self.enter(locked, generation)
    }

    /// Switches back by hand, on a node whose Mesos does not run: to the newest confirmed generation other than the
    /// active one, or, where none was ever confirmed, to what was active before.
    ///
    /// # Errors
    /// [`StoreError::NoRollbackTarget`] if there is nothing to go back to; otherwise as [`Store::activate`].
    pub fn rollback(&self, locked: &Locked, activation: &Activation) -> Result<Generation, StoreError> {
        self.refuse_running(activation)?;
        let active = self.active_number()?.ok_or(StoreError::NothingActive)?;
        let generation = self.rollback_choice(active)?.ok_or(StoreError::NoRollbackTarget)?;
        // Its packages may have been damaged since.
        let (report, _) = self.validate_to(&generation.set, Way { leave: true, back: true, ..Way::default() })?;
        if !report.valid {
            return Err(StoreError::InvalidSet(report));
        }
        for note in &report.notes {
            tracing::warn!(code = note.code, "{}", note.message);
        }
        self.enter(locked, generation)
    }

    fn enter(&self, locked: &Locked, generation: Generation) -> Result<Generation, StoreError> {
        if self.active_number()? != Some(generation.number) {
            self.switch(locked, generation.number)?;
        }
        // Apart from the switch: whoever died between the two wrote nothing down, and the next one does.
        if self.history()?.last().is_none_or(|last| last.generation != generation.number) {
            self.record(locked, generation.number, None, Timestamp::now())?;
        }
        Ok(generation)
    }

    fn refuse_running(&self, activation: &Activation) -> Result<(), StoreError> {
        match self.running()? {
            Some(running) if !activation.offline => Err(StoreError::MesosRuns(running)),
            _ => Ok(()),
        }
    }

    /// Writes down how an activation went; one that was confirmed may be gone back to.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn record_outcome(
        &self,
        locked: &Locked,
        number: u64,
        outcome: AttemptState,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.record(locked, number, Some(outcome), at)
    }
}

/// The numbered directories, in order of number. Anything else in there is not ours.
fn numbers(generations: &Directory) -> Result<Vec<u64>, StoreError> {
    let mut numbers: Vec<u64> =
        generations.entries()?.into_iter().filter_map(|entry| entry.name.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn rendered_packages(facts: &SetFacts, manifests: &[Manifest]) -> Vec<RenderedPackage> {
    let of = |id: &PackageId| manifests.iter().find(|manifest| manifest.id == *id);
    let packages = facts.packages.iter().filter_map(|package| Some((&package.id, package.local.as_ref()?)));
    packages
        .map(|(id, local)| RenderedPackage {
            id: id.clone(),
            pkginfo: local.pkginfo.clone(),
            has_webui: of(id).is_some_and(|manifest| has_webui(manifest.entries.keys().map(String::as_str))),
        })
        .collect()
}

fn render(source: &Source<'_>, set: &PackageSet, mesos_version: &str) -> Result<Rendered, StoreError> {
    let document = SetDocument {
        format: document::FORMAT,
        generation: source.number,
        set: set.clone(),
        mesos_version: mesos_version.to_owned(),
        modules: source.config.modules.iter().map(|module| module.name.clone()).collect(),
        // A valid set has one mesos package.
        program: source.program().unwrap_or_default(),
        health_paths: source.health_paths(),
    };
    let failed = |error| StoreError::io("render", source.directory(), error);
    let text = serde_json::to_vec_pretty(&document).map_err(failed)?;
    let files = [
        (SET_FILE, text),
        (ENVIRONMENT_FILE, write_environment(&source.environment()).into_bytes()),
        (MODULES_FILE, source.modules().map_err(failed)?),
    ];
    Ok(Rendered { set: document, files })
}

fn is_rendered_as(directory: &Directory, files: &[(&str, Vec<u8>)]) -> Result<bool, StoreError> {
    for (name, bytes) in files {
        if directory.read_if_any(name)?.as_ref() != Some(bytes) {
            return Ok(false);
        }
    }
    Ok(true)
}
