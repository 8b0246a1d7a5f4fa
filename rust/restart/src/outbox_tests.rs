#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and writes where it likes"
)]

use dcos_core::node::NodeConfig;

use super::{acknowledged, credential, credential_for, is_allowed, is_master, jittered, origin_of, redirect_of};
use crate::http::{Reply, Silence};
use std::time::Duration;

fn node() -> NodeConfig {
    let text = "role = 'agent'\ngroup = 'a'\n[mesos]\nip = '127.0.0.1'\nport = 5051\nmaster = '127.0.0.1:5050'\n\
                work_dir = '/w'\n[deploy]\nmasters = ['http://10.0.0.1:5050/', 'https://m.example']\n\
                allowed_origins = ['http://10.0.0.7']";
    NodeConfig::parse(text).unwrap()
}

#[test]
fn origins_are_compared_with_their_ports_written_out() {
    assert_eq!(origin_of("https://m.example/x?y").as_deref(), Some("https://m.example:443"));
    assert_eq!(origin_of("http://user@10.0.0.1:5050/x").as_deref(), Some("http://10.0.0.1:5050"));
    for not_one in ["ftp://m.example", "10.0.0.1:5050", "/x", "", "file:///etc/passwd"] {
        assert_eq!(origin_of(not_one), None, "{not_one}");
    }
    assert_eq!(redirect_of("http://a:1", "//b:2/master").as_deref(), Some("http://b:2"));
    assert_eq!(redirect_of("http://a:1", "/deploy/status").as_deref(), Some("http://a:1"));
}

#[test]
fn only_configured_origins_are_told_and_only_masters_get_credentials() {
    let node = node();
    let allowed = |url: &str| is_allowed(&origin_of(url).unwrap(), &node);
    assert!(allowed("http://10.0.0.1:5050"));
    assert!(allowed("https://m.example:443/deploy"));
    assert!(allowed("http://10.0.0.7/"));
    for url in ["http://m.example", "http://10.0.0.1:5051", "http://10.0.0.1.evil.example:5050", "https://10.0.0.7"] {
        assert!(!allowed(url), "{url}");
    }
    assert!(is_master("http://10.0.0.1:5050", &node));
    assert!(!is_master("http://10.0.0.7:80", &node));
}

#[test]
fn a_ping_is_acknowledged_by_its_number_or_by_a_stranger() {
    let reply = |status, body: &str| Ok(Reply { status, location: None, body: body.as_bytes().to_vec() });
    assert!(acknowledged(&reply(200, r#"{"acknowledged":3}"#), 3).is_ok());
    assert!(acknowledged(&reply(404, r#"{"type":"urn:dcos-bits:no-such-attempt"}"#), 3).is_ok());
    for (status, body) in [
        (200, r#"{"acknowledged":2}"#),
        (200, "{}"),
        (404, ""),
        (404, r#"{"type":"urn:dcos-bits:not-a-master"}"#),
        (503, ""),
    ] {
        assert!(acknowledged(&reply(status, body), 3).is_err(), "{status} {body}");
    }
    assert!(acknowledged(&Err(Silence("refused".to_owned())), 3).is_err());
}

#[test]
fn waits_are_spread_between_half_and_all() {
    let wait = Duration::from_secs(8);
    assert!((0..100).all(|_| (wait / 2..=wait).contains(&jittered(wait))));
}

#[test]
fn credentials_have_both_of_mesos_s_forms_and_are_shown_to_masters_only() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut node = node();
    node.deploy.credentials = Some(file.path().to_owned());
    for text in ["node s3cret\n", "{\"principal\": \"node\", \"secret\": \"s3cret\"}"] {
        std::fs::write(file.path(), text).unwrap();
        let found = credential(&node).unwrap();
        assert_eq!((found.principal.as_str(), found.secret.as_str()), ("node", "s3cret"));
    }
    assert!(credential_for("http://10.0.0.1:5050", &node).is_some());
    assert!(credential_for("http://10.0.0.7:80", &node).is_none(), "pings may go there, names may not");
    std::fs::write(file.path(), "node").unwrap();
    assert!(credential(&node).is_none());
}

/// Where Mesos asks for names, a node without one could never tell whether it is well.
#[test]
fn a_node_s_own_mesos_is_shown_its_credentials() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "node s3cret").unwrap();
    let mut node = node();
    node.mesos.port = port;
    node.deploy.credentials = Some(file.path().to_owned());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut request = [0; 2048];
        let read = std::io::Read::read(&mut stream, &mut request).unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        String::from_utf8_lossy(&request[..read]).to_lowercase()
    });
    crate::health::tasks::inhabitants(&node, false);
    let request = asked.join().unwrap();
    assert!(request.contains("authorization: basic bm9kztpzm2nyzxq="), "{request}");
}
