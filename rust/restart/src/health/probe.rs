//! Asking the checks over HTTP: the Mesos of this host on its own port, and the leading master.

use std::time::{Duration, Instant};

use dcos_core::credentials::Credential;
use dcos_core::node::NodeConfig;
use serde_json::json;

use super::judge::{self, Listing};
use super::{Check, Finding, Prober, Question, Subject};
use crate::http::{Asked, Http, Silence};
use crate::outbox::{credential, credential_for, origin_of, redirect_of};

/// How long one question may take. Mesos on this host answers in milliseconds; a metrics snapshot may be made to wait
/// half a second, because Mesos hands out two in a second.
const DEADLINE: Duration = Duration::from_secs(2);

/// How long a metrics snapshot serves all checks.
const SNAPSHOT_LIFE: Duration = Duration::from_millis(600);

/// Asks over HTTP.
pub struct HttpProber {
    http: Http,
    node: NodeConfig,
    snapshot: Option<(Instant, Asked)>,
}

impl HttpProber {
    /// For the Mesos of `node`.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(node: &NodeConfig) -> Result<Self, Silence> {
        Ok(Self { http: Http::new(DEADLINE)?, node: node.clone(), snapshot: None })
    }

    /// Who we are to our own Mesos, where it asks for names. Read for each question: a helper outlives its node's secrets,
    /// and the Mesos that it has just started knows the new ones only.
    fn who(&self) -> Option<Credential> {
        credential(&self.node)
    }

    fn own(&self, path: &str) -> Asked {
        self.http.get(&format!("{}{path}", self.node.origin()), self.who().as_ref())
    }

    fn metrics(&mut self) -> Asked {
        if let Some((at, asked)) = &self.snapshot
            && at.elapsed() < SNAPSHOT_LIFE
            && asked.is_ok()
        {
            return asked.clone();
        }
        let asked = self.own("/metrics/snapshot");
        self.snapshot = Some((Instant::now(), asked.clone()));
        asked
    }

    /// Asks the masters in turn until one that leads says something of this agent.
    fn listing(&self, id: Option<&str>) -> Listing {
        let masters = masters(&self.node);
        let mut last = Listing::NotConfigured;
        let query = id.map(|id| format!("?slave_id={id}")).unwrap_or_default();
        let address = std::net::SocketAddr::new(self.node.mesos.ip, self.node.mesos.port).to_string();
        for master in masters {
            let ask = |origin: &str| {
                let who = credential_for(origin, &self.node);
                self.http.get(&format!("{origin}/master/slaves{query}"), who.as_ref())
            };
            let mut asked = ask(&master);
            if let Ok(reply) = &asked
                && reply.status == 307
                && let Some(leader) = reply.location.as_deref().and_then(|location| redirect_of(&master, location))
            {
                // Secrets go to masters that this node knows, so a master may name any leader.
                asked = ask(&leader);
            }
            last = judge::listing(&asked, id, &address);
            if !matches!(last, Listing::Nobody(_)) {
                break;
            }
        }
        last
    }
}

/// The masters that this node knows, by origin.
fn masters(node: &NodeConfig) -> Vec<String> {
    let own = node.mesos.master.as_ref().map(|master| format!("http://{master}"));
    let mut masters: Vec<String> = node.deploy.masters.iter().chain(&own).filter_map(|url| origin_of(url)).collect();
    masters.dedup();
    masters
}

impl Prober for HttpProber {
    fn ask(&mut self, check: &Check, subject: &Subject) -> Finding {
        match &check.question {
            Question::Version => judge::version(&self.own("/version"), &subject.mesos_version),
            Question::Recovered => judge::recovered(&self.metrics()),
            Question::Registered => {
                let now = self.agent_id();
                let listing = self.listing(now.as_deref());
                judge::registered(&self.metrics(), &listing, now.as_deref(), subject.agent_id.as_deref())
            }
            Question::Leading => {
                let metrics = self.metrics();
                let health = self.http.post(
                    &format!("{}/master/api/v1", self.node.origin()),
                    &json!({"type": "GET_HEALTH"}),
                    self.who().as_ref(),
                );
                judge::leading(&metrics, &health, &self.own("/master/slaves"), self.node.mesos.zk.is_none())
            }
            Question::Path(path) => judge::path(path, &self.own(path)),
        }
    }

    /// Mesos keeps a link to the newest agent's checkpoints, named by its id.
    fn agent_id(&mut self) -> Option<String> {
        let target = std::fs::read_link(self.node.mesos.work_dir.join("meta/slaves/latest")).ok()?;
        target.file_name().and_then(|name| name.to_str()).map(str::to_owned)
    }
}
