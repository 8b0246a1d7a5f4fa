//! From a request and what the nodes say to a draft of a deployment, or every reason why there can be none.
//!
//! Each node's target is resolved from that node's own active set and its own repositories, and the deployment is refused
//! as a whole if anything is missing for one of them: a cluster that is half changeable is not changed at all. Agents
//! that are dead are no obstacle; they are noted down, to be caught up when they come back. Masters are never passed
//! over, so a silent master is.

use std::collections::{BTreeMap, BTreeSet};

use dcos_api::types::deploy::{CreateDeployment, DeploymentPlan, PlannedNode, Strategy, Targets};
use dcos_core::resolve::{self, Change, Facts, Resolution};
use dcos_core::validate::Finding;
use dcos_core::{PackageId, PackageSet, PkgInfo, Role};
use jiff::Timestamp;

use crate::{registry, strategy};

/// A node of the cluster, as it was found.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Its name.
    pub node: String,
    /// The origin of its endpoints.
    pub url: String,
    /// Its role.
    pub role: Role,
    /// Its attributes, as the master lists them.
    pub attributes: BTreeMap<String, String>,
    /// Whether the leading master lists it as active; for a master, whether it answers.
    pub alive: bool,
    /// Whether the controller itself runs in it.
    pub host: bool,
    /// Why it is left as it is, if it is pinned.
    pub pinned: Option<String>,
    /// What it says of itself, or why it says nothing.
    pub look: Result<Look, String>,
}

/// What a node says of itself.
#[derive(Clone, Debug)]
pub struct Look {
    /// Its group.
    pub group: String,
    /// The active set; `None` on a new node.
    pub active: Option<PackageSet>,
    /// The packages on it.
    pub local: BTreeSet<PackageId>,
    /// What its repositories offer, or why that is not known.
    pub available: Result<std::sync::Arc<Vec<PkgInfo>>, String>,
    /// The attempt that is under way on it.
    pub busy: Option<String>,
}

/// A deployment that was found possible.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The change.
    pub change: Change,
    /// How it goes over the nodes.
    pub strategy: Strategy,
    /// Whether it is about whole groups.
    pub whole_groups: bool,
    /// The places of the nodes of each wave.
    pub waves: Vec<Vec<usize>>,
    /// How many waves at the front are masters.
    pub master_waves: usize,
    /// Every node that is meant, and those that are left as they are.
    pub nodes: Vec<Planned>,
    /// The deployments that were over before the nodes were asked, and when they ended. None of the others that are over
    /// when this one begins may have had a turn on its nodes. By this and not by a clock: masters' clocks differ.
    pub ended: BTreeMap<u64, Timestamp>,
}

/// A node of a draft.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its name.
    pub node: String,
    /// The origin of its endpoints.
    pub url: String,
    /// Its role.
    pub role: Role,
    /// Its group.
    pub group: String,
    /// The set that it has.
    pub from: PackageSet,
    /// The set that it shall have.
    pub to: PackageSet,
    /// What it must fetch.
    pub fetch: Vec<PackageId>,
    /// Why it is left as it is, if it is.
    pub left: Option<Left>,
}

/// Why a node is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The reason.
    pub reason: String,
    /// Whether it should be caught up when it comes back.
    pub late: bool,
}

/// Findings, each once, with the nodes that they are about.
#[derive(Default)]
struct Findings(Vec<(Finding, Vec<String>)>);

impl Findings {
    fn add(&mut self, node: &str, finding: Finding) {
        match self.0.iter_mut().find(|(known, _)| *known == finding) {
            Some((_, nodes)) => nodes.push(node.to_owned()),
            None => self.0.push((finding, vec![node.to_owned()])),
        }
    }

    fn into_list(self) -> Vec<Finding> {
        let with_nodes = |(mut finding, nodes): (Finding, Vec<String>)| {
            let more = if nodes.len() > 3 { format!(" and {} more", nodes.len() - 3) } else { String::new() };
            let named: Vec<String> = nodes.into_iter().take(3).collect();
            finding.message = format!("{}{more}: {}", named.join(", "), finding.message);
            finding
        };
        self.0.into_iter().map(with_nodes).collect()
    }
}

