//! Three real masters under a real ZooKeeper, and a page that follows the one that leads.

use super::browser::{Browser, ESCAPE};
use crate::harness::cluster::Cluster;
use crate::harness::until;

#[test]
#[ignore = "needs real Mesos, ZooKeeper, Chromium and built packages: make test"]
fn the_page_follows_the_leader_of_three_masters_and_waits_for_whoever_gives_an_order() {
    let cluster = Cluster::with_masters(3, 0);
    let leader = cluster.leader();
    let follower = cluster.masters().find(|node| node.name != leader.name).unwrap();
    let browser = Browser::start();
    let is_at = |url: &str| browser.url() == format!("{url}/deploy/ui");

    // A follower sends a browser on before there is a page.
    browser.open(&format!("{}/deploy/ui", follower.url));
    browser.read("#shown", "3 nodes", 30);
    assert!(is_at(&leader.url), "it is at {}", browser.url());
    browser.read("#link-text", "live", 30);

    // Somebody is about to halt when the leader dies. An order is not torn from anybody's hands.
    browser.click("#halt");
    browser.press("the web tier is slow");
    leader.kill_mesos();
    let next = until("another master leads", 90, || Some(cluster.leader()).filter(|node| node.name != leader.name));
    browser.read("#trouble", &format!("The master at {} leads now", next.url), 90);
    assert!(is_at(&leader.url) && browser.shows("#ask"), "it is at {}", browser.url());
    browser.press(ESCAPE);
    until("the page follows", 60, || is_at(&next.url).then_some(()));
    browser.read("#shown", "3 nodes", 60);

    // And what is ordered there holds.
    browser.click("#halt");
    browser.press("the web tier is slow");
    browser.click("#ask-yes");
    browser.read("#halts", "the web tier is slow", 60);
}
