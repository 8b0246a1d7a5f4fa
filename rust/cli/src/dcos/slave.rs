//! `dcos slave`: the agents, under the name that the command has had from the start.

use dcos_api::types::deploy::{ClusterNode, ClusterNodes};
use dcos_api::types::join::{TokenAnswer, TokenRequest};
use dcos_api::types::provision::{AddSlave, DecommissionSlave, Slaves};
use dcos_core::{ExitCode, Problem, Role};
use serde::Serialize;

use super::args::Slave;
use super::{deploy, provision};
use crate::client::Client;
use crate::output::{Format, say};

/// What `dcos slave list --json` prints: the agents as the controller sees them, and their machines where a provider is
/// configured.
#[derive(Debug, Serialize)]
struct SlaveList {
    nodes: Vec<ClusterNode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    machines: Option<Slaves>,
}

/// Runs one of the commands.
pub(super) async fn run(client: &Client, format: Format, command: Slave) -> Result<ExitCode, Problem> {
    match command {
        Slave::List => {
            let mut cluster: ClusterNodes = client.get("/deploy/nodes").await?;
            cluster.nodes.retain(|node| node.role == Role::Agent);
            let machines = provision::slaves(client).await?;
            let listed = SlaveList { nodes: cluster.nodes, machines };
            format.print(&listed, |listed| {
                let nodes = deploy::node_table(listed.nodes.iter());
                match &listed.machines {
                    Some(machines) => format!("{nodes}\n{}", provision::machines(machines)),
                    None => nodes,
                }
            });
        }
        Slave::Add { count, class, key, dry_run, no_wait } => {
            return provision::add(client, format, AddSlave { count, class, key, dry_run }, !no_wait).await;
        }
        Slave::Remove { agent, grace, keep_instance, yes, dry_run, no_wait } => {
            let request = DecommissionSlave { agent, grace, keep_instance, dry_run };
            return provision::remove(client, format, request, (yes, !no_wait)).await;
        }
        Slave::Operations => return provision::operations(client, format).await,
        Slave::Operation { id, wait } => return provision::operation(client, format, &id, wait).await,
        Slave::Cancel { id } => return provision::cancel(client, format, &id).await,
        Slave::Token { group, role, set, expires } => {
            let set = (!set.is_empty()).then(|| set.into_iter().collect());
            let request = TokenRequest { group, role, set, expires_in: Some(expires) };
            let made: TokenAnswer = client.post("/deploy/tokens", &request).await?;
            if format == Format::Text {
                let (role, group, until) = (made.role, &made.group, made.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"));
                say(&format!("good for one {role} of group `{group}` until {until}; it is not shown again"));
            }
            format.print(&made, |made| made.token.clone());
        }
    }
    Ok(ExitCode::Done)
}

/// A time such as `90s`, `30m`, `1h` or `2d`, in seconds.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a time such as `90s`, `30m`, `1h` or `2d`");
    let digits = text.find(|char: char| !char.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(
            [seconds("90s"), seconds("30m"), seconds("1h"), seconds("2d")].map(Result::ok),
            [Some(90), Some(1800), Some(3600), Some(172_800)]
        );
        for wrong in ["", "1", "h", "1.5h", "-1s", "1w", "99999999999999999999s", "18446744073709551615d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
