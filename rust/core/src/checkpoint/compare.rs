//! The comparison of what an agent left with what it is now.

use super::resources::{Amount, Key};
use super::{Agent, Attributes, Domain, Hostname, Policy, Reason, Resources};

const FILE: &str = "it stands in a file of the host";
const DETECTED: &str = "the agent finds it out by itself";
const LOOKED_UP: &str = "the host looks it up";

/// Why `now` refuses what `left` left.
pub(super) fn refusals(left: &Agent, now: &Agent) -> Vec<Reason> {
    let mut reasons = Vec::new();
    hostname(&left.hostname, &now.hostname, &mut reasons);
    if left.port != now.port {
        reasons.push(changed("port", &left.port, &now.port));
    }
    domain(left.domain.as_ref(), now.domain.as_ref(), now.policy, &mut reasons);
    resources(&left.resources, &now.resources, now.policy, &mut reasons);
    attributes(&left.attributes, &now.attributes, now.policy, &mut reasons);
    reasons
}

fn changed(what: impl Into<String>, from: &dyn ToString, to: &dyn ToString) -> Reason {
    Reason::Changed { what: what.into(), from: from.to_string(), to: to.to_string() }
}

fn hostname(left: &Hostname, now: &Hostname, reasons: &mut Vec<Reason>) {
    match (left, now) {
        (left, now) if left == now => {}
        (Hostname::LookedUp(_), _) | (_, Hostname::LookedUp(_)) => {
            reasons.push(Reason::CannotTell { what: "the host name".to_owned(), why: LOOKED_UP });
        }
        (left, now) if left.to_string() == now.to_string() => {}
        (left, now) => reasons.push(changed("the host name", left, now)),
    }
}

fn domain(left: Option<&Domain>, now: Option<&Domain>, policy: Policy, reasons: &mut Vec<Reason>) {
    match (left, now) {
        (None, None) => {}
        (None, Some(_)) if policy == Policy::Additive => {}
        (None, Some(now)) => reasons.push(Reason::Added { what: format!("domain `{now}`") }),
        (Some(left), None) => reasons.push(Reason::Gone { what: format!("domain `{left}`") }),
        (Some(Domain::File(left)), Some(Domain::File(now))) if left == now => {}
        (Some(Domain::File(_)), Some(_)) | (Some(_), Some(Domain::File(_))) => {
            reasons.push(Reason::CannotTell { what: "the domain".to_owned(), why: FILE });
        }
        (Some(left), Some(now)) if left == now => {}
        (Some(left), Some(now)) => reasons.push(changed("domain", left, now)),
    }
}

fn resources(left: &Resources, now: &Resources, policy: Policy, reasons: &mut Vec<Reason>) {
    let (left, now) = match (left, now) {
        (Resources::Listed(left), Resources::Listed(now)) => (left, now),
        (Resources::Document(left), Resources::Document(now)) if left == now => return,
        (Resources::File(left), Resources::File(now)) if left == now => return,
        (Resources::File(_), _) | (_, Resources::File(_)) => {
            reasons.push(Reason::CannotTell { what: "resources".to_owned(), why: FILE });
            return;
        }
        _ => {
            let why = "JSON may say more than this looks at";
            reasons.push(Reason::CannotTell { what: "resources".to_owned(), why });
            return;
        }
    };
    let what = |key: &Key| format!("resource `{key}`");
    for (key, before) in left {
        match (before, now.get(key)) {
            (before, None) => reasons.push(Reason::Gone { what: format!("resource `{key}:{before}`") }),
            (before, Some(after)) if before == after => {}
            (Amount::Detected, _) | (_, Some(Amount::Detected)) => {
                reasons.push(Reason::CannotTell { what: what(key), why: DETECTED });
            }
            (Amount::Given(from), Some(Amount::Given(to))) => match policy {
                Policy::Equal => reasons.push(changed(what(key), from, to)),
                Policy::Additive if from.is_within(to) => {}
                Policy::Additive => {
                    reasons.push(Reason::Shrunk { what: what(key), from: from.to_string(), to: to.to_string() });
                }
            },
        }
    }
    if policy == Policy::Equal {
        let added = now.iter().filter(|(key, _)| !left.contains_key(key));
        reasons.extend(added.map(|(key, amount)| Reason::Added { what: format!("resource `{key}:{amount}`") }));
    }
}

/// An agent goes through the attributes that it left, and looks for the first with the same name (under `equal`: and
/// kind) among those that it has.
fn attributes(left: &Attributes, now: &Attributes, policy: Policy, reasons: &mut Vec<Reason>) {
    for (name, from) in &left.0 {
        let what = || format!("attribute `{name}`");
        let first = match policy {
            Policy::Equal => now.first(name, from.kind()),
            Policy::Additive => now.0.iter().find(|(other, _)| other == name).map(|(_, value)| value),
        };
        let same = |to| match policy {
            Policy::Equal => from == to,
            // Numbers and texts may not change, ranges may grow.
            Policy::Additive if from.kind() == super::value::Kind::Ranges => from.is_within(to),
            Policy::Additive => from == to,
        };
        match first {
            Some(to) if same(to) => {}
            Some(_) if now.repeats(name) => reasons.push(Reason::Ambiguous { attribute: name.clone() }),
            Some(to) => reasons.push(changed(what(), from, to)),
            None => match now.0.iter().find(|(other, _)| other == name) {
                Some((_, to)) => reasons.push(changed(what(), from, to)),
                None => reasons.push(Reason::Gone { what: format!("attribute `{name}:{from}`") }),
            },
        }
    }
    if policy == Policy::Equal && left.0.len() != now.0.len() {
        let added = now.0.iter().filter(|(name, _)| !left.0.iter().any(|(other, _)| other == name));
        let before = reasons.len();
        reasons.extend(added.map(|(name, value)| Reason::Added { what: format!("attribute `{name}:{value}`") }));
        if reasons.len() == before {
            reasons.push(changed("the number of attributes", &left.0.len(), &now.0.len()));
        }
    }
}
