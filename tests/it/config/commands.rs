//! `dcos config options` and `dcos config diff`, as operators see them.

use std::path::PathBuf;

use crate::harness::program::{Outcome, dcos};

#[test]
fn an_option_is_explained() {
    insta::assert_snapshot!(dcos(&["config", "options", "flags.agent_ping_timeout"]).expect(0), @r"
    $ dcos config options flags.agent_ping_timeout
    exit code: 0
    --- stdout
    flags.agent_ping_timeout: how long an agent may take to answer a ping
      type      a duration, such as `10secs`
      role      master
      default   15secs
      since     1.10.0 or before
      at least  1secs
      at most   15mins
    ");
    insta::assert_snapshot!(dcos(&["config", "options", "--role", "agent", "http_credentials"]).expect(0), @r"
    $ dcos config options --role agent http_credentials
    exit code: 0
    --- stdout
    flags.http_credentials: file with the names and secrets of those who may ask the agent
      type      an absolute path
      role      agent
      default   none
      since     1.10.0 or before
      secret    only as `file:///…`, the name of a file on each host
    ");
    insta::assert_snapshot!(dcos(&["config", "options", "port", "--role", "master"]).expect(0), @r"
    $ dcos config options port --role master
    exit code: 0
    --- stdout
    flags.port: the port to listen on
      type      a whole number
      role      master
      default   5050
      since     1.10.0 or before
      elsewhere `mesos.port` in the host's `node.toml`
    ");
    insta::assert_snapshot!(dcos(&["config", "options", "resouces"]).expect(4), @r"
    $ dcos config options resouces
    exit code: 4
    --- stderr
    error: there is no option `resouces`
    hint: did you mean `resources`?
    ");
}

#[test]
fn all_options_are_listed_and_nothing_that_no_config_may_set() {
    let listed = |role: &str| dcos(&["--json", "config", "options", "--role", role]).expect(0).json();
    let has = |role: &str, key: &str| {
        let list = listed(role);
        list.as_array().unwrap().iter().any(|option| option["key"] == key)
    };
    assert!(has("agent", "flags.resources") && !has("master", "flags.resources"));
    assert!(has("master", "flags.quorum") && !has("agent", "flags.quorum"));
    assert!(has("agent", "modules") && !has("agent", "flags.port") && !has("agent", "flags.modules"));
    let text = dcos(&["config", "options", "--role", "master"]).expect(0).stdout;
    assert!(text.starts_with("OPTION ") && text.lines().count() > 60, "{text}");
}

#[test]
fn a_difference_is_told_in_words_with_what_checkpoints_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let diff = |old: &str, new: &str| -> Outcome {
        let (old, new) = (write("old.toml", old), write("new.toml", new));
        dcos(&["config", "diff", old.to_str().unwrap(), new.to_str().unwrap()]).expect(0)
    };
    let additive = "role = \"agent\"\n[flags]\nreconfiguration_policy = \"additive\"\n";
    let (small, large) = (format!("{additive}resources = \"cpus:4\"\n"), format!("{additive}resources = \"cpus:8\"\n"));
    insta::assert_snapshot!(diff(&small, &large).stdout, @r"
    `flags.resources` changes from `cpus:4` to `cpus:8`
    rolled back, agents refuse their checkpoints and do not come back:
      - resource `cpus` shrinks from `8` to `4`
    ");
    insta::assert_snapshot!(diff(&large, &small).stdout, @r"
    `flags.resources` changes from `cpus:8` to `cpus:4`
    with this change, agents refuse their checkpoints and do not come back:
      - resource `cpus` shrinks from `8` to `4`
    ");
    insta::assert_snapshot!(diff("role = \"agent\"\n", "role = \"agent\"\nmodules = [\"fizzbuzz\"]\n").stdout, @"the modules of package `fizzbuzz` are enabled");
    assert_eq!(diff("role = \"master\"\n", "role = \"master\"\n").stdout, "nothing changes\n");
}
