//! The new config of each group, when modules are enabled or disabled or options change: the options that its nodes run
//! with, edited.
//!
//! Options travel in the config package, so a node of the group is the place to ask for them: what it says is what runs
//! there, whoever generated it and from wherever. The controller asks it for us.

use std::collections::{BTreeMap, BTreeSet};

use dcos_api::types::deploy::{ClusterNode, ClusterNodes, Targets, plan_refused};
use dcos_api::types::pkg::{AvailablePackages, PackageDetail};
use dcos_config::{ConfigPackage, Draft, Options, Syntax, generate};
use dcos_core::resolve::{Change, Facts, Install, MESOS_CONFIG, Resolution, resolve};
use dcos_core::validate::Finding;
use dcos_core::{ExitCode, PackageId, PackageName, PackageSet, PkgInfo, Problem};

use super::summary;
use crate::client::{Client, on_node};

/// What is done to the options.
pub(super) enum Edit {
    /// These packages' modules are enabled: names, or names with versions.
    Enable(Vec<String>),
    /// These packages' modules are disabled.
    Disable(Vec<PackageName>),
    /// The options are these.
    Apply(Apply),
}

/// Options as an operator gives them.
#[derive(Default)]
pub(super) struct Apply {
    /// A whole document, in place of the options that the group has.
    pub(super) document: Option<Draft>,
    /// Single options, such as `flags.quorum=1`.
    pub(super) set: Vec<String>,
}

impl Apply {
    /// The options of a group that has `current` now.
    fn edit(&self, current: &Options) -> Result<Options, Problem> {
        let mut draft = match &self.document {
            Some(document) => document.clone(),
            None => Draft::parse(&current.to_json(), Syntax::Json).map_err(|error| error.problem())?,
        };
        for assignment in &self.set {
            draft.set(assignment).map_err(|error| error.problem())?;
        }
        let options = draft.finish().map_err(|error| error.problem())?;
        if (options.role, &options.group) == (current.role, &current.group) {
            return Ok(options);
        }
        let detail = format!(
            "options for role {} and group `{}` can't be applied to group `{}` of role {}",
            options.role, options.group, current.group, current.role
        );
        Err(Problem::new(ExitCode::Refused, "wrong-group", detail)
            .hint("`role` and `group` of a group stay as they are"))
    }
}

/// A group that the change is for.
pub(super) struct GroupConfig {
    /// Its name.
    pub(super) group: String,
    /// The packages that have to be installed with it: names, or names with versions.
    pub(super) modules: Vec<String>,
    /// The config that it has.
    pub(super) current: PackageId,
    /// The config that it shall have; the same one if its options are not changed by it.
    pub(super) package: ConfigPackage,
}

/// The edited config of every group that the edit concerns.
pub(super) async fn edited(client: &Client, targets: &Targets, edit: &Edit) -> Result<Vec<GroupConfig>, Problem> {
    let cluster: ClusterNodes = client.get("/deploy/nodes").await?;
    let mut groups: BTreeMap<&str, Vec<&ClusterNode>> = BTreeMap::new();
    for node in cluster.nodes.iter().filter(|node| is_meant(node, targets)) {
        groups.entry(&node.group).or_default().push(node);
    }
    let (mut edited, mut findings) = (Vec::new(), Vec::new());
    for (group, nodes) in groups {
        match of_group(client, group, &nodes, edit).await {
            Ok(Some(config)) => edited.push(config),
            Ok(None) => {}
            Err(Unfit::Findings(found)) => findings.extend(found),
            Err(Unfit::Problem(problem)) => return Err(problem),
        }
    }
    if !findings.is_empty() {
        return Err(plan_refused(distinct(findings)));
    }
    if edited.is_empty() {
        return Err(nobody_is_concerned(edit));
    }
    Ok(edited)
}

/// A node that could not be asked has no group to be sorted by.
fn is_meant(node: &ClusterNode, targets: &Targets) -> bool {
    let named = |names: &[String], name: &String| names.is_empty() || names.contains(name);
    !node.group.is_empty() && named(&targets.groups, &node.group) && named(&targets.nodes, &node.node)
}

/// The same thing is missing for every group that lacks it; it is said once.
fn distinct(findings: Vec<Finding>) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    findings.into_iter().filter(|finding| seen.insert((finding.code.clone(), finding.message.clone()))).collect()
}

fn nobody_is_concerned(edit: &Edit) -> Problem {
    let (what, why) = match edit {
        Edit::Enable(modules) => (modules.join(" "), "no group of nodes fits"),
        Edit::Disable(modules) => {
            (modules.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), "no group of nodes has it enabled")
        }
        Edit::Apply(_) => ("dcos config apply".to_owned(), "no node belongs to that group"),
    };
    Problem::new(ExitCode::Refused, "nothing-to-do", format!("`{what}`: {why}"))
        .hint("`dcos deploy nodes` shows every node's set")
}

/// Why a group can't be edited.
enum Unfit {
    /// Packages don't fit: collected over all groups.
    Findings(Vec<Finding>),
    /// Something that ends the command.
    Problem(Problem),
}

impl From<Problem> for Unfit {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// How many nodes of a group are asked in turn. One that is not reached by the masters has others beside it; that all have
/// the same trouble, as with a repository that is down, shows in three.
const MOST_ASKED: usize = 3;

/// A node that has said what it is offered, with its set and config.
struct Representative<'a> {
    node: &'a ClusterNode,
    set: &'a PackageSet,
    config: PackageId,
    offered: Vec<PkgInfo>,
}