fn finding(code: &str, message: String) -> Finding {
    Finding { code: code.to_owned(), packages: Vec::new(), message, hint: None }
}

/// Drafts a deployment over `cluster`, which is in the order in which nodes shall have their turn.
///
/// # Errors
/// Everything that stands against it. Codes: `bad-strategy`, `unknown-target`, `no-targets`, `master-unreachable`,
/// `attempt-running`, and those of [`dcos_core::resolve`].
pub fn plan(request: &CreateDeployment, cluster: &[Observed]) -> Result<Draft, Vec<Finding>> {
    let mut problems = strategy::check(&request.strategy);
    if keeps(request) && request.strategy.after.is_empty() {
        problems.push(finding("bad-strategy", "every node keeps its set, and `after` names nothing to do".to_owned()));
    }
    problems.extend(unknown_targets(request, cluster));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut findings = Findings::default();
    let mut nodes = Vec::new();
    // A change that concerns a master may start only while all of them are well.
    let masters = cluster.iter().filter(|node| node.role == Role::Master);
    let silent: Vec<&Observed> = masters.filter(|node| !node.alive || node.look.is_err()).collect();
    for observed in cluster.iter().filter(|node| is_target(&request.targets, node)) {
        match planned(request, observed) {
            Ok(node) => nodes.push((observed.host, node)),
            Err(found) => found.into_iter().for_each(|finding| findings.add(&observed.node, finding)),
        }
    }
    let changed_masters = |node: &Planned| node.role == Role::Master && node.left.is_none();
    let fits_masters = |node: &Planned| node.role == Role::Master && node.left.as_ref().is_some_and(Left::is_done);
    if let Some((master, found)) = overtaken(cluster, &nodes) {
        findings.add(&master, found);
    }
    let changes_masters = !keeps(request) && nodes.iter().any(|(_, node)| changed_masters(node));
    let may_change_masters =
        matches!(request.change, Change::Upgrade(_)) || nodes.iter().any(|(_, node)| fits_masters(node));
    for master in silent {
        if changes_masters || may_change_masters && is_target(&request.targets, master) {
            let why = master.look.as_ref().err().map_or("it does not answer", String::as_str);
            let message = format!("a change of masters needs all of them well: {why}");
            findings.add(&master.node, finding("master-unreachable", message));
        }
    }
    if !findings.0.is_empty() {
        return Err(findings.into_list());
    }
    if nodes.iter().all(|(_, node)| node.left.as_ref().is_some_and(|left| !left.is_done())) {
        let reasons: BTreeSet<String> =
            nodes.iter().filter_map(|(_, node)| node.left.as_ref().map(|left| left.reason.clone())).collect();
        let why = reasons.into_iter().collect::<Vec<_>>().join("; ");
        let colon = if why.is_empty() { "" } else { ": " };
        return Err(vec![finding("no-targets", format!("the change concerns no node{colon}{why}"))]);
    }
    // The master that hosts the controller comes last among masters, so that a leader changes once at most.
    nodes.sort_by_key(|(host, node)| (node.role == Role::Agent, *host));
    let nodes: Vec<Planned> = nodes.into_iter().map(|(_, node)| node).collect();
    let (waves, master_waves) = match keeps(request) {
        // Nobody is away because of it, so nobody waits for anybody.
        true => (vec![(0..nodes.len()).filter(|index| nodes[*index].left.is_none()).collect()], 0),
        false => waves(&request.strategy, &nodes).map_err(|finding| vec![finding])?,
    };
    let whole_groups = !keeps(request)
        && request.targets.nodes.is_empty()
        && request.targets.attributes.is_empty()
        && request.strategy.exclude.is_empty();
    let (change, strategy) = (request.change.clone(), request.strategy.clone());
    Ok(Draft { change, strategy, whole_groups, waves, master_waves, nodes, ended: BTreeMap::new() })
}

