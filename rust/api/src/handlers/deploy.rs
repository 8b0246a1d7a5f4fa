//! `/deploy`: on the node with the controller it is asked, on the others the caller is told where it is.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use dcos_core::{ExitCode, Problem};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde::Deserialize;

use super::Outcome;
use super::pkg::package_id;
use crate::Principal;
use crate::answer::{Failure, about, json, ok, problem};
use crate::backend::{Created, Leader};
use crate::extract::{Body, Query, Segment};
use crate::metrics;
use crate::router::{App, Control};
use crate::types::alertmanager::HaltCall;
use crate::types::deploy::{CreateDeployment, DeploymentCommand, Ping, PulseRequest, ResumeRequest};
use crate::types::join::{JoinRequest, TokenRequest};
use crate::types::records::Backup;
use crate::types::whoami::WhoAmI;

/// The query of `GET /deploy/events`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct After {
    after: u64,
}

/// The query of `GET /deploy/summary`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Of {
    deployment: Option<String>,
}

pub(crate) async fn list(control: Control) -> Outcome {
    Ok(ok(&control.0.deployments().await?))
}

pub(crate) async fn summary(control: Control, Query(query): Query<Of>) -> Outcome {
    Ok(ok(&control.0.summary(query.deployment).await?))
}

pub(crate) async fn create(control: Control, by: Principal, Body(request): Body<CreateDeployment>) -> Outcome {
    Ok(match control.0.create(request, by).await? {
        Created::Plan(plan) => about(ok(plan.as_ref()), "dry run"),
        Created::Deployment(deployment) => {
            let text = format!("deployment {}", deployment.id);
            let mut response = json(StatusCode::CREATED, deployment.as_ref());
            // Ids are ours and plain, so this is always a header's value.
            if let Ok(location) = HeaderValue::try_from(format!("/deploy/deployments/{}", deployment.id)) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            about(response, text)
        }
    })
}

pub(crate) async fn show(control: Control, Segment(id): Segment) -> Outcome {
    Ok(ok(&control.0.deployment(id).await?))
}

pub(crate) async fn command(
    control: Control,
    by: Principal,
    Segment((id, word)): Segment<(String, String)>,
) -> Outcome {
    let command = match word.as_str() {
        "pause" => DeploymentCommand::Pause,
        "start" => DeploymentCommand::Start,
        "abort" => DeploymentCommand::Abort,
        "retry" => DeploymentCommand::Retry,
        "rollback" => DeploymentCommand::Rollback,
        _ => {
            let detail = format!("a deployment can't be told to `{word}`");
            let unknown = Problem::new(ExitCode::NotFound, "no-such-endpoint", detail);
            return Err(unknown.hint("it can be told to `pause`, `start`, `abort`, `retry` and `rollback`").into());
        }
    };
    let text = format!("deployment {id}");
    let deployment = control.0.command(id, command, by).await.map_err(|refused| Failure::about(refused, &text))?;
    Ok(about(ok(&deployment), text))
}

pub(crate) async fn nodes(control: Control) -> Outcome {
    Ok(ok(&control.0.nodes().await?))
}

pub(crate) async fn node(control: Control, Segment(name): Segment) -> Outcome {
    let nodes = control.0.nodes().await?.nodes;
    let found = nodes.into_iter().find(|node| node.node == name).ok_or_else(|| {
        let detail = format!("the cluster has no node `{name}`");
        Problem::new(ExitCode::NotFound, "no-such-node", detail).hint("list them with `dcos deploy nodes`")
    })?;
    Ok(ok(&found))
}

/// Asked of the node by the controller, so that nobody else has to show nodes his credentials.
pub(crate) async fn node_available(control: Control, Segment(name): Segment) -> Outcome {
    Ok(ok(&control.0.node_available(name).await?))
}

pub(crate) async fn node_package(control: Control, Segment((name, id)): Segment<(String, String)>) -> Outcome {
    let id = package_id(&id)?;
    Ok(ok(&control.0.node_package(name, id).await?))
}

pub(crate) async fn desired(control: Control) -> Outcome {
    Ok(ok(&control.0.desired().await?))
}

pub(crate) async fn audit(control: Control, Query(query): Query<After>) -> Outcome {
    Ok(ok(&control.0.audit(query.after).await?))
}

pub(crate) async fn backup(control: Control) -> Outcome {
    Ok(ok(&control.0.backup().await?))
}

pub(crate) async fn restore(control: Control, by: Principal, Body(backup): Body<Backup>) -> Outcome {
    let text = format!("the backup of {}", backup.taken_at);
    let restored = control.0.restore(backup, by).await.map_err(|refused| Failure::about(refused, &text))?;
    Ok(about(ok(&restored), text))
}

