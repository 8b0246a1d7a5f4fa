//! To whom `dcos` shows the operator's secret: to masters, and to no address that a list of nodes has.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::net::TcpListener;

use serde_json::json;

use super::fake_master::FakeMaster;
use crate::harness::program::dcos;

#[test]
fn a_node_is_never_asked_by_the_operators_name() {
    // Whoever registers with a master is on its list, at whatever address it names, and says itself what group it is of.
    let rogue = TcpListener::bind("127.0.0.1:0").unwrap();
    rogue.set_nonblocking(true).unwrap();
    let address = rogue.local_addr().unwrap();
    let node = json!({"node": "10.0.0.7:5051", "url": format!("http://{address}"), "role": "agent", "group": "agents",
        "registered": true, "reachable": true, "set": ["mesos--1.11.0", "mesos-config--0123456789ab"]});
    let fake = FakeMaster::answering(BTreeMap::from([("/deploy/nodes".to_owned(), json!({"nodes": [node]}))]));
    for change in [
        &["install", "module", "fizzbuzz"][..],
        &["uninstall", "module", "fizzbuzz"],
        &["config", "apply", "--group", "agents", "--set", "flags.quorum=1"],
    ] {
        let arguments: Vec<&str> = ["--url", &fake.url].iter().chain(change).copied().collect();
        // The fake does not know the path, which shows that the master was asked for it.
        let outcome = dcos(&arguments);
        assert!(outcome.stderr.contains("/deploy/nodes/10.0.0.7:5051/pkg/available` answered 500"), "{outcome}");
        match rogue.accept() {
            Ok((mut stream, _)) => {
                let mut heard = [0; 4096];
                let count = stream.read(&mut heard).unwrap_or(0);
                panic!("the rogue node heard {:?}", String::from_utf8_lossy(&heard[..count]));
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}
