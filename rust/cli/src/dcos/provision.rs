//! `dcos slave add|remove|operations|cancel`: agents that come and go with their machines.

use std::io::{BufRead as _, IsTerminal as _};
use std::time::{Duration, Instant};

use dcos_api::types::provision::{
    AddSlave, DecommissionSlave, Operation, OperationKind, OperationSlave, OperationState, Operations, Slaves,
};
use dcos_core::{ExitCode, Problem};

use crate::client::Client;
use crate::output::{Format, say, table};

/// How often the master is asked.
const INTERVAL: Duration = Duration::from_millis(500);

/// Makes new agents, and waits until they are registered.
///
/// A request whose answer is lost may have begun an operation, so each has a key: asked again, it begins no second one.
pub(super) async fn add(client: &Client, format: Format, request: AddSlave, wait: bool) -> Result<ExitCode, Problem> {
    let dry_run = request.dry_run;
    let key = match request.key {
        Some(key) => key,
        None => made_up()?,
    };
    let request = AddSlave { key: Some(key.clone()), ..request };
    let operation: Operation = client.post("/provision/add_slave", &request).await.map_err(|problem| {
        let is_lost = problem.name() == "unreachable" && !dry_run;
        let hint = format!("if it was begun all the same, the same command with `--key {key}` begins nothing more");
        if is_lost { problem.hint(hint) } else { problem }
    })?;
    begun(client, format, operation, wait && !dry_run).await
}

/// A key that nobody else has.
fn made_up() -> Result<String, Problem> {
    let word = dcos_restart::host::random::<8>().map_err(|error| {
        Problem::new(ExitCode::Unexpected, "no-randomness", format!("can't make up a key: {error}"))
    })?;
    Ok(word.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Removes an agent, and waits until it and its machine are gone.
pub(super) async fn remove(
    client: &Client,
    format: Format,
    request: DecommissionSlave,
    (yes, wait): (bool, bool),
) -> Result<ExitCode, Problem> {
    let dry_run = request.dry_run;
    if !yes && !dry_run {
        let planned: Operation = client
            .post("/provision/decommission_slave", &DecommissionSlave { dry_run: true, ..request.clone() })
            .await?;
        confirm(&planned, &request)?;
    }
    // Safe to repeat: whoever asks for a removal that is under way gets that one.
    let operation: Operation = client.post("/provision/decommission_slave", &request).await?;
    begun(client, format, operation, wait && !dry_run).await
}

/// Asks whether it is meant, where somebody is there to answer.
fn confirm(planned: &Operation, request: &DecommissionSlave) -> Result<(), Problem> {
    let slave = planned.slaves.first();
    let node = slave.and_then(|slave| slave.node.clone()).unwrap_or_else(|| request.agent.clone());
    let machine = match slave.and_then(|slave| slave.instance.as_ref()) {
        Some(instance) if !request.keep_instance => format!("; its instance {instance} is terminated"),
        Some(_) | None => String::new(),
    };
    let text = format!("the tasks of {node} are ended within {} s, and it never comes back{machine}", request.grace);
    let refused = |why: &str| {
        Problem::new(ExitCode::Refused, "not-confirmed", format!("{text}: {why}")).hint("`--yes` says that it is meant")
    };
    if !std::io::stdin().is_terminal() {
        return Err(refused("nobody is there to say that it is meant"));
    }
    planned.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
    say(&format!("{text}; type `yes` to go on"));
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        Ok(_) | Err(_) => Err(refused("it was not meant")),
    }
}

/// Shows an operation; follows it to its end if wanted.
async fn begun(client: &Client, format: Format, operation: Operation, wait: bool) -> Result<ExitCode, Problem> {
    operation.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
    let operation = if wait { follow(client, operation).await? } else { operation };
    format.print(&operation, ending);
    Ok(outcome(&operation))
}

/// What an operation's end means for whoever waits. One that failed has undone what it did.
const fn outcome(operation: &Operation) -> ExitCode {
    match operation.state {
        OperationState::Planned | OperationState::Running | OperationState::Done => ExitCode::Done,
        OperationState::Failed => ExitCode::RolledBack,
    }
}

async fn follow(client: &Client, mut operation: Operation) -> Result<Operation, Problem> {
    let path = format!("/provision/operations/{}", operation.id);
    let mut seen: Vec<OperationSlave> = Vec::new();
    let mut silent_since: Option<Instant> = None;
    loop {
        for (number, slave) in operation.slaves.iter().enumerate() {
            if seen.get(number) != Some(slave) {
                say(&line(&operation, number, slave));
            }
        }
        if operation.state != OperationState::Running {
            return Ok(operation);
        }
        seen.clone_from(&operation.slaves);
        tokio::time::sleep(INTERVAL).await;
        match client.get(&path).await {
            Ok(now) => {
                operation = now;
                silent_since = None;
            }
            Err(problem) => {
                let since = *silent_since.get_or_insert_with(Instant::now);
                if !Client::may_pass(&problem) || since.elapsed() > client.patience() {
                    let id = &operation.id;
                    return Err(problem.hint(format!("`dcos slave operation {id}` shows it; it goes on without us")));
                }
            }
        }
    }
}

fn line(operation: &Operation, number: usize, slave: &OperationSlave) -> String {
    let place = match operation.slaves.len() {
        1 => String::new(),
        all => format!(" {} of {all}", number + 1),
    };
    let name = slave.node.as_ref().or(slave.instance.as_ref()).map_or_else(String::new, |name| format!(" {name}"));
    let detail = if slave.detail.is_empty() { String::new() } else { format!(": {}", slave.detail) };
    format!("{}{place}{name} {}{detail}", operation.id, slave.stage.replace('_', " "))
}

fn ending(operation: &Operation) -> String {
    let word = match (operation.kind, operation.state) {
        (_, OperationState::Planned) => return planned(operation),
        (_, OperationState::Running) => {
            format!("operation {} is under way: `dcos slave operation {}`", operation.id, operation.id)
        }
        (_, OperationState::Done) => operation.detail.clone(),
        (OperationKind::AddSlave, OperationState::Failed) => {
            format!("failed, and nothing of what failed is left: {}", operation.detail)
        }
        (OperationKind::DecommissionSlave, OperationState::Failed) => format!("failed: {}", operation.detail),
    };
    let row = |slave: &OperationSlave| {
        vec![or_dash(&slave.node), or_dash(&slave.agent_id), or_dash(&slave.instance), slave.stage.replace('_', " ")]
    };
    let rows: Vec<Vec<String>> = operation.slaves.iter().map(row).collect();
    format!("{}{word}\n", table(&["NODE", "AGENT", "INSTANCE", "STAGE"], &rows))
}

fn or_dash(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "-".to_owned())
}

