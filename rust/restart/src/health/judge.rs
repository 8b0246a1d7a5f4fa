//! Reading Mesos's answers. Every function takes what was answered and says what that means; none asks.
//!
//! `GET /health` of Mesos says 200 also while it still recovers, so it is of no use here.

use serde_json::Value;

use super::{Finding, Verdict};
use crate::http::Asked;

/// What the leading master says of this agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// It lists it as active, under this id.
    Active(String),
    /// It lists it as not active.
    Inactive,
    /// It does not list it.
    Absent,
    /// No leading master answers, or none that lets itself be asked.
    Nobody(String),
    /// No master is configured.
    NotConfigured,
}

/// `GET /version`, of a set with that version of Mesos.
pub fn version(asked: &Asked, wanted: &str) -> Finding {
    let reply = match asked {
        Ok(reply) if reply.status == 200 => reply,
        other => return not_yet("`/version`", other),
    };
    match reply.json().get("version").and_then(Value::as_str) {
        Some(found) if found == wanted => Finding::new(Verdict::Yes, format!("it is Mesos {found}")),
        Some(found) => Finding::new(Verdict::No, format!("it is Mesos {found}, and the set's is {wanted}")),
        None => Finding::new(Verdict::NotYet, "`/version` does not name a version"),
    }
}

/// An agent's `GET /metrics/snapshot`: whether it has recovered.
pub fn recovered(asked: &Asked) -> Finding {
    let metrics = match metrics(asked) {
        Ok(metrics) => metrics,
        Err(finding) => return finding,
    };
    let errors = metric(&metrics, "slave/recovery_errors").unwrap_or(0.0);
    if errors > 0.0 {
        return Finding::new(Verdict::No, format!("its recovery met {errors:.0} errors"));
    }
    match metric(&metrics, "slave/recovery_time_secs") {
        Some(seconds) => Finding::new(Verdict::Yes, format!("it recovered in {seconds:.2} s")),
        None => Finding::new(Verdict::NotYet, "it has not recovered yet"),
    }
}

/// An agent's metrics, the leader's list, the agent id in the work directory and the one that it had before.
///
/// The metric alone stays 1 for a while after the master is gone; the list alone may be of before the restart.
pub fn registered(asked: &Asked, listing: &Listing, now: Option<&str>, before: Option<&str>) -> Finding {
    let metrics = match metrics(asked) {
        Ok(metrics) => metrics,
        Err(finding) => return finding,
    };
    if let (Some(now), Some(before)) = (now, before)
        && now != before
    {
        return Finding::new(Verdict::No, format!("it registered as `{now}` and was `{before}` before"));
    }
    let itself = metric(&metrics, "slave/registered").is_some_and(|value| value > 0.0);
    match (itself, listing) {
        (_, Listing::Nobody(why)) => {
            Finding::new(Verdict::CannotTell, format!("no leading master can be asked: {why}"))
        }
        (true, Listing::Active(id)) => Finding::new(Verdict::Yes, format!("it is registered as `{id}`")),
        (true, Listing::NotConfigured) => {
            Finding::new(Verdict::Yes, "it says that it is registered; `deploy.masters` names no master to ask")
        }
        (true, Listing::Inactive) => Finding::new(Verdict::NotYet, "the leading master lists it as not active"),
        (true, Listing::Absent) => Finding::new(Verdict::NotYet, "the leading master does not list it"),
        (false, _) => Finding::new(Verdict::NotYet, "it has not registered yet"),
    }
}

/// A leading master's `GET /master/slaves`: what it says of the agent of that id, or at that address (`ip:port`).
pub fn listing(asked: &Asked, id: Option<&str>, address: &str) -> Listing {
    let reply = match asked {
        Ok(reply) if reply.status == 200 => reply,
        Ok(reply) => return Listing::Nobody(format!("it answered {}", reply.status)),
        Err(silence) => return Listing::Nobody(silence.0.clone()),
    };
    let json = reply.json();
    let Some(agents) = json.get("slaves").and_then(Value::as_array) else {
        return Listing::Nobody("its answer is no list of agents".to_owned());
    };
    let text = |agent: &Value, field: &str| agent.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ours = |agent: &&Value| match id {
        Some(id) => text(agent, "id") == id,
        None => text(agent, "pid").rsplit('@').next() == Some(address),
    };
    match agents.iter().find(ours) {
        None => Listing::Absent,
        Some(agent) if agent.get("active").and_then(Value::as_bool) == Some(true) => Listing::Active(text(agent, "id")),
        Some(_) => Listing::Inactive,
    }
}