/// The first node of the group that can be asked.
async fn representative<'a>(
    client: &Client,
    group: &str,
    nodes: &[&'a ClusterNode],
) -> Result<Representative<'a>, Problem> {
    let usable = nodes.iter().filter(|node| node.reachable).filter_map(|node| {
        let set = node.set.as_ref()?;
        let config = set.iter().find(|id| id.name().as_str() == MESOS_CONFIG)?;
        Some((*node, set, config.clone()))
    });
    let (mut trouble, mut asked) = (None, 0);
    for (node, set, config) in usable {
        match client.get::<AvailablePackages>(&on_node(&node.node, "/pkg/available")).await {
            Ok(available) => {
                let offered = available.packages.into_iter().map(|package| package.pkginfo).collect();
                return Ok(Representative { node, set, config, offered });
            }
            // What one node can't say, the next one may. Strangers are passed over without being asked, so they don't count.
            Err(problem) if problem.name().starts_with("node-") => {
                asked += usize::from(problem.name() != "node-untrusted");
                trouble = Some(problem);
            }
            Err(problem) => return Err(problem),
        }
        if asked == MOST_ASKED {
            break;
        }
    }
    Err(trouble.unwrap_or_else(|| {
        let names = summary::nodes(nodes.iter().map(|node| node.node.as_str()));
        Problem::new(
            ExitCode::Unreachable,
            "no-config-known",
            format!("no node of group `{group}` can say what its config was made from (asked: {names})"),
        )
        .hint("`dcos deploy nodes` shows which nodes answer, and what they run")
    }))
}

async fn of_group(
    client: &Client,
    group: &str,
    nodes: &[&ClusterNode],
    edit: &Edit,
) -> Result<Option<GroupConfig>, Unfit> {
    let Representative { node, set, config: current, offered } = representative(client, group, nodes).await?;
    let applied = match edit {
        Edit::Apply(apply) => Some(apply.edit(&options(client, node, &current).await?)?),
        Edit::Enable(_) | Edit::Disable(_) => None,
    };
    let modules: Vec<String> = match (edit, &applied) {
        (Edit::Enable(modules), _) => modules.clone(),
        (_, Some(options)) => absent(&options.modules, set),
        (Edit::Disable(_) | Edit::Apply(_), None) => Vec::new(),
    };
    let Some(target) = target(node, set, &offered, edit, &modules).map_err(Unfit::Findings)? else { return Ok(None) };

    let mut options = match applied {
        Some(options) => options,
        None => options(client, node, &current).await?,
    };
    // The generator takes the modules' names and parameters from the versions that the set will really have.
    let mut known: Vec<PkgInfo> = Vec::new();
    for id in target.iter().chain(set.iter().filter(|id| !target.contains(id))) {
        match offered.iter().find(|info| info.name == *id.name() && info.version == *id.version()) {
            Some(info) => known.push(info.clone()),
            None => known.push(package(client, node, id).await?.pkginfo),
        }
    }
    match edit {
        Edit::Apply(_) => {}
        Edit::Enable(modules) => options.modules.extend(modules.iter().filter_map(|module| name_of(module))),
        Edit::Disable(names) => {
            for name in names {
                options.modules.remove(name);
                for module in known.iter().filter(|info| info.name == *name).flat_map(|info| &info.modules) {
                    options.parameters.remove(&module.name);
                }
            }
        }
    }
    let in_target: Vec<PkgInfo> = known.into_iter().filter(|info| target.contains(&info.id())).collect();
    let package = generate(&options, &in_target).map_err(|error| error.problem())?;
    Ok(Some(GroupConfig { group: group.to_owned(), modules, current, package }))
}

/// The set that a node of the group will have, configs aside; `None` if the edit does not concern it.
fn target(
    node: &ClusterNode,
    set: &PackageSet,
    offered: &[PkgInfo],
    edit: &Edit,
    modules: &[String],
) -> Result<Option<PackageSet>, Vec<Finding>> {
    match edit {
        Edit::Enable(_) | Edit::Apply(_) => {
            let change = Change::Install(Install { modules: modules.to_vec(), configs: BTreeMap::new() });
            // What it has is no question here: the master asks again, for every node.
            let local: BTreeSet<PackageId> = set.iter().cloned().collect();
            let facts = Facts { role: node.role, group: &node.group, current: set, local: &local, available: offered };
            match resolve(&change, facts)? {
                Resolution::Target(target) => Ok(Some(target)),
                Resolution::LeftOut(_) => Ok(None),
            }
        }
        Edit::Disable(names) => {
            let without = names.iter().fold(set.clone(), |set, name| set.without(name));
            Ok((without != *set).then_some(without))
        }
    }
}

/// The packages of these names that the set lacks.
fn absent(names: &BTreeSet<PackageName>, set: &PackageSet) -> Vec<String> {
    names.iter().filter(|name| set.named(name).next().is_none()).map(ToString::to_string).collect()
}

/// A package, as a node that has it says.
async fn package(client: &Client, node: &ClusterNode, id: &PackageId) -> Result<PackageDetail, Problem> {
    client.get(&on_node(&node.node, &format!("/pkg/packages/{id}"))).await
}

/// What the config was made from, as a node that has it says.
async fn options(client: &Client, node: &ClusterNode, config: &PackageId) -> Result<Options, Problem> {
    let detail = package(client, node, config).await?;
    let unusable = |why: String| {
        Problem::new(ExitCode::Refused, "no-options", format!("the options in `{config}` can't be edited: {why}"))
            .hint("generate a config anew with `dcos config generate`")
    };
    let value = detail.options.ok_or_else(|| unusable("there are none".to_owned()))?;
    Options::parse(&value.to_string(), Syntax::Json).map_err(|error| unusable(Problem::chain(&error)))
}

/// The name in `NAME` or `NAME--VERSION`.
fn name_of(module: &str) -> Option<PackageName> {
    module.split("--").next().and_then(|name| name.parse().ok())
}