impl Left {
    /// Whether there is nothing to do on the node because it is as it should be.
    fn is_done(&self) -> bool {
        self.reason == HAS_IT
    }
}

const HAS_IT: &str = "it has the set already";

fn keeps(request: &CreateDeployment) -> bool {
    matches!(request.change, Change::Keep(_))
}

/// A pinned master that agents would get a newer Mesos than: masters come first, so these must wait for it.
fn overtaken(cluster: &[Observed], nodes: &[(bool, Planned)]) -> Option<(String, Finding)> {
    let agents = || nodes.iter().map(|(_, node)| node).filter(|node| node.role == Role::Agent && node.left.is_none());
    let pinned = cluster.iter().filter(|node| node.role == Role::Master && node.pinned.is_some());
    let mut sets = pinned.filter_map(|node| Some((node, node.look.as_ref().ok()?.active.as_ref()?)));
    let (master, _) = sets.find(|(_, set)| agents().any(|agent| registry::is_older(set, &agent.to)))?;
    let why = master.pinned.as_deref().unwrap_or_default();
    let message = format!("agents would get a newer Mesos than this master, which stays as it is: {why}");
    let hint = Some("take the pin out with `dcos deploy unpin`, or leave the agents as they are too".to_owned());
    Some((master.node.clone(), Finding { hint, ..finding("pinned-master", message) }))
}

fn unknown_targets(request: &CreateDeployment, cluster: &[Observed]) -> Vec<Finding> {
    let unknown = |what: &str, name: &String| finding("unknown-target", format!("there is no {what} `{name}`"));
    let node = |name: &&String| !cluster.iter().any(|node| node.node == **name);
    let group = |name: &&String| {
        // Where a node can't be asked, its group may be any.
        !cluster.iter().any(|node| node.look.as_ref().is_ok_and(|look| look.group == **name))
    };
    let nodes = request.targets.nodes.iter().chain(&request.strategy.exclude).filter(node);
    let groups = request.targets.groups.iter().filter(group);
    let nodes = nodes.map(|name| unknown("node", name));
    nodes.chain(groups.map(|name| unknown("group", name))).collect()
}

fn is_target(targets: &Targets, node: &Observed) -> bool {
    let Targets { roles, groups, nodes, attributes } = targets;
    (roles.is_empty() || roles.contains(&node.role))
        && (groups.is_empty() || node.look.as_ref().is_ok_and(|look| groups.contains(&look.group)))
        && (nodes.is_empty() || nodes.contains(&node.node))
        && attributes.iter().all(|(key, value)| node.attributes.get(key) == Some(value))
}

