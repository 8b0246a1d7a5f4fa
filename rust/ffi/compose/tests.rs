//! Whole nodes, opened as Mesos opens them: what is refused, with what words, and that looking changes nothing.

use std::fs;
use std::os::unix::fs::symlink;

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::*;

const AGENT: &str = r#"
root = "ROOT"
role = "agent"
group = "agents"
[mesos]
ip = "127.0.0.1"
port = 5051
master = "127.0.0.1:5050"
work_dir = "/var/lib/mesos"
[deploy]
masters = ["http://127.0.0.1:5050"]
[limits]
insecure_allow_anonymous = true
body = 4096
"#;

/// A folder with a `node.toml` whose root is `root` in it.
fn host(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::write(folder.path().join("node.toml"), text.replace("ROOT", root.to_str().unwrap())).unwrap();
    folder
}

fn parameters(path: impl AsRef<Path>) -> BTreeMap<String, String> {
    BTreeMap::from([(NODE.to_owned(), path.as_ref().display().to_string())])
}

fn opened(parameters: &BTreeMap<String, String>) -> Result<Opened, OpenError> {
    let _context = crate::runtime::handle().unwrap().enter();
    open(parameters)
}

/// Why it is not opened, causes included.
fn refused(parameters: &BTreeMap<String, String>) -> String {
    Problem::chain(&opened(parameters).unwrap_err())
}

fn ask(router: &axum::Router, method: Method, path: &str) -> (u16, Value) {
    send(router, method, path, &Value::Null)
}

fn send(router: &axum::Router, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = request.body(Body::from(body.to_string())).unwrap();
    crate::runtime::handle().unwrap().block_on(async {
        let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), serde_json::from_slice(&bytes).unwrap_or_default())
    })
}

#[test]
fn parameters_that_can_not_be_meant_are_refused() {
    let folder = host(AGENT);
    let mut typo = parameters(folder.path().join("node.toml"));
    typo.insert("nod".to_owned(), "/etc/dcos/node.toml".to_owned());
    assert_eq!(refused(&typo), "there is no parameter `nod`; `node` is the one that there is");
    assert_eq!(
        refused(&parameters("node.toml")),
        "the parameter `node` is `node.toml`, and an absolute path is needed"
    );
}

#[test]
fn a_file_that_can_not_be_used_is_refused_with_the_reason() {
    let folder = host(AGENT);
    let missing = folder.path().join("missing.toml");
    let why = refused(&parameters(&missing));
    assert_eq!(why, format!("reading `{}` failed: No such file or directory (os error 2)", missing.display()));
    assert!(refused(&parameters(folder.path())).ends_with("failed: Is a directory (os error 21)"));
    assert_eq!(role(&parameters(&missing)), None);

    let file = folder.path().join("node.toml");
    let text = fs::read_to_string(&file).unwrap();
    for (from, to, why) in [
        ("port = 5051", "prot = 5051", "unknown field `prot`"),
        ("[mesos]", "[mesos", "is not a node configuration: it is not a node file: TOML parse error"),
        ("role = \"agent\"", "role = \"master\"", "`mesos.master` is for agents"),
    ] {
        fs::write(&file, text.replace(from, to)).unwrap();
        assert!(refused(&parameters(&file)).contains(why), "{}", refused(&parameters(&file)));
    }
}

