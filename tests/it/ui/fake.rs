//! A master that is fake, and says so in the names of its nodes: the real page over documents that are made up here. What
//! real ones answer is tested with real ones; here there are more nodes than a machine has, and worse ones.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The sets before and after the deployment.
const FROM: [&str; 3] = ["dcos-bits--0.1.0+mesos1.10.0", "mesos--1.10.0", "mesos-config--3f1c0a94be27"];
const TO: [&str; 3] = ["dcos-bits--0.1.0+mesos1.11.0", "mesos--1.11.0", "mesos-config--3f1c0a94be27"];

/// What the fake answers, and how it misbehaves just now.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) deployments: String,
    pub(crate) deployment: String,
    pub(crate) nodes: String,
    pub(crate) halts: String,
    pub(crate) events: Vec<Value>,
    pub(crate) who: Value,
    /// The status and the body that every question but the page gets, if any; and where a redirection goes.
    pub(crate) refusal: Option<(u16, String)>,
}

/// The server. It ends with its runtime.
pub(crate) struct Fake {
    pub(crate) url: String,
    pub(crate) answers: Arc<Mutex<Answers>>,
    _runtime: tokio::runtime::Runtime,
}

impl Fake {
    pub(crate) fn start(answers: Answers) -> Self {
        let answers = Arc::new(Mutex::new(answers));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&answers));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, answers, _runtime: runtime }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.answers.lock().unwrap());
    }
}

async fn answer(State(answers): State<Arc<Mutex<Answers>>>, uri: Uri) -> Response {
    let answers = answers.lock().unwrap();
    let json = |text: String| ([(header::CONTENT_TYPE, "application/json")], text).into_response();
    if uri.path() == "/deploy/ui" {
        let page = &*dcos_api::ui::PAGE;
        let kind = "text/html; charset=utf-8";
        return ([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, &page.policy)], page.html.clone())
            .into_response();
    }
    if let Some((status, body)) = answers.refusal.clone().filter(|_| uri.path() != "/deploy/whoami") {
        let mut headers = HeaderMap::new();
        if status == 307 {
            headers.insert(header::LOCATION, body.parse().unwrap());
        }
        return (StatusCode::from_u16(status).unwrap(), headers, body).into_response();
    }
    match uri.path() {
        "/deploy/whoami" => json(answers.who.to_string()),
        "/deploy/deployments" => json(answers.deployments.clone()),
        "/deploy/nodes" => json(answers.nodes.clone()),
        "/deploy/halt" => json(answers.halts.clone()),
        "/deploy/events" => {
            let after = uri.query().and_then(|query| query.strip_prefix("after=")?.parse().ok()).unwrap_or(0);
            let later = answers.events.iter().filter(|event| event["number"].as_u64() > Some(after));
            let page: Vec<&Value> = later.take(500).collect();
            let next = page.last().map_or(json!(after), |event| event["number"].clone());
            json(json!({"events": page, "next": next}).to_string())
        }
        path if path.starts_with("/deploy/deployments/") => json(answers.deployment.clone()),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A time, `seconds` before now.
pub(crate) fn ago(seconds: usize) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap())).to_string()
}

/// The name of an agent.
pub(crate) fn name(place: usize) -> String {
    format!("fake-{place:05}:5051")
}

