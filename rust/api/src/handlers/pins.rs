//! `/deploy/pins`: what is left as it is.

use super::Outcome;
use crate::Principal;
use crate::answer::{Failure, about, ok};
use crate::extract::Body;
use crate::router::Control;
use crate::types::pins::{PinRequest, UnpinRequest};

pub(crate) async fn list(control: Control) -> Outcome {
    Ok(ok(&control.0.pins().await?))
}

pub(crate) async fn pin(control: Control, by: Principal, Body(request): Body<PinRequest>) -> Outcome {
    let text = format!("{}: {}", request.what, request.reason);
    let pins = control.0.pin(request, by).await.map_err(|refused| Failure::about(refused, &text))?;
    Ok(about(ok(&pins), text))
}

pub(crate) async fn unpin(control: Control, by: Principal, Body(request): Body<UnpinRequest>) -> Outcome {
    let text = request.what.to_string();
    let pins = control.0.unpin(request, by).await.map_err(|refused| Failure::about(refused, &text))?;
    Ok(about(ok(&pins), text))
}
