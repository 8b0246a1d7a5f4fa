//! What nobody should have asked for: refused with the reason, over HTTP, and nothing is changed by it.

use serde_json::{Value, json};

use crate::harness::cluster::{Cluster, NEW};
use crate::harness::{http, until};

/// Asks the leader; the status and the name of the problem.
fn ask(url: &str, path: &str, body: &Value) -> (u16, String) {
    let answer = http::post(&format!("{url}{path}"), body).expect("the leader answers");
    let name = answer.body["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned();
    assert!(answer.status < 400 || !answer.body["detail"].as_str().unwrap_or_default().is_empty(), "{answer:?}");
    (answer.status, name)
}

fn count(url: &str) -> usize {
    http::json(&format!("{url}/deploy/deployments"))["deployments"].as_array().map_or(0, Vec::len)
}

/// On a cluster of two agents or more, where nothing is under way.
pub(super) fn are_refused(cluster: &Cluster) {
    let url = cluster.leader().url.clone();
    let (sets, processes, deployments) = (cluster.sets(), cluster.processes(), count(&url));
    let upgrade = |extra: Value| {
        let mut request = json!({"change": {"upgrade": {"mesos": NEW}}});
        request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        request
    };
    let strategy = |strategy: Value| upgrade(json!({ "strategy": strategy }));
    let cases = [
        (json!({"change": {"upgrade": {"mesos": "9.9.9"}}}), 422, "plan-refused"),
        (json!({"change": {"install": {"modules": ["no-such-module"], "configs": {}}}}), 422, "plan-refused"),
        (upgrade(json!({"targets": {"nodes": ["10.9.8.7:5051"]}})), 422, "plan-refused"),
        (upgrade(json!({"targets": {"groups": ["nobody"]}})), 422, "plan-refused"),
        (strategy(json!({"waves": ["0%"]})), 422, "plan-refused"),
        (strategy(json!({"waves": ["200%"]})), 422, "plan-refused"),
        (strategy(json!({"waves": [1]})), 422, "plan-refused"),
        (strategy(json!({"waves": []})), 422, "plan-refused"),
        (strategy(json!({"max_unavailable": 0})), 422, "plan-refused"),
        (strategy(json!({"max_unavailable": "0%"})), 422, "plan-refused"),
        (strategy(json!({"max_unavailable": "101%"})), 422, "plan-refused"),
        (strategy(json!({"fetch_share": 0})), 422, "plan-refused"),
        (strategy(json!({"node_timeout": 0})), 422, "plan-refused"),
        (strategy(json!({"max_unavailble": 1})), 422, "invalid-request"),
        (json!({"change": {"downgrade": {"mesos": "1.0.0"}}}), 422, "invalid-request"),
        (json!({"change": {"set": {"agents": []}}}), 422, "plan-refused"),
    ];
    let wrong = cases.into_iter().filter_map(|(request, status, name)| {
        let answer = ask(&url, "/deploy/deployments", &request);
        (answer != (status, name.to_owned())).then(|| format!("{request} answers {answer:?}, not {status} {name}"))
    });
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
    let unknown = ask(&url, "/deploy/deployments/d99/abort", &json!({}));
    assert_eq!(unknown, (404, "no-such-deployment".to_owned()));
    assert_eq!(ask(&url, "/deploy/resume", &json!({"halt_id": "h99"})), (404, "no-such-halt".to_owned()));
    pings(cluster, &url);
    assert_eq!((cluster.sets(), cluster.processes(), count(&url)), (sets, processes, deployments));
    two_at_once(&url, &upgrade(json!({"strategy": {"stage_only": true}})));
}

/// From strangers, from the past, for attempts that nobody knows.
fn pings(cluster: &Cluster, url: &str) {
    let ping = |node: &str, attempt: &str| {
        json!({"protocol": 1, "node": node, "attempt": attempt, "sequence": 1, "state": "confirmed", "detail": "",
               "time": "2026-11-22T15:10:02Z"})
    };
    let known = cluster.agents[0].name.as_str();
    for (node, attempt) in
        [("10.9.8.7:5051", "d1-0-1"), (known, "d99-0-1"), (known, "d1-99-1"), (known, "../x"), (known, "")]
    {
        let answer = ask(url, "/deploy/status", &ping(node, attempt));
        assert_eq!(answer, (404, "no-such-attempt".to_owned()), "{node} {attempt}");
    }
    assert_eq!(ask(url, "/deploy/status", &json!({"node": known})).0, 422);
}

/// The second deployment over the same nodes is refused while the first one stands, whatever it waits for.
fn two_at_once(url: &str, staged: &Value) {
    let first = http::post(&format!("{url}/deploy/deployments"), staged).unwrap();
    assert_eq!(first.status, 201, "{first:?}");
    let id = first.body["id"].as_str().unwrap();
    assert_eq!(ask(url, "/deploy/deployments", staged), (409, "deployment-running".to_owned()));
    assert_eq!(ask(url, &format!("/deploy/deployments/{id}/abort"), &json!({})).0, 200);
    until("the first one is aborted", 60, || {
        let now = http::json(&format!("{url}/deploy/deployments/{id}"));
        (now["state"] == "aborted").then_some(())
    });
}
