//! The controller's shell over real HTTP against fake nodes: servers in this process that keep the node protocol and
//! restart nothing. What real nodes do is tested elsewhere; here it is the client, the log, and the controller's own end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fake;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dcos_api::types::deploy::{
    ClusterNode, CreateDeployment, Deployment, DeploymentCommand, DeploymentState, HaltRequest, NodeState,
    ResumeRequest,
};
use dcos_core::attempt::{AttemptState, Ping};
use dcos_deploy::{Created, DeployHandle, MemoryStore, StateStore, StoreError, start};
use fake::{Behaviour, Cluster};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn upgrade() -> CreateDeployment {
    serde_json::from_str(r#"{"change":{"upgrade":{"mesos":"1.11.0"}}}"#).unwrap()
}

async fn create(handle: &DeployHandle, request: CreateDeployment) -> Deployment {
    match handle.create(request, Some("alice".to_owned())).await.unwrap() {
        Created::Deployment(deployment) => deployment,
        Created::Plan(plan) => panic!("a plan: {plan:?}"),
    }
}

/// Waits until the deployment is as it should be.
async fn until(handle: &DeployHandle, what: &str, is_so: impl Fn(&Deployment) -> bool) -> Deployment {
    let waiting = async {
        loop {
            let deployment = handle.get("d1").await.unwrap();
            if is_so(&deployment) {
                return deployment;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(deployment) => deployment,
        Err(_) => panic!("never {what}: {:#?}", handle.get("d1").await),
    }
}

/// Waits until the controller knows its agents.
async fn ready(handle: &DeployHandle, nodes: usize) {
    while handle.nodes().await.map_or(0, |listed| listed.nodes.len()) < nodes {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn state_of(deployment: &Deployment, node: &str) -> NodeState {
    deployment.nodes.iter().find(|it| it.node == node).unwrap().state
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_goes_over_the_cluster() {
    let cluster = Cluster::start(3).await;
    let handle = start(&cluster.config(), Box::new(MemoryStore::default())).unwrap();
    ready(&handle, 4).await;

    let plan = match handle.create(CreateDeployment { dry_run: true, ..upgrade() }, None).await.unwrap() {
        Created::Plan(plan) => plan,
        Created::Deployment(deployment) => panic!("a dry run that is meant: {deployment:?}"),
    };
    assert_eq!(plan.waves.len(), 3, "the master, a canary, the others");
    assert!(cluster.log().is_empty(), "a dry run asks nobody to do anything: {:?}", cluster.log());

    create(&handle, upgrade()).await;
    let deployment = until(&handle, "over", |it| it.state.is_final()).await;
    assert_eq!((deployment.state, deployment.reason.as_str()), (DeploymentState::Done, "4 nodes have the new set"));
    assert!(deployment.changed);
    assert_eq!(deployment.created_by.as_deref(), Some("alice"));
    let order: Vec<String> = cluster.log().into_iter().filter(|line| line.contains(" go ")).collect();
    let expected: Vec<String> =
        plan.waves.concat().iter().zip(0..).map(|(node, index)| format!("{node} go d1-{index}-1")).collect();
    assert_eq!(order, expected);
    let fetches = cluster.log().iter().position(|line| line.contains(" go ")).unwrap();
    assert_eq!(cluster.log()[..fetches].iter().filter(|line| line.contains(" fetch ")).count(), 4, "fetch comes first");

    let nodes = handle.nodes().await.unwrap().nodes;
    assert!(nodes.iter().all(|node| node.reachable && !node.drift && node.desired == node.set), "{nodes:#?}");
    assert_eq!(nodes[1].mesos_version.as_deref(), Some("1.11.0"));
    let events = handle.events(0).await.unwrap();
    assert_eq!(events.events.iter().filter(|event| event.kind == "node-confirmed").count(), 4);
    assert!(handle.events(events.next).await.unwrap().events.is_empty());

    create(&handle, upgrade()).await;
    let again = handle.get("d2").await.unwrap();
    assert_eq!((again.state, again.changed), (DeploymentState::Done, false), "{}", again.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_refuses_the_set_refuses_the_deployment_before_any_restart() {
    let cluster = Cluster::start(2).await;
    cluster.behave(2, Behaviour::RefusesSet);
    let handle = start(&cluster.config(), Box::new(MemoryStore::default())).unwrap();
    ready(&handle, 3).await;
    create(&handle, upgrade()).await;
    let deployment = until(&handle, "over", |it| it.state.is_final()).await;
    assert_eq!((deployment.state, deployment.changed), (DeploymentState::Failed, false));
    let why = "`dcos-bits--0.1.0+mesos1.11.0` was built for 1.10.0";
    assert!(deployment.reason.contains(why) && deployment.reason.contains(&cluster.name(2)), "{}", deployment.reason);
    let refused = deployment.nodes.iter().find(|node| node.node == cluster.name(2)).unwrap();
    assert!(refused.detail.contains(why), "{refused:?}");
    assert!(!cluster.log().iter().any(|line| line.contains(" begin ")), "{:?}", cluster.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_falls_back_stops_the_deployment() {
    let cluster = Cluster::start(3).await;
    let handle = start(&cluster.config(), Box::new(MemoryStore::default())).unwrap();
    ready(&handle, 4).await;
    let first = cluster.agents_in_order()[0].clone();
    cluster.behave(cluster.place(&first), Behaviour::FallsBack);
    create(&handle, upgrade()).await;
    let deployment = until(&handle, "over", |it| it.state.is_final()).await;
    assert_eq!(deployment.state, DeploymentState::Failed);
    for part in
        ["the canary failed", first.as_str(), "check `alive` said no", "its log ends: starting | Aborted at main"]
    {
        assert!(deployment.reason.contains(part), "{part}: {}", deployment.reason);
    }
    assert_eq!(state_of(&deployment, &first), NodeState::RolledBack);
    let starts = cluster.log().iter().filter(|line| line.contains(" go ")).count();
    assert_eq!(starts, 2, "the master and the canary: {:?}", cluster.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controller_goes_on_after_its_own_restart() {
    let cluster = Cluster::start(2).await;
    cluster.behave(0, Behaviour::Hangs);
    let store = MemoryStore::default();
    let handle = start(&cluster.config(), Box::new(store.clone())).unwrap();
    ready(&handle, 3).await;
    create(&handle, upgrade()).await;
    // The master that hosts the controller restarts: the controller dies with it.
    until(&handle, "restarting", |it| state_of(it, &cluster.name(0)) == NodeState::Restarting && it.changed).await;
    drop(handle);

    let handle = start(&cluster.config(), Box::new(store)).unwrap();
    let deployment = handle.get("d1").await.unwrap();
    assert_eq!(state_of(&deployment, &cluster.name(0)), NodeState::Restarting, "it is known again");
    cluster.behave(0, Behaviour::Good);
    let deployment = until(&handle, "over", |it| it.state.is_final()).await;
    assert_eq!(deployment.state, DeploymentState::Done, "{}", deployment.reason);
    let begun = cluster.log().iter().filter(|line| line.contains(" begin d1-0-")).count();
    assert_eq!(begun, 1, "the master was found again by its attempt: {:?}", cluster.log());
    let terms = cluster.terms();
    assert!(terms.first() < terms.last(), "the term rises with every controller: {terms:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_dead_is_caught_up_when_it_is_back() {
    let cluster = Cluster::start(2).await;
    cluster.register(2, false);
    let handle = start(&cluster.config(), Box::new(MemoryStore::default())).unwrap();
    ready(&handle, 3).await;
    create(&handle, upgrade()).await;
    let deployment = until(&handle, "over", |it| it.state.is_final()).await;
    assert_eq!(deployment.reason, "2 nodes have the new set, 1 was dead and will be caught up");
    assert_eq!(state_of(&deployment, &cluster.name(2)), NodeState::Skipped);
    let drifts = |nodes: Vec<ClusterNode>| nodes.into_iter().filter(|node| node.drift).map(|node| node.node);
    let drifting: Vec<String> = drifts(handle.nodes().await.unwrap().nodes).collect();
    assert_eq!(drifting, [cluster.name(2)], "until then it has not what its group should have");

    cluster.register(2, true);
    let caught_up = async {
        loop {
            match handle.get("d2").await {
                Ok(deployment) if deployment.state.is_final() => return deployment,
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let deployment = tokio::time::timeout(PATIENCE, caught_up).await.unwrap();
    assert_eq!(deployment.created_by.as_deref(), Some("catch-up of d1"));
    assert_eq!((deployment.state, deployment.waves), (DeploymentState::Done, vec![vec![cluster.name(2)]]));
    assert_eq!(drifts(handle.nodes().await.unwrap().nodes).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_holds_once_it_is_acknowledged_and_only_its_id_clears_it() {
    let cluster = Cluster::start(3).await;
    let store = MemoryStore::default();
    let handle = start(&cluster.config(), Box::new(store.clone())).unwrap();
    ready(&handle, 4).await;
    cluster.slow_go(Duration::from_millis(800));
    create(&handle, upgrade()).await;
    cluster.wait_for(" go ").await;
    let halt = handle.halt(HaltRequest { reason: "p99 is up".to_owned() }, Some("monitor".to_owned())).await.unwrap();
    assert!(cluster.log().iter().any(|line| line.contains(" went ")), "the halt waits for the `go` under way");
    let deployment = until(&handle, "settled", |it| state_of(it, &cluster.name(0)) == NodeState::Confirmed).await;
    assert_eq!(deployment.state, DeploymentState::Halted);
    let waiting = deployment.nodes.iter().find(|node| node.state == NodeState::Fetched).unwrap();
    assert_eq!(waiting.detail, "waits for halt `h1` to be cleared: p99 is up");
    drop(handle);

    let handle = start(&cluster.config(), Box::new(store)).unwrap();
    ready(&handle, 4).await;
    assert_eq!(handle.halts().await.unwrap().halts, [halt]);
    let wrong = ResumeRequest { halt_id: "h2".to_owned(), note: String::new() };
    assert_eq!(handle.resume(wrong, None).await.unwrap_err().name(), "no-such-halt");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(cluster.log().iter().filter(|line| line.contains(" go ")).count(), 1, "nothing starts while it stands");
    let right = ResumeRequest { halt_id: "h1".to_owned(), note: "fixed".to_owned() };
    assert!(handle.resume(right, Some("root".to_owned())).await.unwrap().halts.is_empty());
    let deployment = until(&handle, "over", |it| it.state.is_final()).await;
    assert_eq!(deployment.state, DeploymentState::Done, "{}", deployment.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_and_pings_that_make_no_sense_are_refused() {
    let cluster = Cluster::start(1).await;
    cluster.behave(0, Behaviour::Hangs);
    let handle = start(&cluster.config(), Box::new(MemoryStore::default())).unwrap();
    ready(&handle, 2).await;
    create(&handle, upgrade()).await;
    until(&handle, "restarting", |it| it.changed).await;
    let problem = handle.create(upgrade(), None).await.unwrap_err();
    assert!(["plan-refused", "deployment-running"].contains(&problem.name()), "{problem:?}");
    for id in ["d2", "1", "", "d", "d-1", "d1x"] {
        assert_eq!(handle.get(id).await.unwrap_err().name(), "no-such-deployment", "{id}");
        let problem = handle.command(id, DeploymentCommand::Abort, None).await.unwrap_err();
        assert_eq!((problem.name(), problem.status), ("no-such-deployment", 404), "{id}");
    }
    let problem = handle.command("d1", DeploymentCommand::Retry, None).await.unwrap_err();
    assert_eq!((problem.name(), problem.status), ("not-now", 409));
    let ping = |attempt: &str, node: &str| Ping {
        protocol: 1,
        node: node.to_owned(),
        attempt: attempt.to_owned(),
        sequence: 7,
        state: AttemptState::Confirmed,
        detail: String::new(),
        time: "2026-11-22T15:00:00Z".parse().unwrap(),
        status_port: None,
    };
    let name = cluster.name(0);
    assert_eq!(handle.ping(ping("d1-0-1", &name)).await.unwrap().acknowledged, 7);
    for (attempt, node) in [("d1-0-1", "stranger:5051"), ("d1-0-2", &name), ("d9-0-1", &name), ("by-hand", &name)] {
        assert_eq!(handle.ping(ping(attempt, node)).await.unwrap_err().name(), "no-such-attempt", "{attempt}");
    }
    assert_eq!(state_of(&handle.get("d1").await.unwrap(), &name), NodeState::Restarting, "a ping is not believed");
}

/// A store whose disk fills up.
#[derive(Clone, Default)]
struct FullDisk {
    kept: MemoryStore,
    is_full: Arc<Mutex<bool>>,
}

impl StateStore for FullDisk {
    fn load(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.kept.load()
    }

    fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        if *self.is_full.lock().unwrap() {
            return Err(StoreError::Failed("no space left on device".into()));
        }
        self.kept.append(record)
    }

    fn replace(&mut self, records: &[Vec<u8>]) -> Result<(), StoreError> {
        self.kept.replace(records)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_written_down_is_not_done() {
    let cluster = Cluster::start(1).await;
    let store = FullDisk::default();
    let handle = start(&cluster.config(), Box::new(store.clone())).unwrap();
    ready(&handle, 2).await;
    *store.is_full.lock().unwrap() = true;
    let problem = handle.create(upgrade(), None).await.unwrap_err();
    assert_eq!(problem.name(), "deploy-log");
    assert!(problem.detail.contains("no space left on device"), "{problem}");
    assert_eq!(handle.halt(HaltRequest { reason: "x".to_owned() }, None).await.unwrap_err().name(), "deploy-log");
    assert!(cluster.log().is_empty(), "{:?}", cluster.log());
    *store.is_full.lock().unwrap() = false;
    let works_again = async { while handle.list().await.is_err() {} };
    tokio::time::timeout(PATIENCE, works_again).await.unwrap();
    assert!(handle.list().await.unwrap().deployments.is_empty());
}

/// Writes a file that only its owner can read.
#[expect(clippy::disallowed_methods, reason = "a file of a test")]
fn closed(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_asked_for_others_by_the_controllers_name_and_strangers_are_not() {
    let cluster = Cluster::start(1).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    closed(&file, "controller secret");
    let (agent, no_package) = (cluster.name(1), "mesos--9".parse().unwrap());
    let mut config = cluster.config();
    config.deploy.credentials = Some(file);

    let handle = start(&config, Box::new(MemoryStore::default())).unwrap();
    ready(&handle, 2).await;
    let problem = handle.node_available(&agent).await.unwrap_err();
    assert_eq!((problem.name(), problem.status), ("node-untrusted", 422), "it has just registered, from anywhere");
    assert_eq!(handle.node_package(&agent, &no_package).await.unwrap_err().name(), "node-untrusted");
    assert_eq!(handle.node_available("10.0.0.7:5051").await.unwrap_err().name(), "no-such-node");
    assert!(cluster.shown().is_empty());

    config.deploy.networks = vec!["127.0.0.0/8".parse().unwrap()];
    let handle = start(&config, Box::new(MemoryStore::default())).unwrap();
    ready(&handle, 2).await;
    assert_eq!(handle.node_available(&agent).await.unwrap().packages.len(), 2);
    assert_eq!(cluster.shown(), [true]);
    let problem = handle.node_package(&agent, &no_package).await.unwrap_err();
    assert_eq!((problem.name(), problem.status), ("not-local", 404), "{problem}");

    // Where nobody has a name, everybody is asked.
    config.deploy.credentials = None;
    config.deploy.networks.clear();
    let handle = start(&config, Box::new(MemoryStore::default())).unwrap();
    ready(&handle, 2).await;
    assert_eq!(handle.node_available(&agent).await.unwrap().packages.len(), 2);
    assert_eq!(cluster.shown(), [true, false]);
}