/// A cluster of `agents` agents in the middle of an upgrade, of which `done` have their new set and one has not come up.
pub(crate) fn cluster(agents: usize, done: usize) -> Answers {
    let (canary, restarting) = (agents.div_ceil(100), (agents / 50).max(1));
    let length = 900;
    // Seconds since a node came to be what it is, the last one just now.
    let since = |place: usize| length - 20 - (length - 30) * place / (done + restarting);
    let masters = (0..3).map(|place| format!("fake-master-{place}:5050"));
    let master = |node: String| {
        json!({"node": node, "role": "master", "group": "masters", "from": FROM, "to": TO, "state": "confirmed",
               "updated_at": ago(length - 5)})
    };
    let member = |place: usize| {
        let (state, detail) = match place {
            7 => {
                ("rolled_back", "Mesos ended 3 s after its start by signal 6; generation 2 is running again".to_owned())
            }
            _ if place < done => ("confirmed", String::new()),
            _ if place < done + restarting => ("restarting", "watching: holding for 45 s, 31 s to go".to_owned()),
            _ if place < agents / 2 => (
                "fetched",
                format!(
                    "waits for {} and {} more to settle: {restarting} may be away at once",
                    name(done),
                    restarting - 1
                ),
            ),
            _ => (
                "fetched",
                format!("waits for wave 5 ({} and {} more) to hold", name(done), (agents / 2).saturating_sub(done)),
            ),
        };
        json!({"node": name(place), "role": "agent", "group": if place.is_multiple_of(3) { "gpu" } else { "agents" }, "from": FROM,
               "to": TO, "state": state, "detail": detail, "updated_at": if place < done + restarting { ago(since(place)) } else { ago(length) }})
    };
    let members: Vec<Value> = masters.clone().map(master).chain((0..agents).map(member)).collect();
    let names = |from: usize, to: usize| (from..to).map(name).collect::<Vec<_>>();
    let mut waves: Vec<Vec<String>> = masters.clone().map(|master| vec![master]).collect();
    waves.extend([names(0, canary), names(canary, agents / 2), names(agents / 2, agents)]);
    let deployment = json!({
        "id": "d12", "change": {"upgrade": {"mesos": "1.11.0"}}, "state": "restarting", "changed": true, "waves": waves, "nodes": members,
        "reason": format!("wave 5 of 6 (agents): {} and {} more restarts", name(done), restarting - 1),
        "strategy": {"waves": ["1%", "50%", "100%"], "max_unavailable": "2%", "max_failures": 20, "soak": 30, "node_timeout": 600,
                     "fetch_timeout": 3600, "fetch_share": 100, "on_failure": "stop", "stage_only": false,
                     "allow_task_loss": false, "retry_failed": false},
        "created_at": ago(length), "created_by": "alice",
    });
    let node = |member: &Value| {
        let moved = member["state"] == "confirmed";
        let set = if moved { TO } else { FROM };
        json!({"node": member["node"], "url": format!("http://{}", member["node"].as_str().unwrap()), "role": member["role"],
               "group": member["group"], "registered": true, "reachable": true, "drift": false, "set": set, "desired": set,
               "mesos_version": if moved { "1.11.0" } else { "1.10.0" },
               "last_attempt": {"attempt": "d12-7-1", "state": "confirmed", "detail": "every check said yes, and it held for 45 s",
                   "set": set, "generation": 3, "previous_generation": 2, "started_at": ago(900), "changed_at": ago(800), "absence_ms": 180,
                   "checks": [{"name": "process", "answer": "yes", "detail": "pid 4711 is alive"},
                              {"name": "version", "answer": "yes", "detail": "`/version` says 1.11.0"},
                              {"name": "registered", "answer": "cannot_tell", "detail": "the leader does not answer"}]}})
    };
    let nodes: Vec<Value> = members.iter().map(node).collect();
    let mut events = vec![
        json!({"at": ago(length), "kind": "deployment-created", "deployment": "d12", "text": "`alice` asked for Mesos 1.11.0"}),
    ];
    for place in done.saturating_sub(150)..done + restarting.min(20) {
        let one = |seconds: usize, kind: &str, text: &str| json!({"at": ago(seconds), "kind": kind, "deployment": "d12", "node": name(place), "text": text});
        events.push(one(since(place) + 12, "node-started", "is told to restart into generation 3"));
        if place == 7 {
            events.push(one(since(place), "node-failed", "Mesos ended 3 s after its start by signal 6"));
        } else if place < done {
            events.push(one(since(place), "node-confirmed", "is well on its new set"));
        }
    }
    events.sort_by_key(|event| event["at"].to_string());
    for (place, event) in events.iter_mut().enumerate() {
        event["number"] = json!(place + 1);
    }
    let past = json!({"id": "d11", "change": {"install": {"modules": ["fizzbuzz"], "configs": {}}}, "state": "done", "changed": true, "waves": [],
                      "nodes": [], "strategy": deployment["strategy"], "created_at": ago(90_000), "finished_at": ago(89_000)});
    Answers {
        deployments: json!({"deployments": [deployment, past]}).to_string(),
        deployment: deployment.to_string(),
        nodes: json!({ "nodes": nodes }).to_string(),
        halts: json!({"halts": []}).to_string(),
        events,
        who: json!({"principal": "alice", "role": "admin", "leads": true}),
        refusal: None,
    }
}
