//! `/pkg`.

use axum::extract::State;
use axum::response::IntoResponse;
use dcos_core::{ExitCode, PackageId, PackageSet, Problem};
use http::{HeaderValue, StatusCode, header};

use super::{Outcome, blocking};
use crate::Principal;
use crate::answer::{Failure, about, json, ok, problem};
use crate::extract::{Body, Segment};
use crate::metrics;
use crate::router::App;
use crate::types::pkg::{CareRequest, FetchRequest, GcRequest, Job, JobState, ValidateRequest};

/// The most packages that one fetch may name; no set comes near.
const MOST_PACKAGES: usize = 1000;

/// Answered without waiting: callers ask this often, and inside Mesos a hop to another thread costs more than the answer.
pub(crate) async fn active(State(app): State<App>) -> Outcome {
    match app.node().active()? {
        Some(active) => Ok(ok(active.as_ref())),
        None => {
            let none = Problem::new(ExitCode::NotFound, "no-active-generation", "no generation is active on this node");
            Err(none.hint("activate a set: `dcos-pkg activate ID…`").into())
        }
    }
}

pub(crate) async fn packages(State(app): State<App>) -> Outcome {
    Ok(ok(&blocking(&app, |node| node.packages()).await?))
}

pub(crate) async fn package(State(app): State<App>, Segment(id): Segment) -> Outcome {
    let id = package_id(&id)?;
    Ok(ok(&blocking(&app, move |node| node.package(&id)).await?))
}

pub(crate) async fn remove(State(app): State<App>, Segment(id): Segment) -> Outcome {
    let id = package_id(&id)?;
    let removed = id.clone();
    let detail = blocking(&app, move |node| {
        let detail = node.package(&removed)?;
        node.remove_package(&removed)?;
        Ok(detail)
    })
    .await
    .map_err(|refused| Failure::about(refused, &id.to_string()))?;
    Ok(about(ok(&detail), id.to_string()))
}

pub(crate) async fn available(State(app): State<App>) -> Outcome {
    Ok(app.available().get(|| blocking(&app, |node| node.available())).await?)
}

pub(crate) async fn state(State(app): State<App>) -> Outcome {
    Ok(ok(&blocking(&app, |node| node.state()).await?))
}

pub(crate) async fn metrics(State(app): State<App>) -> Outcome {
    let state = blocking(&app, |node| node.state()).await?;
    let mut response = metrics::of(&state).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(metrics::MEDIA_TYPE));
    Ok(response)
}

pub(crate) async fn fetch(State(app): State<App>, principal: Principal, Body(request): Body<FetchRequest>) -> Outcome {
    if request.packages.is_empty() || request.packages.len() > MOST_PACKAGES {
        let detail = format!("a fetch names 1 to {MOST_PACKAGES} packages, this one {}", request.packages.len());
        return Err(problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", detail).into());
    }
    let named: PackageSet = request.packages.iter().map(|package| package.id.clone()).collect();
    begun(blocking(&app, move |node| node.fetch(request, &principal)).await, &named.to_string())
}

pub(crate) async fn verify(State(app): State<App>, principal: Principal, Body(request): Body<CareRequest>) -> Outcome {
    let named = cared_for(&request)?;
    begun(blocking(&app, move |node| node.verify(request, &principal)).await, &named)
}

pub(crate) async fn repair(State(app): State<App>, principal: Principal, Body(request): Body<CareRequest>) -> Outcome {
    let named = cared_for(&request)?;
    begun(blocking(&app, move |node| node.repair(request, &principal)).await, &named)
}

pub(crate) async fn gc(State(app): State<App>, principal: Principal, Body(request): Body<GcRequest>) -> Outcome {
    let text = if request.dry_run { "nothing is removed" } else { "whatever nothing needs" };
    begun(blocking(&app, move |node| node.gc(request, &principal)).await, text)
}

/// What a request is about, in words.
fn cared_for(request: &CareRequest) -> Result<String, Problem> {
    if request.packages.len() > MOST_PACKAGES {
        let detail = format!("at most {MOST_PACKAGES} packages may be named, these are {}", request.packages.len());
        return Err(problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", detail));
    }
    let named: PackageSet = request.packages.iter().cloned().collect();
    Ok(if named.is_empty() { "all packages".to_owned() } else { named.to_string() })
}

/// The answer to a request for a job.
fn begun(job: Result<Job, Problem>, text: &str) -> Outcome {
    let job = job.map_err(|refused| Failure::about(refused, text))?;
    let text = format!("job {}: {text}", job.id);
    Ok(about(json(StatusCode::ACCEPTED, &job), text))
}

pub(crate) async fn jobs(State(app): State<App>) -> Outcome {
    Ok(ok(&blocking(&app, |node| node.jobs()).await?))
}

pub(crate) async fn job(State(app): State<App>, Segment(id): Segment) -> Outcome {
    Ok(ok(&blocking(&app, move |node| node.job(&id)).await?))
}

pub(crate) async fn cancel_job(State(app): State<App>, Segment(id): Segment) -> Outcome {
    let job = blocking(&app, move |node| node.cancel_job(&id)).await?;
    let ended = match job.state {
        JobState::Cancelled => "it is withdrawn",
        JobState::Running => "its worker does not end",
        JobState::Done | JobState::Failed => "it had ended",
    };
    let text = format!("job {}: {ended}", job.id);
    Ok(about(ok(&job), text))
}

pub(crate) async fn validate(State(app): State<App>, Body(request): Body<ValidateRequest>) -> Outcome {
    let set = request.set.to_string();
    let report = blocking(&app, move |node| node.validate(&request.set)).await?;
    if report.valid {
        return Ok(about(ok(&report), set));
    }
    let first = report.problems.first().map_or("it is not valid", |finding| finding.message.as_str());
    let more = match report.problems.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let detail = format!("the set can't work on this node: {first}{more}");
    let problems = report.problems;
    Err(Problem { problems, ..Problem::new(ExitCode::Refused, "invalid-set", detail) }.into())
}

pub(super) fn package_id(text: &str) -> Result<PackageId, Failure> {
    text.parse().map_err(|error| Problem::new(ExitCode::Usage, "invalid-id", Problem::chain(&error)).into())
}