#[test]
fn a_root_that_can_not_be_written_is_refused_and_nothing_is_made() {
    let folder = host(AGENT);
    let file = folder.path().join("node.toml");
    let text = fs::read_to_string(&file).unwrap();
    let here = |name: &str| folder.path().join(name).display().to_string();
    for (root, why) in [
        (here("node.toml"), "Not a directory (os error 20)"),
        (here("node.toml/below"), "Not a directory (os error 20)"),
        ("/proc/self/nothing/there".to_owned(), "os error"),
    ] {
        fs::write(&file, text.replace(&here("root"), &root)).unwrap();
        let refused = refused(&parameters(&file));
        assert!(refused.starts_with(&format!("the root `{root}` can't be written: ")), "{refused}");
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was made");
}

#[test]
fn a_new_node_is_opened_and_left_as_it_is() {
    let folder = host(AGENT);
    let parameters = parameters(folder.path().join("node.toml"));
    assert_eq!(role(&parameters), Some(Role::Agent));
    let Opened { router, body_limit } = opened(&parameters).unwrap();
    assert_eq!(body_limit, 4096);
    assert_eq!(ask(&router, Method::GET, "/pkg/active").0, 404);
    let (status, state) = ask(&router, Method::GET, "/pkg/state");
    assert_eq!((status, &state["problems"]), (200, &json!([])));
    assert_eq!(ask(&router, Method::GET, "/restart/status").0, 200);
    assert_eq!(ask(&router, Method::GET, "/pkg/jobs"), (200, json!({"jobs": []})));
    assert_eq!(ask(&router, Method::GET, "/deploy/nodes").0, 307);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was made");
}

/// The controller reads its log on a thread of its own; a question waits for that.
#[test]
fn a_master_has_a_controller_and_its_halts_outlive_it() {
    let folder =
        host(&AGENT.replace("role = \"agent\"", "role = \"master\"").replace("master = \"127.0.0.1:5050\"", ""));
    let parameters = parameters(folder.path().join("node.toml"));
    let log = folder.path().join("root/state/deploy/log");
    {
        let router = opened(&parameters).unwrap().router;
        assert_eq!(ask(&router, Method::GET, "/deploy/health").0, 200);
        assert_eq!(ask(&router, Method::GET, "/deploy/halt"), (200, json!({"halts": []})));
        let (status, halt) = send(&router, Method::POST, "/deploy/halt", &json!({"reason": "a test"}));
        assert_eq!((status, &halt["reason"]), (200, &json!("a test")));
        assert!(fs::read_to_string(&log).unwrap().contains("a test"));
    }
    // The first one gives the log back once its router is gone; until then the second one tries again.
    let router = opened(&parameters).unwrap().router;
    let (status, halts) = ask(&router, Method::GET, "/deploy/halt");
    assert_eq!((status, &halts["halts"][0]["reason"]), (200, &json!("a test")), "{halts}");
}

#[test]
fn the_active_generation_is_that_of_the_link_at_every_moment() {
    let folder = host(AGENT);
    let root = folder.path().join("root");
    let router = opened(&parameters(folder.path().join("node.toml"))).unwrap().router;
    for number in [1, 2] {
        let generation = root.join(format!("generations/{number}"));
        fs::create_dir_all(&generation).unwrap();
        let document = json!({
            "format": 1, "generation": number, "set": [format!("mesos--1.1{number}.0")],
            "mesos_version": format!("1.1{number}.0"), "modules": [], "program": "/nowhere", "health_paths": [],
        });
        fs::write(generation.join("set.json"), document.to_string()).unwrap();
    }
    for number in [1, 2, 2, 1] {
        let link = root.join("new");
        symlink(format!("generations/{number}"), &link).unwrap();
        fs::rename(&link, root.join("active")).unwrap();
        for _ in 0..2 {
            let (status, active) = ask(&router, Method::GET, "/pkg/active");
            assert_eq!((status, &active["generation"]), (200, &json!(number)), "{active}");
            assert_eq!(active["mesos_version"], format!("1.1{number}.0"));
        }
    }
    fs::remove_file(root.join("active")).unwrap();
    assert_eq!(ask(&router, Method::GET, "/pkg/active").0, 404);
}

#[test]
fn what_can_not_be_told_is_named_and_the_rest_is_told() {
    let folder = host(AGENT);
    let router = opened(&parameters(folder.path().join("node.toml"))).unwrap().router;
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("state/jobs")).unwrap();
    fs::write(root.join("state/jobs/fetch-1.json"), "{").unwrap();
    symlink("elsewhere", root.join("active")).unwrap();
    let (status, state) = ask(&router, Method::GET, "/pkg/state");
    assert_eq!((status, &state["node"], &state["active"]), (200, &json!("127.0.0.1:5051"), &Value::Null));
    let told = state["problems"].to_string();
    assert!(told.contains("elsewhere") && told.contains("fetch-1.json"), "{told}");
    assert_eq!(ask(&router, Method::GET, "/pkg/active").0, 500);
}

#[test]
fn a_file_with_a_secret_that_everybody_can_read_is_refused_with_what_closes_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let master = AGENT.replace("role = \"agent\"", "role = \"master\"").replace("master = \"127.0.0.1:5050\"\n", "");
    let folder = host(&format!("{master}[provision]\nconfig = \"ROOT.toml\"\nmesos_credentials = \"ROOT.secret\"\n"));
    let (config, secret) = (folder.path().join("root.toml"), folder.path().join("root.secret"));
    let provider = "cluster = \"a\"\n[provider]\nname = \"local\"\nprogram = \"dcos-provider-local\"\n\
                    settings = { directory = \"/nowhere\" }\n[classes.a]\ngroup = \"agents\"\n[classes.a.settings]\n\
                    [bootstrap]\nmasters = [\"http://127.0.0.1:5050\"]\n\
                    [bootstrap.package]\nurl = \"http://127.0.0.1/x.tar.gz\"\nsha256 = \"@\"\n";
    let provider = provider.replace('@', &"0".repeat(64));
    fs::write(&config, provider).unwrap();
    fs::write(&secret, "mesos:quiet").unwrap();
    let health = |mode| {
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
        let opened = opened(&parameters(folder.path().join("node.toml"))).unwrap();
        ask(&opened.router, Method::GET, "/provision/health")
    };
    let (status, problem) = health(0o644);
    assert_eq!((status, &problem["type"]), (503, &json!("urn:dcos-bits:provisioning-failed")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("can be read by everybody"), "{problem}");
    assert_eq!(problem["hints"][0], format!("`chmod 600 {}` closes it", secret.display()), "{problem}");
    let (_, problem) = health(0o600);
    assert!(!problem.to_string().contains("can be read by everybody"), "{problem}");
}
