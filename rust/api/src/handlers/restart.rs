//! `/restart`.

use axum::extract::State;
use http::StatusCode;

use super::{Outcome, blocking};
use crate::answer::{Failure, about, json, ok};
use crate::extract::{Body, Segment};
use crate::router::App;
use crate::types::restart::{BeginRequest, GoRequest};

pub(crate) async fn status(State(app): State<App>) -> Outcome {
    Ok(ok(&blocking(&app, |node| node.restart_status()).await?))
}

pub(crate) async fn begin(State(app): State<App>, Body(request): Body<BeginRequest>) -> Outcome {
    let dry = if request.dry_run { " (dry run)" } else { "" };
    let text = format!("attempt {}{dry}: {}", request.attempt, request.set);
    let answer = blocking(&app, move |node| node.begin(request)).await;
    let answer = answer.map_err(|refused| Failure::about(refused, &text))?;
    let status = if answer.ticket.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(about(json(status, &answer), text))
}

/// The ticket is a secret until it is spent, so the log gets the attempt only.
pub(crate) async fn go(State(app): State<App>, Body(request): Body<GoRequest>) -> Outcome {
    let answer = blocking(&app, move |node| node.go(&request)).await?;
    let text = format!("attempt {}", answer.attempt);
    Ok(about(json(StatusCode::ACCEPTED, &answer), text))
}

pub(crate) async fn cancel(State(app): State<App>, Segment(attempt): Segment) -> Outcome {
    let text = format!("attempt {attempt}");
    let report = blocking(&app, move |node| node.cancel_attempt(&attempt)).await;
    let report = report.map_err(|refused| Failure::about(refused, &text))?;
    Ok(about(ok(&report), text))
}
