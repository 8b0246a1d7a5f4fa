//! The comparison of what an agent left with what it is now.

use super::resources::{Amount, Key};
use super::value::{Kind, Value};
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

fn attributes(left: &Attributes, now: &Attributes, policy: Policy, reasons: &mut Vec<Reason>) {
    match policy {
        Policy::Equal => equal_attributes(left, now, reasons),
        Policy::Additive => grown_attributes(left, now, reasons),
    }
}

/// The same attributes in any order, each as often.
fn equal_attributes(left: &Attributes, now: &Attributes, reasons: &mut Vec<Reason>) {
    let mut added: Vec<&(String, Value)> = now.0.iter().collect();
    let mut gone = Vec::new();
    for attribute in &left.0 {
        match added.iter().position(|other| *other == attribute) {
            Some(place) => {
                added.remove(place);
            }
            None => gone.push(attribute),
        }
    }
    for (name, from) in gone {
        match added.iter().position(|(other, _)| other == name) {
            Some(place) => reasons.push(changed(attribute(name), from, &added.remove(place).1)),
            None => reasons.push(Reason::Gone { what: format!("attribute `{name}:{from}`") }),
        }
    }
    reasons.extend(added.iter().map(|(name, to)| Reason::Added { what: format!("attribute `{name}:{to}`") }));
}

/// The agent goes through the attributes that it left, and looks for the first with the same name among those that it
/// has. Ranges may grow; numbers and texts may not change.
fn grown_attributes(left: &Attributes, now: &Attributes, reasons: &mut Vec<Reason>) {
    for (name, from) in &left.0 {
        match now.first(name) {
            Some(to) if from == to || (from.kind() == Kind::Ranges && from.is_within(to)) => {}
            Some(_) if now.repeats(name) => reasons.push(Reason::Ambiguous { attribute: name.clone() }),
            Some(to) => reasons.push(changed(attribute(name), from, to)),
            None => reasons.push(Reason::Gone { what: format!("attribute `{name}:{from}`") }),
        }
    }
}

fn attribute(name: &str) -> String {
    format!("attribute `{name}`")
}
