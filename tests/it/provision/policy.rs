//! The IAM policy in docs/provisioning.md allows what the EC2 provider calls, and nothing else.

use std::collections::BTreeSet;

use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/provisioning.md");
const CALLS: &str = include_str!("../../../rust/provider-ec2/src/calls.rs");

fn policy() -> Value {
    let block = PAGE.split("```").find_map(|block| block.strip_prefix("json\n")).expect("the page has the policy");
    serde_json::from_str(block).expect("the policy is JSON")
}

/// What the policy allows, such as `ec2:RunInstances`.
fn allowed() -> BTreeSet<String> {
    let policy = policy();
    let statements = policy["Statement"].as_array().unwrap();
    statements.iter().map(|statement| statement["Action"].as_str().unwrap().to_owned()).collect()
}

/// The actions of a source: each method of the SDK's client, and what EC2 asks for besides because of their arguments.
fn called(source: &str) -> BTreeSet<String> {
    let dense: String = source.split_whitespace().collect();
    let methods = dense.split("self.client.").skip(1).map(|rest| rest.split('(').next().unwrap());
    let mut actions: BTreeSet<String> = methods.map(|method| format!("ec2:{}", pascal(method))).collect();
    for (argument, action) in
        [(".tag_specifications(", "ec2:CreateTags"), (".set_iam_instance_profile(", "iam:PassRole")]
    {
        if dense.contains(argument) {
            actions.insert(action.to_owned());
        }
    }
    actions
}

fn pascal(method: &str) -> String {
    let capital = |word: &str| format!("{}{}", word[..1].to_uppercase(), &word[1..]);
    method.split('_').map(capital).collect()
}

#[test]
fn the_policy_allows_what_the_code_calls_and_nothing_else() {
    let called = called(CALLS);
    assert!(called.len() >= 5, "the calls are not found in the source: {called:?}");
    assert_eq!(allowed(), called);
    assert!(self::called("self.client\n    .stop_instances()").contains("ec2:StopInstances"), "a new call is seen");
}

/// What is launched must carry the cluster's tag, and only what carries it is ended or tagged.
#[test]
fn nothing_but_looking_is_allowed_everywhere() {
    for statement in policy()["Statement"].as_array().unwrap() {
        let (sid, action) = (&statement["Sid"], statement["Action"].as_str().unwrap());
        let everywhere = statement["Resource"] == "*";
        assert_eq!(everywhere, action == "ec2:DescribeInstances", "{sid}");
        let instances = statement["Resource"].as_str().is_some_and(|resource| resource.ends_with(":instance/*"));
        assert!(!instances || statement["Condition"].is_object(), "{sid}: instances of others");
    }
}
