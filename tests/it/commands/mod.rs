//! What `dcos` says when it can't do what was asked: exit code and message, word by word.

mod exits;
pub(crate) mod fake_master;
mod profiles;
mod secrets;

use fake_master::FakeMaster;

use crate::harness::program::dcos;

#[test]
fn a_command_that_asks_a_master_needs_one_to_be_named() {
    insta::assert_snapshot!(dcos(&["deploy", "status"]), @r"
    $ dcos deploy status
    exit code: 2
    --- stderr
    error: no master is named
    hint: name any master of the cluster by `--url http://HOST:PORT` or `DCOS_URL`
    hint: or keep it as a profile: `dcos profile add NAME --url http://HOST:PORT`
    ");
}

#[test]
fn a_config_is_applied_to_a_group_that_is_named() {
    insta::assert_snapshot!(dcos(&["--url", "http://127.0.0.1:1", "config", "apply", "--group", "agents"]), @r"
    $ dcos --url http://127.0.0.1:1 config apply --group agents
    exit code: 2
    --- stderr
    error: it has to be said what is applied, and to which group
    hint: name a document by `--options FILE`, or a group and single options by `--group` and `--set`
    ");
}

#[test]
fn an_address_without_a_scheme_is_no_address() {
    insta::assert_snapshot!(dcos(&["--url", "10.0.0.1:5050", "slave", "list"]), @r"
    $ dcos --url 10.0.0.1:5050 slave list
    exit code: 2
    --- stderr
    error: `10.0.0.1:5050` is not the address of a master
    hint: `http://HOST:PORT` is needed, such as `http://10.0.0.1:5050`
    ");
}

#[test]
fn a_list_of_agents_warns_of_what_could_not_be_asked() {
    let hint = "mend the credentials of the masters";
    let problem = dcos_core::Problem::new(
        dcos_core::ExitCode::Unreachable,
        "not-known-now",
        "the machines can't be listed: DescribeInstances: 403 AuthFailure",
    );
    let agent = serde_json::json!({"node": "10.0.0.7:5051", "agent_id": "S0", "active": true, "instance": null,
        "instance_state": null, "instance_kind": null, "operation": null, "mismatch": null});
    let documents = [
        ("/deploy/nodes", serde_json::json!({"nodes": []})),
        ("/provision/slaves", serde_json::json!({"slaves": [agent], "problems": [problem.hint(hint)]})),
    ];
    let master = FakeMaster::answering(documents.map(|(path, document)| (path.to_owned(), document)).into());
    for words in [&["slave", "list"][..], &["--json", "slave", "list"]] {
        let outcome = dcos(&[&["--url", &master.url], words].concat());
        let warned = "warning: the machines can't be listed: DescribeInstances: 403 AuthFailure\n\
                      hint: mend the credentials of the masters\n";
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), warned), "{outcome}");
        assert!(outcome.stdout.contains("10.0.0.7:5051"), "{outcome}");
    }
}

