//! `dcos slave`: the agents, under the name that the command has had from the start.

use dcos_api::types::deploy::ClusterNodes;
use dcos_api::types::join::{TokenAnswer, TokenRequest};
use dcos_core::{ExitCode, Problem, Role};

use super::args::Slave;
use super::deploy;
use crate::client::Client;
use crate::output::{Format, say};

/// Runs one of the commands.
pub(super) async fn run(client: &Client, format: Format, command: Slave) -> Result<ExitCode, Problem> {
    match command {
        Slave::List => {
            let mut cluster: ClusterNodes = client.get("/deploy/nodes").await?;
            cluster.nodes.retain(|node| node.role == Role::Agent);
            format.print(&cluster, |cluster| deploy::node_table(cluster.nodes.iter()));
        }
        Slave::Token { group, role, expires } => {
            let request = TokenRequest { group, role, expires_in: Some(expires) };
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
