//! Hosts as network namespaces around a bridge, each with an address and a cable that can be pulled.
//!
//! Everything is named after this process and a number, and deleted with the value, so that tests run beside each other
//! and leave nothing behind. The test itself stays outside, at the bridge's own address.

use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

static NEWEST: AtomicU8 = AtomicU8::new(0);

/// A bridge with hosts at it.
#[derive(Debug)]
pub(crate) struct Spaces {
    /// Part of every name, unique among the tests that run.
    tag: String,
    /// `10.x.y`, of a network of 256 addresses.
    net: String,
    hosts: usize,
}

impl Spaces {
    /// A bridge with so many hosts, all of which reach each other.
    pub(crate) fn new(hosts: usize) -> Self {
        let (pid, number) = (std::process::id(), NEWEST.fetch_add(1, Ordering::Relaxed));
        let mixed = (pid * 7 + u32::from(number)) % 16_384;
        let spaces = Self {
            tag: format!("db{:x}{number:x}", pid % 0x10_0000),
            net: format!("10.{}.{}", 192 + mixed / 256, mixed % 256),
            hosts,
        };
        spaces.set_up();
        spaces
    }

    fn set_up(&self) {
        let bridge = &self.tag;
        ip(&["link", "add", "name", bridge, "type", "bridge"]);
        ip(&["address", "add", &format!("{}.1/24", self.net), "dev", bridge]);
        ip(&["link", "set", bridge, "up"]);
        for host in 0..self.hosts {
            let (space, cable) = (self.space(host), self.cable(host));
            ip(&["netns", "add", &space]);
            ip(&["link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &space]);
            ip(&["link", "set", &cable, "master", bridge]);
            ip(&["link", "set", &cable, "up"]);
            ip(&["-n", &space, "address", "add", &format!("{}/24", self.address(host)), "dev", "eth0"]);
            ip(&["-n", &space, "link", "set", "eth0", "up"]);
            // A host reaches itself at its own address through this.
            ip(&["-n", &space, "link", "set", "lo", "up"]);
        }
    }

    /// The name of a host's namespace.
    fn space(&self, host: usize) -> String {
        format!("{}-{host}", self.tag)
    }

    /// The end of its cable at the bridge.
    fn cable(&self, host: usize) -> String {
        format!("{}c{host}", self.tag)
    }

    fn address(&self, host: usize) -> String {
        format!("{}.{}", self.net, 10 + host)
    }

    /// The address of the bridge.
    pub(crate) fn gateway(&self) -> String {
        format!("{}.1", self.net)
    }

    /// The hosts: the names of their namespaces, and their addresses.
    pub(crate) fn hosts(&self) -> Vec<(String, String)> {
        (0..self.hosts).map(|host| (self.space(host), self.address(host))).collect()
    }

    /// Pulls a host's cable.
    pub(crate) fn cut(&self, host: usize) {
        ip(&["link", "set", &self.cable(host), "down"]);
    }

    /// Plugs it in again.
    pub(crate) fn mend(&self, host: usize) {
        ip(&["link", "set", &self.cable(host), "up"]);
    }
}

impl Drop for Spaces {
    fn drop(&mut self) {
        // A cable goes with either of its ends. What was never made is not there to be deleted.
        for host in 0..self.hosts {
            let _ = Command::new("ip").args(["link", "delete", &self.cable(host)]).output();
            let _ = Command::new("ip").args(["netns", "delete", &self.space(host)]).output();
        }
        let _ = Command::new("ip").args(["link", "delete", &self.tag]).output();
    }
}

/// Runs `ip`, which must succeed.
fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("can't run `ip` ({error}): apt-get install iproute2"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`ip {}` (as root?): {said}", arguments.join(" "));
}