/// What the change comes to on a node.
fn planned(request: &CreateDeployment, observed: &Observed) -> Result<Planned, Vec<Finding>> {
    let left = |from: &PackageSet, group: &str, reason: String, late: bool| Planned {
        node: observed.node.clone(),
        url: observed.url.clone(),
        role: observed.role,
        group: group.to_owned(),
        from: from.clone(),
        to: from.clone(),
        fetch: Vec::new(),
        left: Some(Left { reason, late }),
    };
    let nothing = PackageSet::default();
    let group = observed.look.as_ref().map_or("", |look| look.group.as_str());
    if request.strategy.exclude.contains(&observed.node) {
        return Ok(left(&nothing, group, "the strategy excludes it".to_owned(), false));
    }
    if let Some(why) = &observed.pinned {
        let active = observed.look.as_ref().ok().and_then(|look| look.active.as_ref());
        return Ok(left(active.unwrap_or(&nothing), group, why.clone(), false));
    }
    // Who is away keeps its set too: nothing is to be caught up.
    let catch_up = !keeps(request);
    let look = match &observed.look {
        Ok(look) if observed.alive => look,
        Ok(_) => return Ok(left(&nothing, group, "the master does not list it as active".to_owned(), catch_up)),
        Err(why) => return Ok(left(&nothing, group, format!("it does not answer: {why}"), catch_up)),
    };
    if let Some(attempt) = &look.busy {
        let message = format!("the attempt `{attempt}` is under way there");
        let hint = Some("wait for its end, or look at it with `dcos deploy explain`".to_owned());
        return Err(vec![Finding { hint, ..finding("attempt-running", message) }]);
    }
    let active = look.active.as_ref().unwrap_or(&nothing);
    let mut local = look.local.clone();
    if request.dry_run {
        // What a change brings along is published before it is asked for in earnest.
        local.extend(brought_along(&request.change));
    }
    let none = Vec::new();
    let available = look.available.as_ref().map_or(&none, |available| available);
    let facts = Facts { role: observed.role, group, current: active, local: &local, available };
    let resolution = resolve::resolve(&request.change, facts).map_err(|mut findings| {
        if let Err(why) = &look.available {
            let message = format!("its repositories could not be asked: {why}");
            findings.insert(0, finding("repositories-unreachable", message));
        }
        findings
    })?;
    Ok(match resolution {
        Resolution::LeftOut(reason) => left(active, group, reason, false),
        Resolution::Target(to) if to == *active && !keeps(request) => left(active, group, HAS_IT.to_owned(), false),
        Resolution::Target(to) => {
            let fetch = to.iter().filter(|id| !look.local.contains(id)).cloned().collect();
            Planned { to, fetch, left: None, ..left(active, group, String::new(), false) }
        }
    })
}

fn brought_along(change: &Change) -> Vec<PackageId> {
    match change {
        Change::Install(install) => install.configs.values().cloned().collect(),
        Change::Uninstall(uninstall) => uninstall.configs.values().cloned().collect(),
        Change::Upgrade(_) | Change::Set(_) | Change::Keep(_) => Vec::new(),
    }
}

/// Masters one by one, then the waves of agents.
fn waves(strategy: &Strategy, nodes: &[Planned]) -> Result<(Vec<Vec<usize>>, usize), Finding> {
    let of = |role: Role| {
        let meant = nodes.iter().enumerate().filter(move |(_, node)| node.role == role && node.left.is_none());
        meant.map(|(index, _)| index).collect::<Vec<usize>>()
    };
    let agents = of(Role::Agent);
    let mut waves: Vec<Vec<usize>> = of(Role::Master).into_iter().map(|index| vec![index]).collect();
    let master_waves = waves.len();
    let mut start = 0;
    for end in strategy::wave_ends(&strategy.waves, agents.len())? {
        waves.push(agents[start..end].to_vec());
        start = end;
    }
    Ok((waves, master_waves))
}

impl Draft {
    /// The draft as an answer to a dry run. What nodes say of tasks and absence is to be filled in by whoever can ask.
    pub fn to_plan(&self) -> DeploymentPlan {
        let name = |index: &usize| self.nodes[*index].node.clone();
        let waves = self.waves.iter().map(|wave| wave.iter().map(name).collect()).collect();
        let places =
            self.waves.iter().enumerate().flat_map(|(place, wave)| wave.iter().map(move |index| (*index, place)));
        let places: BTreeMap<usize, usize> = places.collect();
        let node = |(index, node): (usize, &Planned)| PlannedNode {
            node: node.node.clone(),
            role: node.role,
            group: node.group.clone(),
            from: node.from.clone(),
            to: node.to.clone(),
            fetch: node.fetch.clone(),
            wave: places.get(&index).copied(),
            detail: node.left.as_ref().map_or_else(String::new, |left| left.reason.clone()),
            tasks_lost: None,
            absence_estimate_ms: None,
            notes: Vec::new(),
        };
        let nodes = self.nodes.iter().enumerate().map(node).collect();
        DeploymentPlan { change: self.change.clone(), strategy: self.strategy.clone(), waves, nodes }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
