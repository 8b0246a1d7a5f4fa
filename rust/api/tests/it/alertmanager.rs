//! What Prometheus's Alertmanager posts, as `docs/monitoring/` shows it.

use dcos_api::types::alertmanager::HaltCall;
use dcos_api::types::deploy::{Halt, Halts};

use crate::fake::{ask, master, refusal, request};

fn documented() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/monitoring/alert.json");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn an_alert_is_an_order_to_halt_and_its_end_is_none() {
    let HaltCall::Alerts(alerts) = serde_json::from_str(&documented()).unwrap() else { panic!("no alerts") };
    let order = alerts.order().unwrap();
    assert_eq!(order.reason, "alert ErrorRate: shop answers more than 1% of its requests with an error");
    let resolved = documented().replace("\"firing\"", "\"resolved\"");
    let HaltCall::Alerts(alerts) = serde_json::from_str(&resolved).unwrap() else { panic!("no alerts") };
    assert_eq!(alerts.order(), None);
}

#[tokio::test]
async fn an_alert_halts_and_its_end_clears_nothing() {
    let (response, body) = ask(&master(), request("POST", "/deploy/halt", Some(&documented()), Some("monitor"))).await;
    assert_eq!(response.status(), 200);
    let halt: Halt = serde_json::from_str(&body).unwrap();
    assert!(halt.reason.starts_with("alert ErrorRate: shop answers"), "{halt:?}");

    let resolved = documented().replace("\"firing\"", "\"resolved\"");
    let (response, body) = ask(&master(), request("POST", "/deploy/halt", Some(&resolved), Some("monitor"))).await;
    assert_eq!(response.status(), 200);
    assert_eq!(serde_json::from_str::<Halts>(&body).unwrap().halts.len(), 1, "the halt that stood stands");

    let broken = documented().replace("\"firing\"", "\"burning\"");
    let problem = refusal(&master(), request("POST", "/deploy/halt", Some(&broken), Some("monitor"))).await;
    assert_eq!((problem.status, problem.name()), (422, "invalid-request"));
    assert!(problem.detail.contains("burning"), "{}", problem.detail);
    let stranger = refusal(&master(), request("POST", "/deploy/halt", Some(&documented()), Some("reader"))).await;
    assert_eq!(stranger.status, 403);
}
