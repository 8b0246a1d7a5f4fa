//! How a change goes over the cluster, and where its configs are published.

use std::path::PathBuf;

use clap::Args;
use dcos_api::types::deploy::{Amount, Chore, OnFailure, Strategy, Targets, Window};
use dcos_core::Role;

/// Where configs that `dcos` generates are published.
#[derive(Clone, Debug, Args)]
pub(in crate::dcos) struct SiteRepository {
    /// The folder of the site repository, which a web server serves to the nodes
    #[arg(long, env = "DCOS_SITE_REPOSITORY", value_name = "DIR")]
    pub(in crate::dcos) site_repository: Option<PathBuf>,
    /// The folder of its keys, if it has signed metadata
    #[arg(long = "keys", env = "DCOS_SITE_KEYS", value_name = "KEYDIR")]
    pub(in crate::dcos) site_keys: Option<PathBuf>,
}

/// How a change goes over the cluster.
#[derive(Clone, Debug, Args)]
pub(in crate::dcos) struct ChangeOptions {
    /// Print per node what would be swapped, in which order, and change nothing
    #[arg(long)]
    pub(in crate::dcos) dry_run: bool,
    /// Create the deployment and don't wait for its end
    #[arg(long, conflicts_with = "dry_run")]
    pub(in crate::dcos) no_wait: bool,
    /// Only nodes of this group; may be given more than once
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// Only this node (HOST:PORT); may be given more than once
    #[arg(long, value_name = "NODE")]
    node: Vec<String>,
    /// Only nodes of this role; may be given more than once
    #[arg(long, value_name = "ROLE")]
    role: Vec<Role>,
    /// Only agents with this attribute, as Mesos lists it; with all of them, if given more than once
    #[arg(long, value_name = "KEY=VALUE", value_parser = attribute)]
    attribute: Vec<(String, String)>,
    /// Leave this node as it is; may be given more than once
    #[arg(long, value_name = "NODE")]
    exclude: Vec<String>,
    /// How many agents have had their turn after each wave; the first wave is the canary [default: 1,100%]
    #[arg(long, value_name = "AMOUNT", value_delimiter = ',')]
    waves: Vec<Amount>,
    /// How many agents may be away at once [default: 1]
    #[arg(long, value_name = "AMOUNT")]
    max_unavailable: Option<Amount>,
    /// How many nodes may fail before everything stops [default: 0]
    #[arg(long, value_name = "COUNT")]
    max_failures: Option<u32>,
    /// Seconds to wait after a wave [default: 0]
    #[arg(long, value_name = "SECONDS")]
    soak: Option<u64>,
    /// Seconds that a node may take until it is well on its new set [default: 600]
    #[arg(long, value_name = "SECONDS")]
    node_timeout: Option<u64>,
    /// Seconds that fetching may take, on all nodes together [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    fetch_timeout: Option<u64>,
    /// How many percent of the living nodes must fetch everything; masters must all [default: 100]
    #[arg(long, value_name = "PERCENT")]
    fetch_share: Option<u8>,
    /// When restarts may begin, in UTC, such as `22:00-04:00` or `fri,sat:22:00-04:00`; may be given more than once
    #[arg(long, value_name = "[DAYS:]FROM-TO", value_parser = window)]
    window: Vec<Window>,
    /// What happens once too many nodes have failed [default: stop]
    #[arg(long, value_name = "WHAT", value_parser = on_failure)]
    on_failure: Option<OnFailure>,
    /// Start no further node when no pulse came for that many seconds
    #[arg(long, value_name = "SECONDS")]
    pulse: Option<u64>,
    /// What is done on the nodes afterwards: `remove`, `verify`, `gc`
    #[arg(long, value_name = "CHORES", value_delimiter = ',')]
    after: Vec<Chore>,
    /// Fetch everywhere, and restart nothing before `dcos deploy start`
    #[arg(long)]
    stage_only: bool,
    /// Restart nodes also where tasks die of it
    #[arg(long)]
    allow_task_loss: bool,
    /// Try sets again that failed on a node before
    #[arg(long)]
    retry_failed: bool,
}

fn attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a key and a value are needed, such as `rack=r1`")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// `22:00-04:00`, or the same with days before it. Whether the times are such is for the master to say.
fn window(text: &str) -> Result<Window, String> {
    let needed = || "a window is needed, such as `22:00-04:00` or `fri,sat:22:00-04:00`".to_owned();
    let (start, to) = text.rsplit_once('-').ok_or_else(needed)?;
    let (days, from) = match start.split_once(':') {
        Some((days, from)) if days.starts_with(|first: char| first.is_ascii_alphabetic()) => (days, from),
        _ => ("", start),
    };
    let day = |word: &str| serde_json::from_value(word.to_ascii_lowercase().into()).map_err(|_| needed());
    let days = days.split(',').filter(|word| !word.is_empty()).map(day).collect::<Result<_, _>>()?;
    Ok(Window { days, from: from.to_owned(), to: to.to_owned() })
}

fn on_failure(text: &str) -> Result<OnFailure, String> {
    match text {
        "stop" => Ok(OnFailure::Stop),
        "roll_back_wave" => Ok(OnFailure::RollBackWave),
        "roll_back_all" => Ok(OnFailure::RollBackAll),
        _ => Err("`stop`, `roll_back_wave` or `roll_back_all` is needed".to_owned()),
    }
}

impl ChangeOptions {
    /// The nodes that are meant.
    pub(in crate::dcos) fn targets(&self) -> Targets {
        Targets {
            roles: self.role.clone(),
            groups: self.group.clone(),
            nodes: self.node.clone(),
            attributes: self.attribute.iter().cloned().collect(),
        }
    }

    /// The strategy: the default one, where nothing is said.
    pub(in crate::dcos) fn strategy(&self) -> Strategy {
        let default = Strategy::default();
        Strategy {
            waves: if self.waves.is_empty() { default.waves } else { self.waves.clone() },
            max_unavailable: self.max_unavailable.unwrap_or(default.max_unavailable),
            max_failures: self.max_failures.unwrap_or(default.max_failures),
            soak: self.soak.unwrap_or(default.soak),
            node_timeout: self.node_timeout.unwrap_or(default.node_timeout),
            fetch_timeout: self.fetch_timeout.unwrap_or(default.fetch_timeout),
            fetch_share: self.fetch_share.unwrap_or(default.fetch_share),
            windows: self.window.clone(),
            after: self.after.clone(),
            on_failure: self.on_failure.unwrap_or(default.on_failure),
            pulse: self.pulse,
            exclude: self.exclude.clone(),
            stage_only: self.stage_only,
            allow_task_loss: self.allow_task_loss,
            retry_failed: self.retry_failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use dcos_api::types::deploy::{Day, Window};

    use super::window;

    #[test]
    fn windows_are_times_with_days_or_without() {
        let is = |days: &[Day]| Window { days: days.to_vec(), from: "22:00".to_owned(), to: "04:00".to_owned() };
        assert_eq!(window("22:00-04:00"), Ok(is(&[])));
        assert_eq!(window("fri,Sat:22:00-04:00"), Ok(is(&[Day::Fri, Day::Sat])));
        assert!(window("22:00").is_err() && window("someday:22:00-04:00").is_err());
    }
}
