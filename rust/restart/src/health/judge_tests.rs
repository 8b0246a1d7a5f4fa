use super::super::Verdict::{self, CannotTell, No, NotYet, Yes};
use super::{Listing, doomed, leading, listing, path, recovered, registered, version};
use crate::http::{Asked, Reply, Silence};
use serde_json::json;

fn ok(body: serde_json::Value) -> Asked {
    answer(200, body)
}

fn answer(status: u16, body: impl Into<serde_json::Value>) -> Asked {
    Ok(Reply { status, location: None, body: body.into().to_string().into_bytes() })
}

fn silent() -> Asked {
    Err(Silence("connection refused".to_owned()))
}

#[test]
fn another_version_is_a_no_and_silence_is_not() {
    for (asked, verdict) in [
        (ok(json!({"version": "1.11.0"})), Yes),
        (ok(json!({"version": "1.10.0"})), No),
        (ok(json!("nonsense")), NotYet),
        (answer(500, json!({})), NotYet),
        (silent(), NotYet),
    ] {
        assert_eq!(version(&asked, "1.11.0").verdict, verdict, "{asked:?}");
    }
}

#[test]
fn an_agent_has_recovered_once_its_time_is_there_and_no_errors_are() {
    for (asked, verdict) in [
        (ok(json!({"slave/recovery_time_secs": 0.5, "slave/recovery_errors": 0.0})), Yes),
        (ok(json!({"slave/recovery_errors": 0.0})), NotYet),
        (ok(json!({"slave/recovery_time_secs": 0.5, "slave/recovery_errors": 2.0})), No),
        (answer(401, json!({})), CannotTell),
        (silent(), NotYet),
    ] {
        assert_eq!(recovered(&asked).verdict, verdict, "{asked:?}");
    }
}

#[test]
fn only_a_leader_that_answers_can_put_the_blame_on_the_agent() {
    let in_ = || ok(json!({"slave/registered": 1.0}));
    let out = || ok(json!({"slave/registered": 0.0}));
    let active = || Listing::Active("id-1".to_owned());
    let nobody = || Listing::Nobody("refused".to_owned());
    let cases: [(Asked, Listing, Option<&str>, Verdict); 10] = [
        (in_(), active(), Some("id-1"), Yes),
        (in_(), active(), None, Yes),
        (in_(), Listing::NotConfigured, Some("id-1"), Yes),
        (in_(), Listing::Inactive, Some("id-1"), NotYet),
        (in_(), Listing::Absent, Some("id-1"), NotYet),
        (in_(), nobody(), Some("id-1"), CannotTell),
        (out(), nobody(), Some("id-1"), CannotTell),
        (out(), active(), Some("id-1"), NotYet),
        (in_(), active(), Some("id-2"), No),
        (silent(), active(), Some("id-1"), NotYet),
    ];
    for (metrics, listing, now, verdict) in cases {
        let finding = registered(&metrics, &listing, now, Some("id-1"));
        assert_eq!(finding.verdict, verdict, "{listing:?} {now:?}: {finding:?}");
    }
    assert_eq!(registered(&in_(), &active(), Some("new"), None).verdict, Yes, "a first start has no id to keep");
}

#[test]
fn the_leaders_list_is_read_by_id_or_by_address() {
    let list = ok(json!({"slaves": [
        {"id": "id-1", "pid": "slave(1)@127.0.0.1:5051", "active": true},
        {"id": "id-2", "pid": "slave(1)@127.0.0.1:5052", "active": false},
    ]}));
    assert_eq!(listing(&list, Some("id-1"), ""), Listing::Active("id-1".to_owned()));
    assert_eq!(listing(&list, None, "127.0.0.1:5051"), Listing::Active("id-1".to_owned()));
    assert_eq!(listing(&list, Some("id-2"), ""), Listing::Inactive);
    assert_eq!(listing(&list, None, "127.0.0.1:505"), Listing::Absent);
    for asked in [silent(), answer(503, json!({})), ok(json!([]))] {
        assert!(matches!(listing(&asked, None, ""), Listing::Nobody(_)), "{asked:?}");
    }
}

#[test]
fn a_master_leads_with_its_registry_or_follows() {
    let elected = |value: f64| ok(json!({"master/elected": value}));
    let redirect: Asked =
        Ok(Reply { status: 307, location: Some("//10.0.0.1:5050/master/slaves".into()), body: vec![] });
    let none = || answer(503, json!({}));
    for (metrics, health, slaves, alone, verdict) in [
        (elected(1.0), ok(json!({})), ok(json!({})), false, Yes),
        (elected(1.0), none(), ok(json!({})), false, NotYet),
        (elected(1.0), answer(401, json!({})), none(), false, CannotTell),
        (
            ok(json!({"master/elected": 1.0, "registrar/log/recovered": 1.0})),
            answer(403, json!({})),
            none(),
            false,
            Yes,
        ),
        (ok(json!({"master/elected": 1.0, "registrar/log/recovered": 0.0})), ok(json!({})), none(), false, NotYet),
        (elected(0.0), none(), redirect.clone(), false, Yes),
        (elected(0.0), none(), none(), false, CannotTell),
        (elected(0.0), none(), none(), true, NotYet),
        (silent(), none(), none(), false, NotYet),
    ] {
        let finding = leading(&metrics, &health, &slaves, alone);
        assert_eq!(finding.verdict, verdict, "{metrics:?}: {finding:?}");
    }
    assert_eq!(leading(&elected(0.0), &none(), &redirect, false).detail, "it follows 10.0.0.1:5050");
}

#[test]
fn a_path_of_a_module_that_refused_to_start_tells_why() {
    let finding = path("/pkg/health", &answer(503, json!({"detail": "no node file"})));
    assert_eq!((finding.verdict, finding.detail.as_str()), (NotYet, "it answers 503: no node file"));
    assert_eq!(path("/x", &ok(json!({}))).verdict, Yes);
    assert_eq!(path("/x", &silent()).detail, "`/x` does not answer: connection refused");
    assert_eq!(path("/x", &answer(404, json!({}))).detail, "it answers 404");
}

#[test]
fn the_tasks_of_checkpointing_frameworks_are_not_doomed() {
    let state = json!({"frameworks": [
        {"name": "keeps", "checkpoint": true, "executors": [{"tasks": [{"id": "a"}]}]},
        {"name": "loses", "checkpoint": false, "executors": [{"tasks": [{"id": "b"}], "queued_tasks": [{"id": "c"}]}]},
        {"name": "silent", "executors": [{"tasks": [{"id": "d"}]}]},
    ]});
    assert_eq!(doomed(&state), ["loses/c", "loses/b", "silent/d"]);
    assert!(doomed(&json!({})).is_empty());
}
