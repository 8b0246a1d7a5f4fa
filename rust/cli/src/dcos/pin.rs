//! `dcos deploy pin`, `unpin` and `pins`: what is left as it is; `care`: chores without another set.

use dcos_api::types::deploy::{Change, Chore, CreateDeployment, Deployment, DeploymentState, Keep, Strategy, Targets};
use dcos_api::types::pins::{PinRequest, Pinned, Pins, UnpinRequest};
use dcos_core::{ExitCode, Problem};

use super::follow;
use crate::client::Client;
use crate::output::{Format, table};

/// A node, or a group of them.
pub(super) fn pinned(name: String, group: bool) -> Pinned {
    if group { Pinned::Group(name) } else { Pinned::Node(name) }
}

/// Leaves a node or a group as it is.
pub(super) async fn pin(client: &Client, format: Format, what: Pinned, reason: String) -> Result<ExitCode, Problem> {
    let text = format!("{what} is left as it is until `dcos deploy unpin`");
    let pins: Pins = client.post("/deploy/pin", &PinRequest { what, reason }).await?;
    format.print(&pins, |_| text);
    Ok(ExitCode::Done)
}

/// Takes a pin out.
pub(super) async fn unpin(client: &Client, format: Format, what: Pinned) -> Result<ExitCode, Problem> {
    let text =
        format!("{what} is pinned no more: the next deployment takes it along, and nothing is caught up by itself");
    let pins: Pins = client.post("/deploy/unpin", &UnpinRequest { what }).await?;
    format.print(&pins, |_| text);
    Ok(ExitCode::Done)
}

/// What is pinned.
pub(super) async fn list(client: &Client, format: Format) -> Result<ExitCode, Problem> {
    let pins: Pins = client.get("/deploy/pins").await?;
    format.print(&pins, |pins| {
        let rows = pins.pins.iter().map(|pin| {
            let by = pin.by.clone().unwrap_or_else(|| "nobody".to_owned());
            vec![
                pin.what.to_string().replace('`', ""),
                pin.reason.clone(),
                by,
                pin.at.strftime("%Y-%m-%d %H:%MZ").to_string(),
            ]
        });
        table(&["PINNED", "REASON", "BY", "SINCE"], &rows.collect::<Vec<_>>())
    });
    Ok(ExitCode::Done)
}

/// Has every node do chores, whatever its set.
pub(super) async fn care(
    client: &Client,
    format: Format,
    chores: Vec<Chore>,
    groups: Vec<String>,
) -> Result<ExitCode, Problem> {
    let request = CreateDeployment {
        change: Change::Keep(Keep {}),
        targets: Targets { groups, ..Targets::default() },
        strategy: Strategy { after: chores, ..Strategy::default() },
        dry_run: false,
    };
    let deployment: Deployment = client.post("/deploy/deployments", &request).await?;
    follow::follow(client, format, &deployment.id, DeploymentState::Done).await
}
