//! The endpoints inside real Mesos, held to their OpenAPI documents by schemathesis: `tests/api/check` does the same to
//! `dcos-node`, and says what is demanded. Here libprocess stands before the router, and answers some things by itself.

use std::path::Path;
use std::process::Command;

use crate::harness::cluster::Cluster;
use crate::harness::http;
use crate::masters::roles;

/// Where the server at `url` and the documents differ; empty if nowhere.
fn differences(title: &str, url: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/check");
    let checked = Command::new(script)
        .args(["--title", title, "--url", url])
        .args(arguments)
        .output()
        .expect("tests/api/check can be run");
    let (stdout, stderr) = (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    if checked.status.success() {
        eprint!("{stdout}");
        return String::new();
    }
    format!("{stdout}{stderr}")
}

#[test]
#[ignore = "needs real Mesos, built packages and PyPI: make test"]
fn a_real_master_and_agent_answer_as_they_are_documented() {
    let cluster = Cluster::start(1);
    // Whatever is asked for, nothing restarts: one of these halts may be cleared by the documents' own example.
    for _ in 0..4 {
        cluster.dcos(&["deploy", "halt", "whatever can be asked for will be"]).expect(0);
    }
    let before = (cluster.processes(), cluster.sets());
    let agent = &cluster.agents[0];
    let unprovided = ["--allow", "503:not-configured", "--endpoints", "^/(deploy|provision)/"];
    let found = differences("a real master", &cluster.master.url, &unprovided)
        + &differences("a real agent", &agent.url, &["--endpoints", "^/(pkg|restart)/"]);
    assert!(found.is_empty(), "{found}");
    assert_eq!((cluster.processes(), cluster.sets()), before, "something restarted or was lost");
    for node in [&cluster.master, agent] {
        for part in ["pkg", "restart", "deploy", "provision"] {
            assert_eq!(http::status(&format!("{}/{part}/health", node.url)), Some(200), "{part} of {}", node.name);
        }
    }
}

/// Endpoints of each kind: open, for readers, for monitors, and for operators.
const FEW: &str = "/(health|openapi.json|active|halt|go)$";

#[test]
#[ignore = "needs real Mesos, built modules and PyPI: make test"]
fn a_real_master_that_authenticates_answers_as_it_is_documented() {
    let folder = tempfile::tempdir().unwrap();
    let mesos = roles::authenticating(folder.path());
    let url = format!("http://{}", mesos.address);
    let monitor = format!("monitor:{}", roles::secret("monitor"));
    let by = |principal: &str, refusal: &str| {
        let arguments = ["--allow", refusal, "--endpoints", FEW, "--as", principal];
        differences(&format!("a real master, {refusal}"), &url, &arguments)
    };
    let found = by(&monitor, "403") + &by("admin:guessed", "401");
    assert!(found.is_empty(), "{found}");
    assert_eq!(mesos.get("/deploy/health").status, 200);
}
