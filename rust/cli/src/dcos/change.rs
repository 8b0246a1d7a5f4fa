//! `dcos upgrade`, `dcos install`, `dcos uninstall`, `dcos config apply`: a change becomes a deployment, which is followed
//! to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dcos_api::types::deploy::{
    Change, CreateDeployment, Deployment, DeploymentPlan, DeploymentState, Install as InstallChange,
    Uninstall as UninstallChange, Upgrade as UpgradeChange,
};
use dcos_core::{ExitCode, PackageId, PackageName, Problem};

use super::args::{ChangeOptions, Install, SiteRepository, Uninstall, Upgrade};
use super::configs::{self, Apply, Edit, GroupConfig};
use super::{follow, plan, summary};
use crate::client::Client;
use crate::output::{Format, say};

/// `dcos upgrade …`
pub(super) async fn upgrade(client: &Client, format: Format, command: Upgrade) -> Result<ExitCode, Problem> {
    let Upgrade::Mesos { version, options } = command;
    // The id is what will be looked for: a text that makes none is refused here, where its reader sits.
    format!("mesos--{version}").parse::<PackageId>().map_err(|error| {
        Problem::new(ExitCode::Usage, "not-a-version", error.to_string()).hint("a version is needed, such as `1.11.0`")
    })?;
    carry_out(client, format, Change::Upgrade(UpgradeChange { mesos: version }), &options).await
}

/// `dcos install …`
pub(super) async fn install(client: &Client, format: Format, command: Install) -> Result<ExitCode, Problem> {
    let Install::Module { modules, site, options } = command;
    for module in &modules {
        let valid =
            if module.contains("--") { module.parse::<PackageId>().err() } else { module.parse::<PackageName>().err() };
        if let Some(error) = valid {
            return Err(Problem::new(ExitCode::Usage, "not-a-package", error.to_string())
                .hint("`NAME` or `NAME--VERSION` is needed, such as `fizzbuzz--1.2.0`"));
        }
    }
    let groups = configs::edited(client, &options.targets(), &Edit::Enable(modules.clone())).await?;
    publish(&groups, &site, options.dry_run)?;
    let configs = by_group(&groups);
    carry_out(client, format, Change::Install(InstallChange { modules, configs }), &options).await
}

/// `dcos uninstall …`
pub(super) async fn uninstall(client: &Client, format: Format, command: Uninstall) -> Result<ExitCode, Problem> {
    let Uninstall::Module { modules, site, options } = command;
    let modules: Vec<PackageName> = modules
        .iter()
        .map(|name| {
            name.parse().map_err(|error: dcos_core::id::InvalidId| {
                Problem::new(ExitCode::Usage, "not-a-package", error.to_string())
                    .hint("the name is needed without a version, such as `fizzbuzz`")
            })
        })
        .collect::<Result<_, _>>()?;
    let groups = configs::edited(client, &options.targets(), &Edit::Disable(modules.clone())).await?;
    publish(&groups, &site, options.dry_run)?;
    let configs = by_group(&groups);
    carry_out(client, format, Change::Uninstall(UninstallChange { modules, configs }), &options).await
}

/// `dcos config apply …`
pub(super) async fn apply(
    client: &Client,
    format: Format,
    document: Option<&Path>,
    set: Vec<String>,
    site: &SiteRepository,
    options: &ChangeOptions,
) -> Result<ExitCode, Problem> {
    let document = document.map(crate::config::draft).transpose()?;
    let mut targets = options.targets();
    if let Some(draft) = &document {
        let group = draft.clone().finish().map_err(|error| error.problem())?.group;
        if targets.groups.iter().any(|named| *named != group) {
            let detail = format!("the options are for group `{group}`, and another one is named by `--group`");
            return Err(Problem::new(ExitCode::Usage, "wrong-group", detail));
        }
        targets.groups = vec![group];
    }
    if targets.groups.is_empty() || (document.is_none() && set.is_empty()) {
        let detail = "it has to be said what is applied, and to which group";
        return Err(Problem::new(ExitCode::Usage, "nothing-to-apply", detail)
            .hint("name a document by `--options FILE`, or a group and single options by `--group` and `--set`"));
    }
    let groups = configs::edited(client, &targets, &Edit::Apply(Apply { document, set })).await?;
    if groups.iter().all(|group| group.current == group.package.id) {
        let names: Vec<&str> = groups.iter().map(|group| group.group.as_str()).collect();
        let detail = format!("{} has exactly this config already", names.join(", "));
        return Err(Problem::new(ExitCode::Refused, "nothing-to-do", detail));
    }
    publish(&groups, site, options.dry_run)?;
    let modules: BTreeSet<String> = groups.iter().flat_map(|group| group.modules.iter().cloned()).collect();
    let change = InstallChange { modules: modules.into_iter().collect(), configs: by_group(&groups) };
    carry_out(client, format, Change::Install(change), options).await
}

fn by_group(groups: &[GroupConfig]) -> BTreeMap<String, PackageId> {
    groups.iter().map(|group| (group.group.clone(), group.package.id.clone())).collect()
}

/// Brings the new configs into the site repository. A dry run leaves it alone.
fn publish(groups: &[GroupConfig], site: &SiteRepository, dry_run: bool) -> Result<(), Problem> {
    if dry_run || groups.iter().all(|group| group.current == group.package.id) {
        return Ok(());
    }
    let Some(directory) = &site.site_repository else {
        return Err(Problem::new(
            ExitCode::Usage,
            "no-site-repository",
            "a new config has to be published, and no site repository is named",
        )
        .hint("name its folder by `--site-repository DIR` or `DCOS_SITE_REPOSITORY`"));
    };
    for group in groups.iter().filter(|group| group.current != group.package.id) {
        crate::config::publish(directory, site.site_keys.as_deref(), &group.package)?;
        say(&format!("published {} for group {} (was {})", group.package.id, group.group, group.current));
    }
    Ok(())
}

/// Asks for the deployment, and follows it.
async fn carry_out(
    client: &Client,
    format: Format,
    change: Change,
    options: &ChangeOptions,
) -> Result<ExitCode, Problem> {
    let request =
        CreateDeployment { change, targets: options.targets(), strategy: options.strategy(), dry_run: options.dry_run };
    if options.dry_run {
        let plan: DeploymentPlan = client.post("/deploy/deployments", &request).await?;
        format.print(&plan, plan::text);
        return Ok(ExitCode::Done);
    }
    let stage_only = request.strategy.stage_only;
    let deployment: Deployment = client.post("/deploy/deployments", &request).await?;
    if options.no_wait {
        format.print(&deployment, |deployment| {
            format!(
                "{}: {}; follow it with `dcos deploy watch {}`",
                deployment.id,
                summary::change(&deployment.change),
                deployment.id
            )
        });
        return Ok(ExitCode::Done);
    }
    let wanted = if stage_only { DeploymentState::Staged } else { DeploymentState::Done };
    follow::follow(client, format, &deployment.id, wanted).await
}
