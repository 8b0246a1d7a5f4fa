//! A real cluster is upgraded, the master that serves the page among it, and somebody watches, halts it and lets it go.
//!
//! The deployment asks for a pulse and gets one only when it shall go on, so what is on the page can be awaited, however
//! slow machine and browser are.

use serde_json::json;

use super::browser::Browser;
use super::picture;
use crate::harness::cluster::{Cluster, NEW, Node, OLD};
use crate::harness::{http, until};

/// Says that the cluster is well, again and again, until something has come of it.
fn pulse_until<T>(cluster: &Cluster, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    until(what, 120, || {
        condition().or_else(|| {
            // The master may be away just now.
            let _ = http::post(&format!("{}/deploy/pulse", cluster.master.url), &json!({}));
            None
        })
    })
}

#[test]
#[ignore = "needs real Mesos, Chromium and built packages: make test"]
fn a_running_upgrade_is_seen_moving_and_halted() {
    let cluster = Cluster::start(2);
    let browser = Browser::start();
    let is_new = |node: &Node| node.version() == NEW;
    browser.open(&format!("{}/deploy/ui", cluster.master.url));
    browser.read("#who", "anybody may change this cluster", 30);
    browser.read("#shown", "3 nodes", 30);
    until("every node runs the old Mesos", 30, || (browser.text("#rows").matches(OLD).count() == 3).then_some(()));

    browser.script("window.same = 1", &json!([]));
    let upgrade = cluster.dcos_in_background(&["upgrade", "mesos", NEW, "--pulse", "1"]);
    browser.read("#deployment-heading", "Upgrade to Mesos 1.11.0", 60);
    browser.read("#deployment-reason", "waits for a pulse", 60);
    assert!(!cluster.nodes().any(is_new), "nobody has said that the cluster is well");

    // The master goes first and takes the page's answers with it; the page goes on by itself when it is back.
    pulse_until(&cluster, "the master restarts", || is_new(&cluster.master).then_some(()));
    let new_ones = |browser: &Browser| browser.text("#rows").matches(NEW).count();
    until("the page shows the master's new Mesos", 60, || (new_ones(&browser) == 1).then_some(()));
    browser.read("#deployment-reason", "waits for a pulse", 60);
    assert_eq!(browser.script("return window.same", &json!([])), 1, "the page went on, and was not loaded again");
    assert!(!cluster.agents.iter().any(is_new), "the next pulse is missing");
    pulse_until(&cluster, "an agent restarts", || cluster.agents.iter().any(is_new).then_some(()));

    browser.click("#halt");
    browser.press("the web tier is slow");
    browser.click("#ask-yes");
    browser.read("#halts", "the web tier is slow", 30);
    browser.read("#deployment-state", "halted", 30);
    browser.read("#deployment-body", "halt", 30);
    picture(&browser, "halted", "dark");
    let halts = http::json(&format!("{}/deploy/halt", cluster.master.url));
    assert_eq!(halts["halts"][0]["reason"], "the web tier is slow");
    until("the node under way has settled", 60, || (!browser.text("#rows").contains("restarting")).then_some(()));
    assert_eq!(cluster.agents.iter().filter(|agent| is_new(agent)).count(), 1, "no other was started");

    browser.click("#halts button");
    browser.press("it is well again");
    browser.click("#ask-yes");
    pulse_until(&cluster, "the page shows the end", || {
        browser.text("#deployment-state").contains("done").then_some(())
    });
    assert!(cluster.nodes().all(is_new));
    until("every node is shown with the new Mesos", 60, || (new_ones(&browser) == 3).then_some(()));
    browser.script("document.querySelector('#fleet-by input[value=version]').click()", &json!([]));
    browser.read("#legend", "1.11.0 3", 10);
    let events = browser.text("#events");
    assert!(cluster.agents.iter().all(|agent| events.contains(&agent.name)), "{events}");
    upgrade.wait_with_output().unwrap();
}
