//! Agents that come and go with their machines.

use http::StatusCode;

use super::Outcome;
use crate::Principal;
use crate::answer::{Failure, about, json, ok, problem};
use crate::extract::{Body, Segment};
use crate::router::Provision;
use crate::types::provision::{AddSlave, DecommissionSlave};

/// 202 for what begins, 200 for what was only planned.
const fn status(dry_run: bool) -> StatusCode {
    if dry_run { StatusCode::OK } else { StatusCode::ACCEPTED }
}

pub(crate) async fn add(provision: Provision, by: Principal, Body(request): Body<AddSlave>) -> Outcome {
    let text = format!("{} of class {}", request.count, request.class.as_deref().unwrap_or("(the only one)"));
    let dry_run = request.dry_run;
    let operation = provision.0.add(request, by).await.map_err(|refused| Failure::about(refused, &text))?;
    Ok(about(json(status(dry_run), &operation), text))
}

pub(crate) async fn decommission(
    provision: Provision,
    by: Principal,
    Body(request): Body<DecommissionSlave>,
) -> Outcome {
    let (text, dry_run) = (request.agent.clone(), request.dry_run);
    let operation = provision.0.decommission(request, by).await.map_err(|refused| Failure::about(refused, &text))?;
    Ok(about(json(status(dry_run), &operation), text))
}

pub(crate) async fn slaves(provision: Provision) -> Outcome {
    Ok(ok(&provision.0.slaves().await?))
}

/// One agent or machine, by the agent's id or name or the machine's.
pub(crate) async fn slave(provision: Provision, Segment(id): Segment) -> Outcome {
    let slaves = provision.0.slaves().await?.slaves;
    let is_meant = |names: [&Option<String>; 3]| names.into_iter().any(|name| name.as_ref() == Some(&id));
    let found = slaves.into_iter().find(|slave| is_meant([&slave.agent_id, &slave.node, &slave.instance]));
    found.map(|slave| ok(&slave)).ok_or_else(|| {
        let detail = format!("there is neither an agent nor an instance `{id}`");
        problem(StatusCode::NOT_FOUND, "no-such-slave", detail).hint("list them: `dcos slave list`").into()
    })
}

pub(crate) async fn operations(provision: Provision) -> Outcome {
    Ok(ok(&provision.0.operations().await?))
}

pub(crate) async fn operation(provision: Provision, Segment(id): Segment) -> Outcome {
    Ok(ok(&provision.0.operation(id).await?))
}

pub(crate) async fn cancel(provision: Provision, by: Principal, Segment(id): Segment) -> Outcome {
    Ok(about(ok(&provision.0.cancel(id.clone(), by).await?), format!("operation {id}")))
}