fn planned(operation: &Operation) -> String {
    match operation.kind {
        OperationKind::AddSlave => {
            let class = operation.class.as_deref().unwrap_or("?");
            let group = operation.group.as_deref().unwrap_or("?");
            format!("{} agents of class `{class}` would join group `{group}`\n", operation.slaves.len())
        }
        OperationKind::DecommissionSlave => {
            let slave = operation.slaves.first();
            let node = slave.and_then(|slave| slave.node.as_deref()).unwrap_or("?");
            match slave.and_then(|slave| slave.instance.as_deref()) {
                Some(instance) => format!("{node} would be drained and removed, with its instance {instance}\n"),
                None => format!("{node} would be drained and removed\n"),
            }
        }
    }
}

/// The operations.
pub(super) async fn operations(client: &Client, format: Format) -> Result<ExitCode, Problem> {
    let operations: Operations = client.get("/provision/operations").await?;
    format.print(&operations, |all| {
        let rows: Vec<Vec<String>> = all
            .operations
            .iter()
            .map(|operation| {
                vec![
                    operation.id.clone(),
                    match operation.kind {
                        OperationKind::AddSlave => format!("add {}", operation.slaves.len()),
                        OperationKind::DecommissionSlave => "remove".to_owned(),
                    },
                    match operation.state {
                        OperationState::Planned => "planned",
                        OperationState::Running => "running",
                        OperationState::Done => "done",
                        OperationState::Failed => "failed",
                    }
                    .to_owned(),
                    operation.asked_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                    operation.detail.clone(),
                ]
            })
            .collect();
        table(&["OPERATION", "WHAT", "STATE", "ASKED", "DETAIL"], &rows)
    });
    Ok(ExitCode::Done)
}

/// One operation; followed to its end if it is under way and wanted.
pub(super) async fn operation(client: &Client, format: Format, id: &str, wait: bool) -> Result<ExitCode, Problem> {
    let operation: Operation = client.get(&format!("/provision/operations/{id}")).await?;
    begun(client, format, operation, wait).await
}

/// Withdraws an operation.
pub(super) async fn cancel(client: &Client, format: Format, id: &str) -> Result<ExitCode, Problem> {
    let operation: Operation = client.delete(&format!("/provision/operations/{id}")).await?;
    begun(client, format, operation, true).await.map(|_| ExitCode::Done)
}

/// Agents and machines in one table; `None` where no provider is configured. What the master could not ask is warned of: the
/// table lacks it.
pub(super) async fn slaves(client: &Client) -> Result<Option<Slaves>, Problem> {
    match client.get::<Slaves>("/provision/slaves").await {
        Ok(slaves) => {
            for problem in &slaves.problems {
                say(&format!("warning: {}", problem.detail));
                problem.hints.iter().for_each(|hint| say(&format!("hint: {hint}")));
            }
            Ok(Some(slaves))
        }
        Err(problem) if problem.name() == "not-configured" => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// The machines of agents, and what does not match.
pub(super) fn machines(slaves: &Slaves) -> String {
    let rows: Vec<Vec<String>> = slaves
        .slaves
        .iter()
        .map(|slave| {
            vec![
                or_dash(&slave.node),
                or_dash(&slave.agent_id),
                or_dash(&slave.instance),
                or_dash(&slave.instance_state),
                or_dash(&slave.instance_kind),
                or_dash(&slave.operation),
                slave.mismatch.clone().unwrap_or_default(),
            ]
        })
        .collect();
    table(&["NODE", "AGENT", "INSTANCE", "STATE", "KIND", "OPERATION", "MISMATCH"], &rows)
}