/// A master's metrics; if it leads, what `GET_HEALTH` of its API says, and if not, what `/master/slaves` says.
///
/// An unrecovered leader answers most things with 200; only `GET_HEALTH` tells. A follower sends to its leader.
pub fn leading(asked: &Asked, health: &Asked, slaves: &Asked, alone: bool) -> Finding {
    let metrics = match metrics(asked) {
        Ok(metrics) => metrics,
        Err(finding) => return finding,
    };
    let log = metric(&metrics, "registrar/log/recovered");
    if log == Some(0.0) {
        return Finding::new(Verdict::NotYet, "its registry's log has not recovered yet");
    }
    if metric(&metrics, "master/elected").is_some_and(|value| value > 0.0) {
        return match health {
            Ok(reply) if reply.status == 200 => Finding::new(Verdict::Yes, "it leads"),
            // Not for our eyes: the log's own word has to do.
            Ok(reply) if matches!(reply.status, 401 | 403) && log.is_some() => Finding::new(Verdict::Yes, "it leads"),
            Ok(reply) if matches!(reply.status, 401 | 403) => forbidden("its API"),
            other => not_yet("it leads and `GET_HEALTH`", other),
        };
    }
    match slaves {
        Ok(reply) if matches!(reply.status, 301 | 302 | 307) => {
            let leader = reply.location.as_deref().and_then(|it| it.trim_start_matches("http:").split('/').nth(2));
            Finding::new(Verdict::Yes, format!("it follows {}", leader.unwrap_or("a leader")))
        }
        _ if alone => Finding::new(Verdict::NotYet, "it does not lead yet"),
        // With others to elect, that nobody leads is nobody's fault in particular.
        _ => Finding::new(Verdict::CannotTell, "no master leads"),
    }
}

/// A path that has to answer 200.
pub fn path(path: &str, asked: &Asked) -> Finding {
    match asked {
        Ok(reply) if reply.status == 200 => Finding::new(Verdict::Yes, "it answers 200"),
        Ok(reply) => match problem_detail(reply) {
            Some(detail) => Finding::new(Verdict::NotYet, format!("it answers {}: {detail}", reply.status)),
            None => not_yet("it", asked),
        },
        Err(_) => not_yet(&format!("`{path}`"), asked),
    }
}

/// The tasks of a `/slave(1)/state` that do not survive a restart: those of frameworks that do not checkpoint.
pub fn doomed(state: &Value) -> Vec<String> {
    tasks(state, |framework| framework.get("checkpoint").and_then(Value::as_bool) != Some(true))
}

/// Every task of a `/slave(1)/state`.
pub fn all_tasks(state: &Value) -> Vec<String> {
    tasks(state, |_| true)
}

fn tasks(state: &Value, meant: impl Fn(&Value) -> bool) -> Vec<String> {
    let list = |value: &Value, field: &str| value.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or("?").to_owned();
    let mut tasks = Vec::new();
    for framework in list(state, "frameworks") {
        if !meant(&framework) {
            continue;
        }
        for executor in list(&framework, "executors") {
            for task in list(&executor, "queued_tasks").iter().chain(&list(&executor, "tasks")) {
                tasks.push(format!("{}/{}", text(&framework, "name"), text(task, "id")));
            }
        }
    }
    tasks
}

fn problem_detail(reply: &crate::http::Reply) -> Option<String> {
    reply.json().get("detail").and_then(Value::as_str).map(str::to_owned)
}

fn metrics(asked: &Asked) -> Result<Value, Finding> {
    match asked {
        Ok(reply) if reply.status == 200 => Ok(reply.json()),
        Ok(reply) if matches!(reply.status, 401 | 403) => Err(forbidden("`/metrics/snapshot`")),
        other => Err(not_yet("`/metrics/snapshot`", other)),
    }
}

fn metric(metrics: &Value, name: &str) -> Option<f64> {
    metrics.get(name).and_then(Value::as_f64)
}

fn forbidden(what: &str) -> Finding {
    Finding::new(Verdict::CannotTell, format!("{what} may not be read by this node"))
}

fn not_yet(what: &str, asked: &Asked) -> Finding {
    match asked {
        Ok(reply) => Finding::new(Verdict::NotYet, format!("{what} answers {}", reply.status)),
        Err(silence) => Finding::new(Verdict::NotYet, format!("{what} does not answer: {silence}")),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
