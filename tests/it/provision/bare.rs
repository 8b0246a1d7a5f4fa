//! A machine with a systemd and nothing of ours, which is given the user data that `dcos slave add` made and nothing else.

use std::path::Path;

use super::Site;
use crate::harness::host::Host;
use crate::harness::{free_ports, http, until};
use crate::node::kind;
use crate::restart::machine::python;

/// What a first start leaves on a machine that has become a node.
const TRACES: [&str; 4] = ["/etc/dcos/node.toml", "/opt/dcos/packages", "/opt/dcos/active", "/var/lib/mesos/meta"];

/// A provider whose machine is switched on here; its agent listens on `port`.
fn provider(folder: &Path, port: u16) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let program = folder.join("provider");
    std::fs::write(&program, format!("#!{}\n{}", python(), include_str!("stand_in.py"))).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!(
        "[provider]\nname = \"stand-in\"\nprogram = {program:?}\nsettings = {{ directory = \"@YARD@\", port = {port} }}\n\
         [classes.bare]\ngroup = \"agents\"\n"
    )
}

/// A bare machine, switched on.
fn machine(folder: &Path) -> Host {
    let host = Host::make(folder, &[]);
    host.boot();
    for place in ["/etc/dcos", "/opt/dcos", "/var/lib/mesos"] {
        let is_empty = std::fs::read_dir(host.path(place)).map_or(true, |mut entries| entries.next().is_none());
        assert!(is_empty, "the machine is not bare: it has something in `{place}`");
    }
    host
}

/// Gives a machine its user data, as cloud-init does: in a unit of its own, whose end kills whatever stays in it. What the
/// image knows is the address and the port, since all machines of this test share them, and a short hold.
fn first_start(host: &Host, user_data: &str, port: u16) -> i32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(host.shared().join("user-data"), user_data).unwrap();
    // The pauses between its tries are more than a minute in all.
    std::fs::write(host.shared().join("sleep"), "#!/bin/sh\nexec /bin/sleep 0.1\n").unwrap();
    std::fs::set_permissions(host.shared().join("sleep"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = "--setenv=PATH=/shared:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let options = format!("--setenv=DCOS_BOOTSTRAP_OPTIONS=--ip=127.0.0.1 --port={port} --hold=2");
    let unit = ["systemd-run", "--quiet", "--wait", "--unit=first-start", "--property=KillMode=control-group"];
    host.run(&[&unit[..], &[path, &options, "/bin/sh", "/shared/user-data"]].concat()).code.unwrap()
}

fn log(host: &Host) -> String {
    std::fs::read_to_string(host.path("/var/log/dcos-bits-bootstrap.log")).unwrap_or_default()
}

#[test]
#[ignore = "needs root, real Mesos and built packages: make test"]
fn the_user_data_makes_an_agent_of_a_bare_machine_once() {
    let port = free_ports(1)[0];
    let site = Site::with(|folder| provider(folder, port));
    let folder = tempfile::Builder::new().prefix("dcos-bits-bare.").tempdir().unwrap();
    // Whoever has no permission is told so, and nothing is begun.
    let denied = site.yard.join("denied");
    std::fs::create_dir(&site.yard).unwrap();
    std::fs::write(&denied, "").unwrap();
    let (code, problem) = site.slave(&["add", "--class", "bare"]);
    assert_eq!((code, kind(&problem)), (3, "provider-denied"), "{problem:#}");
    assert!(problem["hints"][0].as_str().is_some_and(|hint| hint.contains("docs/provisioning.md")), "{problem:#}");
    let operations = http::json(&format!("{}/provision/operations", site.cluster.master.url));
    assert_eq!(operations["operations"], serde_json::json!([]));
    std::fs::remove_file(denied).unwrap();

    let (code, begun) = site.slave(&["add", "--class", "bare", "--no-wait"]);
    assert_eq!(code, 0, "{begun:#}");
    let user_data = until("the machine is asked for", 30, || std::fs::read_to_string(site.yard.join("user-data")).ok());

    let host = machine(&folder.path().join("host"));
    let code = first_start(&host, &user_data, port);
    assert_eq!(code, 0, "{}", log(&host));
    let (code, ended) = site.slave(&["operation", begun["id"].as_str().unwrap(), "--wait"]);
    assert_eq!((code, ended["state"].as_str()), (0, Some("done")), "{ended:#}\n{}", log(&host));

    // It is the master's agent with its group's set, kept by the machine's own systemd.
    let name = format!("127.0.0.1:{port}");
    let id = site.cluster.agent_ids().remove(&name);
    assert!(id.is_some(), "the master lists it");
    let active = http::json(&format!("http://{name}/pkg/active"));
    assert_eq!(active["packages"], serde_json::json!(site.cluster.agents[0].packages()));
    let state = host.run(&["systemctl", "is-active", "dcos-mesos-agent.service"]);
    assert_eq!(state.stdout.trim(), "active", "{state}");
    let word = user_data.lines().find_map(|line| line.strip_prefix("export DCOS_JOIN_TOKEN='")).unwrap();
    let word = word.trim_end_matches('\'');
    let kept = host.run(&["grep", "-rl", word, "/etc/dcos", "/opt/dcos/state", "/var/log", "/run/systemd"]);
    assert_eq!(kept.stdout, "", "the token is kept nowhere");

    // It is as much of an agent after its first boot as before.
    host.kill();
    host.boot();
    until("the same agent is there after a boot", 30, || {
        let answers = http::get(&format!("http://{name}/pkg/active")).is_some();
        (answers && site.cluster.agent_ids().remove(&name) == id).then_some(())
    });
    host.kill();

    // The same user data on a second machine: refused, and nothing was started or left.
    let second = machine(&folder.path().join("second"));
    let code = first_start(&second, &user_data, port);
    assert_eq!(code, 5, "{}", log(&second));
    assert!(log(&second).contains("was used by"), "{}", log(&second));
    for trace in TRACES {
        assert!(!second.path(trace).exists(), "it left `{trace}`");
    }
    let units = second.run(&["systemctl", "list-unit-files", "--no-legend", "dcos-*"]);
    assert_eq!(units.stdout, "", "no unit is there");
}
