#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::value::Value;
use super::{Agent, Attributes, Domain, Hostname, Policy, Resources, predict};

fn agent(resources: &str, attributes: &str, policy: Policy) -> Agent {
    Agent {
        resources: Resources::parse(resources, "*").unwrap(),
        attributes: Attributes::parse(attributes).unwrap(),
        hostname: Hostname::Given("a".to_owned()),
        port: 5051,
        domain: None,
        policy,
    }
}

/// What an agent with `policy` says when the resources or attributes went from one text to another.
fn said(policy: Policy, from: (&str, &str), to: (&str, &str)) -> Vec<String> {
    let now = agent(to.0, to.1, policy);
    now.refusals(&agent(from.0, from.1, policy)).iter().map(ToString::to_string).collect()
}

#[test]
fn values_are_read_as_mesos_reads_them() {
    for (text, expected) in [
        ("4", Value::Scalar(4000)),
        ("0.0004", Value::Scalar(0)),
        ("1.0005", Value::Scalar(1001)),
        ("-2.5", Value::Scalar(-2500)),
        ("1 0", Value::Scalar(10_000)),
        ("[1-2, 3-4,10-10]", Value::Ranges(vec![(1, 4), (10, 10)])),
        ("[]", Value::Ranges(Vec::new())),
        ("{b, a}", Value::Set(["a".to_owned(), "b".to_owned()].into())),
        ("rack-1", Value::Text("rack-1".to_owned())),
        ("10.0.0.1", Value::Text("10.0.0.1".to_owned())),
        ("0x1f", Value::Odd("0x1f".to_owned())),
        ("1e3", Value::Odd("1e3".to_owned())),
        ("1e999", Value::Odd("1e999".to_owned())),
        (".5", Value::Odd(".5".to_owned())),
    ] {
        assert_eq!(Value::parse(text).unwrap(), expected, "{text}");
    }
    for text in
        ["", " ", "[1-2", "[2-1]", "[a-b]", "[1]", "{a", "{a,a}", "a[1-2]", "x(y)", "nan", "-inf", "9999999999999"]
    {
        assert!(Value::parse(text).is_err(), "{text}");
    }
    assert_eq!(Value::parse("-0.25").unwrap().to_string(), "-0.25");
    assert_eq!(Value::parse("{b,a}").unwrap().to_string(), "{a,b}");
}