pub(crate) async fn metrics(control: Control) -> Outcome {
    let text = match control.0.leader() {
        Leader::Here => {
            let (deployments, halts) = (control.0.deployments().await?, control.0.halts().await?);
            metrics::cluster(Some((&deployments, &halts, control.0.term().await?)))
        }
        Leader::At(_) | Leader::Nobody(_) => metrics::cluster(None),
    };
    Ok(([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response())
}

pub(crate) async fn halts(control: Control) -> Outcome {
    Ok(ok(&control.0.halts().await?))
}

pub(crate) async fn halt(control: Control, by: Principal, Body(call): Body<HaltCall>) -> Outcome {
    let request = match call {
        HaltCall::Order(request) => request,
        HaltCall::Alerts(alerts) => match alerts.order() {
            Some(request) => request,
            // That the alerts are gone clears nothing: an admin does.
            None => return Ok(about(ok(&control.0.halts().await?), "alerts that are resolved")),
        },
    };
    let halt = control.0.halt(request, by).await?;
    let text = format!("halt {}: {}", halt.id, halt.reason);
    Ok(about(ok(&halt), text))
}

pub(crate) async fn resume(control: Control, by: Principal, Body(request): Body<ResumeRequest>) -> Outcome {
    let text = format!("halt {}: {}", request.halt_id, request.note);
    let halts = control.0.resume(request, by).await.map_err(|refused| Failure::about(refused, &text))?;
    Ok(about(ok(&halts), text))
}

pub(crate) async fn pulse(control: Control, by: Principal, Body(_): Body<PulseRequest>) -> Outcome {
    Ok(ok(&control.0.pulse(by).await?))
}

pub(crate) async fn ping(State(app): State<App>, control: Control, by: Principal, Body(ping): Body<Ping>) -> Outcome {
    let text = format!("{} attempt {}: {:?}", ping.node, ping.attempt, ping.state);
    app.access().check_node(&by, &ping.node).map_err(|refused| Failure::about(refused, &text))?;
    let acknowledged = control.0.ping(ping).await.map_err(|refused| Failure::about(refused, &text))?;
    Ok(about(ok(&acknowledged), text))
}

pub(crate) async fn events(control: Control, Query(query): Query<After>) -> Outcome {
    Ok(ok(&control.0.events(query.after).await?))
}

/// Each master answers for itself: whoever was sent away by one can ask it where to.
pub(crate) async fn who_am_i(State(app): State<App>, control: Control, by: Principal) -> Outcome {
    let Some(role) = app.access().role_of(&by) else {
        let detail = "the caller has no role here, and was let in all the same";
        return Err(Problem::new(ExitCode::Unexpected, "unexpected", detail).into());
    };
    let (leads, leader, reason) = match control.0.leader() {
        Leader::Here => (true, None, String::new()),
        Leader::At(origin) => (false, Some(origin), String::new()),
        Leader::Nobody(problem) => (false, None, problem.detail),
    };
    Ok(ok(&WhoAmI { principal: by.0, role, leads, leader, reason }))
}

pub(crate) async fn token(control: Control, by: Principal, Body(request): Body<TokenRequest>) -> Outcome {
    let made = control.0.token(request, by).await?;
    let text = format!("token {} into {}", made.id, made.group);
    Ok(about(json(StatusCode::CREATED, &made), text))
}

pub(crate) async fn join(control: Control, Body(request): Body<JoinRequest>) -> Outcome {
    let text = format!("node {}", request.node);
    let answer = control.0.join(request).await.map_err(|refused| Failure::about(refused, &text))?;
    Ok(about(ok(&answer), text))
}

/// Stands for every endpoint of the controller on a node that is no master. Reading is sent on to the first master;
/// a change is refused, since a client that follows a redirection would repeat it with credentials that are not for there.
pub(crate) async fn elsewhere(State(app): State<App>, method: Method, uri: Uri) -> Response {
    let masters = app.masters();
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    if let Some(master) = masters.first()
        && matches!(method, Method::GET | Method::HEAD)
        && let Ok(location) = HeaderValue::try_from(format!("{}{target}", master.trim_end_matches('/')))
    {
        let detail = format!("this node is an agent; the master at {master} is asked such things");
        let elsewhere = Failure::from(problem(StatusCode::TEMPORARY_REDIRECT, "not-a-master", detail));
        return ([(header::LOCATION, location)], elsewhere).into_response();
    }
    let detail = "deployments are controlled on a master, and this node is an agent";
    let refused = Problem::new(ExitCode::NotFound, "not-a-master", detail);
    Failure::from(match masters {
        [] => refused.hint("name the masters under `[deploy]` of this node's `node.toml`"),
        masters => refused.hint(format!("ask a master: {}", masters.join(", "))),
    })
    .into_response()
}
