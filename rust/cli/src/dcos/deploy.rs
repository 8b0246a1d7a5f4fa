//! `dcos deploy`: looking at deployments and steering them.

use std::path::Path;

use dcos_api::types::deploy::{
    ClusterNode, ClusterNodes, Deployment, DeploymentCommand, DeploymentState, DeploymentSummary, Deployments, Halt,
    HaltRequest, Halts, PulseAnswer, PulseRequest, ResumeRequest, Summary,
};
use dcos_api::types::records::{Audit, AuditEntry, Backup, DesiredSets, Restored};
use dcos_core::attempt::AttemptReport;
use dcos_core::{ExitCode, PackageSet, Problem};
use serde::Serialize;

use super::args::{Deploy, Which};
use super::confirm::confirm;
use super::{direct, explain, follow, pin, summary};
use crate::client::Client;
use crate::output::{Format, table};

/// Runs one of the commands.
pub(super) async fn run(client: &Client, format: Format, command: Deploy) -> Result<ExitCode, Problem> {
    match command {
        Deploy::Status(which) => status(client, format, which).await,
        Deploy::List => list(client, format).await,
        Deploy::Watch(which) => {
            let id = find(client, which).await?;
            follow::follow(client, format, &id, DeploymentState::Done).await
        }
        Deploy::Explain { node } => explain::run(client, format, &node).await,
        Deploy::Nodes => nodes(client, format).await,
        Deploy::Desired => {
            let desired: DesiredSets = client.get("/deploy/desired").await?;
            format.print(&desired, |desired| {
                let rows = desired.groups.iter().map(|(group, set)| {
                    vec![group.clone(), set.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")]
                });
                table(&["GROUP", "SET"], &rows.collect::<Vec<_>>())
            });
            Ok(ExitCode::Done)
        }
        Deploy::Audit { after } => {
            let audit: Audit = client.get(&format!("/deploy/audit?after={after}")).await?;
            format.print(&audit, |audit| {
                let rows: Vec<Vec<String>> = audit.entries.iter().map(entry).collect();
                table(&["NUMBER", "TIME", "BY", "REQUEST", "ANSWER", "ABOUT"], &rows)
            });
            Ok(ExitCode::Done)
        }
        Deploy::Backup { file } => {
            let backup: Backup = client.get("/deploy/backup").await?;
            direct::write(&file, &backup)?;
            format.print(&backup, |backup| format!("wrote {} facts to `{}`", backup.facts.len(), file.display()));
            Ok(ExitCode::Done)
        }
        Deploy::Restore { file, yes } => restore(client, format, &file, yes).await,
        Deploy::Halt { reason } => {
            // Two halts for one order are cleared one after the other; none at all is what must not happen.
            let halt: Halt = client.post_until_answered("/deploy/halt", &HaltRequest { reason }).await?;
            format.print(&halt, |halt| {
                format!("halted: no further node is started until `dcos deploy resume {}`", halt.id)
            });
            Ok(ExitCode::Done)
        }
        Deploy::Resume { halt, note } => {
            let left: Halts = client.post("/deploy/resume", &ResumeRequest { halt_id: halt.clone(), note }).await?;
            format.print(&left, |left| resumed(&halt, left));
            Ok(ExitCode::Done)
        }
        Deploy::Pulse => {
            let answer: PulseAnswer = client.post("/deploy/pulse", &PulseRequest {}).await?;
            format.print(&answer, |answer| format!("the pulse was taken in at {}", answer.at));
            Ok(ExitCode::Done)
        }
        Deploy::Pin { name, reason, group } => pin::pin(client, format, pin::pinned(name, group), reason).await,
        Deploy::Unpin { name, group } => pin::unpin(client, format, pin::pinned(name, group)).await,
        Deploy::Pins => pin::list(client, format).await,
        Deploy::Care { chores, groups } => pin::care(client, format, chores, groups).await,
        Deploy::Start(which) => steer(client, format, which, DeploymentCommand::Start).await,
        Deploy::Pause(which) => steer(client, format, which, DeploymentCommand::Pause).await,
        Deploy::Abort(which) => steer(client, format, which, DeploymentCommand::Abort).await,
        Deploy::Retry(which) => steer(client, format, which, DeploymentCommand::Retry).await,
        Deploy::Rollback(which) => steer(client, format, which, DeploymentCommand::Rollback).await,
    }
}

/// An entry of the record of changes as a row.
fn entry(entry: &AuditEntry) -> Vec<String> {
    let about = entry.refusal.as_ref().map_or_else(|| entry.about.clone(), |refusal| refusal.clone());
    vec![
        entry.number.to_string(),
        entry.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        entry.by.clone().unwrap_or_else(|| "nobody".to_owned()),
        format!("{} {}", entry.method, entry.path),
        entry.status.to_string(),
        about,
    ]
}

async fn restore(client: &Client, format: Format, file: &Path, yes: bool) -> Result<ExitCode, Problem> {
    let unusable =
        |why: String| Problem::new(ExitCode::Usage, "bad-backup", format!("`{}` is no backup: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| unusable(error.to_string()))?;
    let backup: Backup = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    let all =
        format!("`{}` takes the place of everything that the controller of {} knows", file.display(), client.url());
    confirm(&all, yes)?;
    let restored: Restored = client.post("/deploy/restore", &backup).await?;
    format.print(&restored, |restored| {
        let mut text = format!("restored: {} deployments", restored.deployments);
        for id in &restored.paused {
            text.push_str(&format!(
                "\n{id} was under way and is paused\nhint: look at `dcos deploy nodes`, then `dcos deploy start {id}`"
            ));
        }
        for id in &restored.halts {
            text.push_str(&format!("\nhalt {id} stands"));
        }
        text
    });
    Ok(ExitCode::Done)
}

/// The id of the deployment that is meant: the named one, else the newest.
async fn find(client: &Client, which: Which) -> Result<String, Problem> {
    if let Some(id) = which.id {
        return Ok(id);
    }
    let newest = summary(client, None).await?.deployment;
    newest.map(|deployment| deployment.id).ok_or_else(|| {
        Problem::new(ExitCode::NotFound, "no-such-deployment", "there was no deployment yet")
            .hint("`dcos upgrade mesos VERSION` and `dcos install module NAME` make one")
    })
}

/// A deployment in short, the newest one if none is named.
pub(super) async fn summary(client: &Client, id: Option<&str>) -> Result<Summary, Problem> {
    client.get(&in_short(id)).await
}

/// Where a deployment is found in short, the newest one if none is named.
pub(super) fn in_short(id: Option<&str>) -> String {
    let query = id.map_or_else(String::new, |id| format!("?deployment={}", segment(id)));
    format!("/deploy/summary{query}")
}

/// Where a deployment is found with all its nodes.
pub(super) fn whole(id: &str) -> String {
    format!("/deploy/deployments/{}", segment(id))
}

/// The newest deployment with all its nodes, if there was any.
pub(super) async fn newest(client: &Client) -> Result<Option<Deployment>, Problem> {
    let answer: Deployments = client.get("/deploy/deployments").await?;
    Ok(answer.deployments.into_iter().next())
}

/// An id as a segment of a path or the value of a query: whatever could mean something else there is encoded.
fn segment(id: &str) -> String {
    id.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// What `dcos deploy status --json` prints.
#[derive(Serialize)]
struct Status {
    deployment: Option<Deployment>,
    running_now: String,
    waiting_for: String,
    next: String,
    halts: Vec<Halt>,
}

async fn status(client: &Client, format: Format, which: Which) -> Result<ExitCode, Problem> {
    let Summary { deployment: short, halts } = summary(client, which.id.as_deref()).await?;
    // Thousands of nodes are not asked one by one for one line: what the controller heard of them will do.
    let cluster: Option<ClusterNodes> = match &short {
        Some(short) if short.left_out > 0 => None,
        Some(_) | None => Some(client.get("/deploy/nodes").await?),
    };
    let status = match &short {
        None => Status {
            deployment: None,
            running_now: cluster.as_ref().map_or_else(String::new, versions),
            waiting_for: "nothing".to_owned(),
            next: "dcos deploy nodes".to_owned(),
            halts,
        },
        Some(short) => Status {
            running_now: summary::running_now(short, cluster.as_ref()),
            waiting_for: summary::waiting_for(short),
            next: summary::next_command(short, &halts),
            // A program gets every node; for a line nobody needs them.
            deployment: match format {
                Format::Json => Some(client.get(&whole(&short.id)).await?),
                Format::Text => None,
            },
            halts,
        },
    };
    format.print(&status, |status| {
        let mut text = match &short {
            Some(short) => summary::status_line(short, cluster.as_ref(), &status.halts),
            None => format!(
                "no deployment yet · running now: {} · waiting for: nothing · next: `{}`",
                status.running_now, status.next
            ),
        };
        text.push_str(&summary::below_the_line(short.as_ref(), &status.halts));
        text
    });
    Ok(ExitCode::Done)
}

/// How many nodes run which Mesos, where there is no deployment to speak of.
fn versions(cluster: &ClusterNodes) -> String {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for node in &cluster.nodes {
        let what =
            node.mesos_version.as_ref().map_or_else(|| "unknown".to_owned(), |version| format!("mesos {version}"));
        *counts.entry(what).or_default() += 1;
    }
    let words: Vec<String> =
        counts.into_iter().map(|(what, number)| format!("{what} on {}", summary::count(number))).collect();
    words.join(", ")
}

fn resumed(cleared: &str, left: &Halts) -> String {
    match left.halts.as_slice() {
        [] => format!("halt {cleared} is cleared; deployments go on"),
        [next, ..] => {
            format!("halt {cleared} is cleared, and another one stands\nhint: `dcos deploy resume {}`", next.id)
        }
    }
}

async fn list(client: &Client, format: Format) -> Result<ExitCode, Problem> {
    let answer: Deployments = client.get("/deploy/deployments").await?;
    format.print(&answer, |answer| {
        let rows: Vec<Vec<String>> = answer
            .deployments
            .iter()
            .map(|deployment| {
                vec![
                    deployment.id.clone(),
                    summary::change(&deployment.change),
                    summary::state(deployment.state),
                    deployment.created_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                    deployment.reason.clone(),
                ]
            })
            .collect();
        table(&["ID", "CHANGE", "STATE", "CREATED", "REASON"], &rows)
    });
    Ok(ExitCode::Done)
}

async fn steer(client: &Client, format: Format, which: Which, command: DeploymentCommand) -> Result<ExitCode, Problem> {
    let id = find(client, which).await?;
    let path = format!("/deploy/deployments/{}/{command}", segment(&id));
    let deployment: Deployment = client.post(&path, &serde_json::json!({})).await?;
    match command {
        DeploymentCommand::Pause | DeploymentCommand::Abort => {
            format.print(&deployment, |deployment| {
                format!(
                    "{} is {}; next: `{}`",
                    deployment.id,
                    summary::state(deployment.state),
                    summary::next_command(&DeploymentSummary::of(deployment), &[])
                )
            });
            Ok(ExitCode::Done)
        }
        DeploymentCommand::Start | DeploymentCommand::Retry => {
            follow::follow(client, format, &id, DeploymentState::Done).await
        }
        DeploymentCommand::Rollback => follow::follow(client, format, &id, DeploymentState::RolledBack).await,
    }
}

async fn nodes(client: &Client, format: Format) -> Result<ExitCode, Problem> {
    let cluster: ClusterNodes = client.get("/deploy/nodes").await?;
    format.print(&cluster, |cluster| node_table(cluster.nodes.iter()));
    Ok(ExitCode::Done)
}

/// A table of nodes with their sets and last attempts.
pub(super) fn node_table<'a>(nodes: impl Iterator<Item = &'a ClusterNode>) -> String {
    let rows: Vec<Vec<String>> = nodes
        .map(|node| {
            vec![
                node.node.clone(),
                node.role.to_string(),
                node.mesos_version.clone().unwrap_or_else(|| "unknown".to_owned()),
                standing(node),
                node.set.as_ref().map_or_else(|| "unknown".to_owned(), others),
                node.last_attempt.as_ref().map_or_else(|| "none".to_owned(), attempt),
            ]
        })
        .collect();
    table(&["NODE", "ROLE", "MESOS", "STATE", "SET", "LAST ATTEMPT"], &rows)
}

/// Whether the node takes part in the cluster.
fn standing(node: &ClusterNode) -> String {
    let word = match (node.reachable, node.registered) {
        (true, true) => return "active".to_owned(),
        (true, false) => "not registered",
        (false, true) => "registered, does not answer",
        (false, false) => "does not answer",
    };
    if node.detail.is_empty() { word.to_owned() } else { format!("{word}: {}", node.detail) }
}

/// The set without its Mesos, which has a column of its own.
fn others(set: &PackageSet) -> String {
    let ids: Vec<String> = set.iter().filter(|id| id.name().as_str() != "mesos").map(ToString::to_string).collect();
    ids.join(" ")
}

fn attempt(report: &AttemptReport) -> String {
    let absence = report.absence_ms.map_or_else(String::new, |ms| format!(", away {ms} ms"));
    format!("{} {}{absence}", summary::state(report.state), report.changed_at.strftime("%H:%M:%SZ"))
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn an_id_can_not_leave_its_segment_of_the_path() {
        assert_eq!(segment("d-1.2_3~"), "d-1.2_3~");
        assert_eq!(segment("../halt?x#y"), "..%2Fhalt%3Fx%23y");
    }
}