#[test]
fn resources_that_no_agent_starts_with_are_malformed() {
    for (text, why) in [
        ("cpus", "`cpus`: a resource is `name:value`"),
        ("cpus:x", "a number is needed"),
        ("cpus:-1", "negative"),
        ("cpus:1e3", "digits and at most one point"),
        ("cpus:[1-2]", "a number is needed"),
        ("ports:80", "ranges are needed"),
        ("ports:[80-90,85-95]", "the ranges overlap"),
        ("gpus:0.5", "divided"),
        ("disks:{a,a}", "twice"),
        ("mem(web:1", "`)` is missing"),
        ("mem():1", "role"),
        ("mem(a b):1", "role"),
        (":1", "the name is missing"),
        ("a:b:c", "can't contain `:`"),
        ("a:text", "a number, `[ranges]` or a `{set}`"),
        ("[{", "not JSON"),
    ] {
        let error = Resources::parse(text, "*").unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
    for text in ["rack", "rack:", ":a", "rack:{a}", "rack:[1-"] {
        assert!(Attributes::parse(text).is_err(), "{text}");
    }
}

#[test]
fn form_is_no_difference() {
    for (from, to) in [
        ("cpus:4;mem:1024", "mem:1024;cpus:4"),
        ("cpus:4", "cpus:2;cpus:2"),
        ("cpus:4", "cpus(*):4.0"),
        ("ports:[1-4]", "ports:[1-2,3-4]"),
        ("cpus:1", "cpus:1;ports:[31000-32000]"),
        ("cpus:1;x:0", "cpus:1"),
    ] {
        for policy in [Policy::Equal, Policy::Additive] {
            assert_eq!(said(policy, (from, ""), (to, "")), [""; 0], "{from} {to}");
            assert_eq!(said(policy, (to, ""), (from, "")), [""; 0], "{to} {from}");
        }
    }
}

#[test]
fn attributes_with_one_name_are_told_apart_under_equal_only() {
    for (policy, from, to, accepted) in [
        (Policy::Equal, "r:a;r:b;l:1", "l:1;r:b;r:a", true),
        (Policy::Additive, "r:a;r:b", "r:a;r:b", false),
        (Policy::Additive, "r:a;r:a", "r:a;r:b", true),
    ] {
        assert_eq!(said(policy, ("", from), ("", to)).is_empty(), accepted, "{from} {to}");
    }
}

#[test]
fn equal_refuses_every_difference() {
    for (from, to, why) in [
        (("cpus:4", ""), ("cpus:5", ""), "resource `cpus` changes from `4` to `5`"),
        (("cpus:4", ""), ("cpus:4;x:1", ""), "resource `x:1` is added"),
        (("cpus:4;x(r):1", ""), ("cpus:4", ""), "resource `x(r):1` is gone"),
        (
            ("cpus:4", ""),
            ("mem:4", ""),
            "resource `cpus` can't be compared beforehand: the agent finds it out by itself",
        ),
        (("", "rack:a"), ("", "rack:b"), "attribute `rack` changes from `a` to `b`"),
        (("", "rack:a"), ("", "rack:1"), "attribute `rack` changes from `a` to `1`"),
        (("", "rack:a"), ("", ""), "attribute `rack:a` is gone"),
        (("", ""), ("", "rack:a"), "attribute `rack:a` is added"),
        (("", "r:a"), ("", "r:a;r:a"), "attribute `r:a` is added"),
        (("", "r:a;r:a"), ("", "r:a;l:1"), "attribute `r:a` is gone"),
        (("", "r:a;r:a"), ("", "r:a;r:b"), "attribute `r` changes from `a` to `b`"),
    ] {
        assert!(said(Policy::Equal, from, to).contains(&why.to_owned()), "{:?}", said(Policy::Equal, from, to));
    }
}

#[test]
fn additive_takes_growth_and_then_can_not_go_back() {
    for (from, to) in [
        (("cpus:4", ""), ("cpus:5", "")),
        (("cpus:4", ""), ("cpus:4;x:1", "")),
        (("ports:[1-2]", ""), ("ports:[1-3]", "")),
        (("s:{a}", ""), ("s:{a,b}", "")),
        (("", "l:[1-2]"), ("", "l:[1-3]")),
        (("", "a:1"), ("", "b:2;a:1")),
    ] {
        let (old, new) = (agent(from.0, from.1, Policy::Additive), agent(to.0, to.1, Policy::Additive));
        let prediction = predict(&old, &new);
        assert_eq!(prediction.forwards, []);
        assert!(!prediction.back.is_empty(), "{from:?} {to:?}");
    }
    for (from, to, why) in [
        (("cpus:4", ""), ("cpus:3.999", ""), "resource `cpus` shrinks from `4` to `3.999`"),
        (("x:1", ""), ("x(r):2", ""), "resource `x:1` is gone"),
        (("", "a:1"), ("", "a:2"), "attribute `a` changes from `1` to `2`"),
        (("", "a:[1-3]"), ("", "a:[1-2]"), "attribute `a` changes from `[1-3]` to `[1-2]`"),
    ] {
        assert_eq!(said(Policy::Additive, from, to), [why]);
    }
}

#[test]
fn each_side_is_judged_by_its_own_policy() {
    let (old, new) = (agent("cpus:4", "", Policy::Equal), agent("cpus:5", "", Policy::Additive));
    let prediction = predict(&old, &new);
    assert_eq!(prediction.forwards, []);
    assert_eq!(prediction.back[0].to_string(), "resource `cpus` changes from `5` to `4`");
}

#[test]
fn names_ports_and_domains() {
    let domain = |text: &str| Some(Domain::parse(text).unwrap());
    let fault = r#"{"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "a"}}}"#;
    let base = agent("cpus:4", "", Policy::Additive);
    let with = |change: &dyn Fn(&mut Agent)| {
        let mut agent = base.clone();
        change(&mut agent);
        agent
    };
    let ip = "10.0.0.1".parse().unwrap();
    assert_eq!(with(&|agent| agent.domain = domain(fault)).refusals(&base), []);
    for (now, why) in [
        (with(&|agent| agent.port = 5052), "port changes from `5051` to `5052`"),
        (with(&|agent| agent.hostname = Hostname::Given("b".to_owned())), "the host name changes from `a` to `b`"),
        (
            with(&|agent| agent.hostname = Hostname::LookedUp(ip)),
            "the host name can't be compared beforehand: the host looks it up",
        ),
    ] {
        assert_eq!(now.refusals(&base)[0].to_string(), why);
    }
    let old = with(&|agent| agent.domain = domain(fault));
    assert_eq!(base.refusals(&old)[0].to_string(), "domain `eu/a` is gone");
    let file = with(&|agent| agent.domain = domain("/etc/domain"));
    assert!(file.refusals(&old)[0].to_string().contains("in a file of the host"));
    assert_eq!(file.refusals(&file), []);
    assert!(Domain::parse("{}").is_err() && Domain::parse("eu").is_err());
}
