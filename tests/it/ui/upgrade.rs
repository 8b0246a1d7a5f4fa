//! A real cluster is upgraded, the master that serves the page among it, and somebody watches, halts it and lets it go.

use std::collections::BTreeSet;

use serde_json::json;

use super::browser::Browser;
use super::picture;
use crate::harness::cluster::{Cluster, NEW, OLD};
use crate::harness::{http, until};

#[test]
#[ignore = "needs real Mesos, Chromium and built packages: make test"]
fn a_running_upgrade_is_seen_moving_and_halted() {
    let cluster = Cluster::start(2);
    let browser = Browser::start();
    browser.open(&format!("{}/deploy/ui", cluster.master.url));
    browser.read("#who", "anybody may change this cluster", 20);
    browser.read("#shown", "3 nodes", 20);
    until("every node runs the old Mesos", 20, || (browser.text("#rows").matches(OLD).count() == 3).then_some(()));

    browser.script("window.same = 1", &json!([]));
    let upgrade = cluster.dcos_in_background(&["upgrade", "mesos", NEW]);
    browser.read("#deployment-heading", "Upgrade to Mesos 1.11.0", 20);
    let mut seen = BTreeSet::new();
    // The master goes first and takes the page's answers with it; the page goes on by itself when it is back.
    until("the first agent restarts", 60, || {
        seen.insert(browser.text("#deployment-reason"));
        let agents = browser.text("#rows");
        (agents.lines().any(|line| line.contains("restarting") && !line.starts_with(&cluster.master.name)))
            .then_some(())
    });
    for step in ["fetching on", "wave 1 of 3 (masters)", "wave 2 of 3 (agents)"] {
        assert!(seen.iter().any(|text| text.contains(step)), "`{step}` was not seen: {seen:?}");
    }
    assert_eq!(browser.script("return window.same", &json!([])), 1, "the page went on, and was not loaded again");
    assert_eq!(cluster.master.version(), NEW);
    browser.read("#said", "wave 2 of 3", 20);

    browser.click("#halt");
    browser.press("the web tier is slow");
    browser.click("#ask-yes");
    browser.read("#halts", "the web tier is slow", 30);
    browser.read("#deployment-state", "halted", 20);
    browser.read("#deployment-body", "halt", 20);
    picture(&browser, "halted", "dark");
    let halts = http::json(&format!("{}/deploy/halt", cluster.master.url));
    assert_eq!(halts["halts"][0]["reason"], "the web tier is slow");
    until("the node under way has settled", 60, || (!browser.text("#rows").contains("restarting")).then_some(()));
    assert_eq!(cluster.agents.iter().filter(|agent| agent.version() == NEW).count(), 1, "no other was started");

    browser.click("#halts button");
    browser.press("it is well again");
    browser.click("#ask-yes");
    browser.read("#deployment-state", "done", 60);
    let output = upgrade.wait_with_output().unwrap();
    assert!(cluster.nodes().all(|node| node.version() == NEW), "{}", String::from_utf8_lossy(&output.stderr));
    until("every node is shown with the new Mesos", 30, || {
        (browser.text("#rows").matches(NEW).count() == 3).then_some(())
    });
    browser.script("document.querySelector('#fleet-by input[value=version]').click()", &json!([]));
    browser.read("#legend", "1.11.0 3", 5);
    let events = browser.text("#events");
    assert!(cluster.agents.iter().all(|agent| events.contains(&agent.name)), "{events}");
}