#[test]
fn agents_that_may_be_on_their_way_can_be_asked_for_again() {
    insta::assert_snapshot!(dcos(&["--url", "http://127.0.0.1:1", "slave", "add", "--key", "sale"]), @r"
    $ dcos --url http://127.0.0.1:1 slave add --key sale
    exit code: 9
    --- stderr
    error: can't ask `http://127.0.0.1:1/provision/add_slave`: Connection refused (os error 111)
    hint: `http://127.0.0.1:1` is what `--url` or `DCOS_URL` names: any master of the cluster will do
    hint: if it was begun all the same, the same command with `--key sale` begins nothing more
    ");
    // Without a word of ours it makes one up.
    let outcome = dcos(&["--url", "http://127.0.0.1:1", "slave", "add"]);
    let word =
        outcome.stderr.split_once("--key ").map(|(_, rest)| rest.chars().take_while(char::is_ascii_hexdigit).count());
    assert_eq!(word, Some(16), "{outcome}");
}

#[test]
fn a_version_that_is_none_is_refused_before_anybody_is_asked() {
    insta::assert_snapshot!(dcos(&["--url", "http://127.0.0.1:1", "upgrade", "mesos", "1.11.0--2"]), @r"
    $ dcos --url http://127.0.0.1:1 upgrade mesos 1.11.0--2
    exit code: 2
    --- stderr
    error: `1.11.0--2` is not a package version: it contains `--`
    hint: a version is needed, such as `1.11.0`
    ");
}

#[test]
fn a_module_that_is_no_package_name_is_refused_before_anybody_is_asked() {
    insta::assert_snapshot!(dcos(&["--url", "http://127.0.0.1:1", "install", "module", "fizz buzz"]), @r"
    $ dcos --url http://127.0.0.1:1 install module fizz buzz
    exit code: 2
    --- stderr
    error: `fizz buzz` is not a package name: it may contain letters, digits and `@._+-` only
    hint: `NAME` or `NAME--VERSION` is needed, such as `fizzbuzz--1.2.0`
    ");
    insta::assert_snapshot!(dcos(&["--url", "http://127.0.0.1:1", "uninstall", "module", "fizzbuzz--1.2.0"]), @r"
    $ dcos --url http://127.0.0.1:1 uninstall module fizzbuzz--1.2.0
    exit code: 2
    --- stderr
    error: `fizzbuzz--1.2.0` is not a package name: it contains `--`
    hint: the name is needed without a version, such as `fizzbuzz`
    ");
}

#[test]
fn a_master_that_is_not_there_is_said_to_be_unreachable() {
    insta::assert_snapshot!(dcos(&["--url", "http://127.0.0.1:1", "deploy", "nodes"]), @r"
    $ dcos --url http://127.0.0.1:1 deploy nodes
    exit code: 9
    --- stderr
    error: can't ask `http://127.0.0.1:1/deploy/nodes`: Connection refused (os error 111)
    hint: `http://127.0.0.1:1` is what `--url` or `DCOS_URL` names: any master of the cluster will do
    ");
}

#[test]
fn an_amount_that_is_none_names_what_is_needed() {
    insta::assert_snapshot!(dcos(&["--url", "http://127.0.0.1:1", "upgrade", "mesos", "1.11.0", "--waves", "1,ten"]), @r"
    $ dcos --url http://127.0.0.1:1 upgrade mesos 1.11.0 --waves 1,ten
    exit code: 2
    --- stderr
    error: invalid value 'ten' for '--waves <AMOUNT>': `ten` is not an amount: a whole number or a percentage such as `10%` is needed

    For more information, try '--help'.
    ");
}

#[test]
fn with_json_a_refusal_is_one_document_on_stdout() {
    for arguments in [
        &["--json", "deploy", "status"][..],
        &["--json", "--url", "http://127.0.0.1:1", "deploy", "nodes"],
        &["--json", "upgrade", "mesos"],
        &["--json", "no-such-command"],
    ] {
        let outcome = dcos(arguments);
        assert_eq!(outcome.stderr, "", "{outcome}");
        let problem = outcome.json();
        assert!(problem["type"].as_str().unwrap().starts_with("urn:dcos-bits:"), "{outcome}");
        assert!(!problem["hints"].as_array().unwrap().is_empty(), "{outcome}");
    }
}

#[test]
fn a_machine_without_a_node_file_is_told_where_one_is_needed() {
    insta::assert_snapshot!(dcos(&["doctor", "--node", "/no/such/node.toml"]), @r"
    $ dcos doctor --node /no/such/node.toml
    exit code: 4
    --- stdout
    RESULT   CHECK      FOUND
    problem  node file  can't read `/no/such/node.toml`: No such file or directory (os error 2)
    hint: node file: name it by `--node FILE`; docs/node.toml is an example with every key
    ");
}

#[test]
fn every_command_has_help_with_an_example_or_a_list() {
    for arguments in [
        &["--help"][..],
        &["install", "module", "--help"],
        &["uninstall", "module", "--help"],
        &["upgrade", "mesos", "--help"],
        &["deploy", "--help"],
        &["deploy", "halt", "--help"],
        &["deploy", "explain", "--help"],
        &["slave", "list", "--help"],
        &["doctor", "--help"],
    ] {
        let outcome = dcos(arguments).expect(0);
        assert!(outcome.stdout.contains("Examples:") || outcome.stdout.contains("Commands:"), "{outcome}");
    }
}
