//! Who the server is, who we are, and the way there: certificates, passwords, proxies.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::harness::program::{self, Outcome};
use crate::pkg::machine::Machine;

use super::nginx::{Nginx, Site};

fn setting(site: &Site) -> (Machine, Nginx) {
    let machine = Machine::new(None);
    let repository = machine.publish(&[machine.build_plain("a--1", &[("share/a", b"a")])]);
    (machine, Nginx::start(&repository, site))
}

/// Lets the machine fetch from `url` with these facts besides.
fn fetch(machine: &Machine, url: &str, facts: &[(&str, &Path)]) -> Outcome {
    let facts: String = facts.iter().map(|(key, path)| format!("{key} = {path:?}\n")).collect();
    machine.write_node(&format!("[repositories.release]\nurl = \"{url}\"\n{facts}"));
    machine.pkg(&["fetch", "a--1", "--json"])
}

#[test]
#[ignore = "needs nginx: make test"]
fn a_server_is_believed_by_an_authority_of_our_own() {
    let (machine, nginx) = setting(&Site { tls: true, ..Site::default() });
    // Nobody's authority, a stranger's, and the right one.
    let unknown = fetch(&machine, &nginx.url(), &[]).expect(3);
    assert_eq!(unknown.json()["type"], "urn:dcos-bits:bad-certificate", "{unknown}");
    let strange = fetch(&machine, &nginx.url(), &[("ca", &nginx.path("stranger.pem"))]).expect(3);
    assert_eq!(strange.json()["type"], "urn:dcos-bits:bad-certificate", "{strange}");
    // The certificate is for 127.0.0.1 and for no other name.
    let other_name = nginx.url().replace("127.0.0.1", "localhost");
    let strange = fetch(&machine, &other_name, &[("ca", &nginx.authority())]).expect(3);
    assert_eq!(strange.json()["type"], "urn:dcos-bits:bad-certificate", "{strange}");
    fetch(&machine, &nginx.url(), &[("ca", &nginx.authority())]).expect(0);
    // What is no certificate is told apart from a server that can't be believed.
    fetch(&machine, &nginx.url(), &[("ca", &nginx.path("server.key"))]).expect(2);
}

#[test]
#[ignore = "needs nginx: make test"]
fn a_server_wants_to_know_who_we_are() {
    let all = "auth_basic private; auth_basic_user_file users;".to_owned();
    let (machine, nginx) = setting(&Site { all, tls: true, ..Site::default() });
    let made = Command::new("htpasswd").arg("-bcB").arg(nginx.path("users")).args(["node", "secret"]).output();
    let made = made.unwrap_or_else(|error| panic!("can't run `htpasswd` ({error}): run `scripts/setup test`"));
    assert!(made.status.success(), "{made:?}");
    let authority = nginx.authority();
    let refused = fetch(&machine, &nginx.url(), &[("ca", &authority)]).expect(3);
    assert_eq!(refused.json()["type"], "urn:dcos-bits:repository-refuses", "{refused}");
    for (secret, code) in [("wrong", 3), ("secret", 0)] {
        let credentials = machine.path("credentials.json");
        let document = format!(r#"{{"principal": "node", "secret": "{secret}"}}"#);
        std::fs::write(&credentials, document).unwrap();
        // Open to everybody it is not used at all.
        set_mode(&credentials, 0o644);
        fetch(&machine, &nginx.url(), &[("ca", &authority), ("credentials", &credentials)]).expect(2);
        set_mode(&credentials, 0o600);
        let fetched = fetch(&machine, &nginx.url(), &[("ca", &authority), ("credentials", &credentials)]).expect(code);
        assert!(!format!("{fetched}").contains(secret), "the secret is never told");
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The name of the repository means something to the proxy only, so whoever gets there went by way of it.
#[test]
#[ignore = "needs nginx: make test"]
fn the_proxy_of_the_environment_is_used() {
    let (machine, nginx) = setting(&Site::default());
    machine.write_node("[repositories.release]\nurl = \"http://repository.invalid/\"\n");
    let node = machine.path("node.toml");
    let fetch = |environment: &[(&str, &str)]| {
        let environment: Vec<(&str, &OsStr)> =
            environment.iter().map(|(name, value)| (*name, OsStr::new(value))).collect();
        let arguments = ["--node", node.to_str().unwrap(), "fetch", "a--1"];
        program::run(Path::new(env!("CARGO_BIN_EXE_dcos-pkg")), &arguments, &environment)
    };
    let proxy = nginx.url();
    fetch(&[("http_proxy", &proxy), ("no_proxy", "repository.invalid")]).expect(9);
    assert!(nginx.log().is_empty());
    fetch(&[("http_proxy", &proxy)]).expect(0);
    assert!(nginx.log().iter().any(|line| line.ends_with("/index.json")));
}
