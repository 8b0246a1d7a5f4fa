//! From a request for a deployment to a draft: every node that it may concern is asked what it has.

use std::sync::Arc;

use dcos_api::types::deploy::{
    Amount, CreateDeployment, Deployment, DeploymentPlan, PlannedNode, Strategy, Targets, plan_refused,
};
use dcos_core::Problem;
use dcos_core::attempt::AttemptReport;
use tokio::task::JoinSet;

use super::handle::DeployHandle;
use super::{Shared, because};
use crate::event::Order;
use crate::inventory::Listed;
use crate::plan::{Draft, Look, Observed, plan};
use crate::{catch_up, orders, registry, view};

impl DeployHandle {
    /// Drafts a deployment.
    pub(super) async fn draft(&self, request: &CreateDeployment) -> Result<Draft, Problem> {
        // Before the look: what ends while the nodes are asked may have changed those that have answered.
        let ended = self.read(|state, _| orders::ended(state)).await?;
        let draft = plan(request, &self.look(&request.targets).await?).map_err(plan_refused)?;
        let draft = Draft { ended, ..draft };
        if draft.nodes.iter().any(registry::goes_back) {
            let findings = registry::findings(&draft.nodes, &self.shared.inventory.demands().await);
            if !findings.is_empty() {
                return Err(plan_refused(findings));
            }
        }
        Ok(draft)
    }

    /// Asks the nodes that `targets` may mean, and all masters, what they have.
    async fn look(&self, targets: &Targets) -> Result<Vec<Observed>, Problem> {
        let mut asked = JoinSet::new();
        for (place, listed) in self.listed().await?.into_iter().enumerate() {
            let shared = Arc::clone(&self.shared);
            let meant = (targets.nodes.is_empty() || targets.nodes.contains(&listed.node))
                && (targets.roles.is_empty() || targets.roles.contains(&listed.role));
            asked.spawn(async move {
                // The semaphore is never closed.
                let _turn = shared.slow.acquire().await;
                (place, observe(&shared, listed, meant).await)
            });
        }
        let mut observed = asked.join_all().await;
        observed.sort_by_key(|(place, _)| *place);
        let mut cluster: Vec<Observed> = observed.into_iter().map(|(_, observed)| observed).collect();
        let group = |node: &Observed| node.look.as_ref().map_or_else(|_| String::new(), |look| look.group.clone());
        let nodes = cluster.iter().map(|node| (node.node.clone(), group(node))).collect();
        for (node, pinned) in cluster.iter_mut().zip(self.pinned(nodes).await?) {
            node.pinned = pinned;
        }
        Ok(cluster)
    }

    /// The draft as a plan, with what nodes that have everything already say of their restart.
    pub(super) async fn foreseen(&self, draft: Draft) -> DeploymentPlan {
        let mut plan = draft.to_plan();
        let allow_task_loss = plan.strategy.allow_task_loss;
        let mut asked = JoinSet::new();
        let nodes = std::mem::take(&mut plan.nodes).into_iter().zip(draft.nodes);
        for (place, (mut node, planned)) in nodes.enumerate() {
            let shared = Arc::clone(&self.shared);
            asked.spawn(async move {
                // Who keeps its set does not restart.
                if planned.left.is_none() && planned.fetch.is_empty() && planned.to != planned.from {
                    let _turn = shared.slow.acquire().await;
                    if let Err(trouble) = shared.client.foresee(&planned.url, &mut node, allow_task_loss).await {
                        node.detail = format!("it would refuse: {trouble}");
                    }
                }
                (place, node)
            });
        }
        let mut nodes: Vec<(usize, PlannedNode)> = asked.join_all().await;
        nodes.sort_by_key(|(place, _)| *place);
        plan.nodes = nodes.into_iter().map(|(_, node)| node).collect();
        plan
    }

    /// Deploys a finished deployment's change to nodes that were dead then.
    pub(super) async fn catch_up(&self, number: u64, nodes: Vec<String>) {
        let old = match self.read(move |state, now| view::deployment(state, number, now)).await {
            Ok(Some(old)) => old,
            Ok(None) | Err(_) => return,
        };
        let request = catch_up_request(old, nodes.clone());
        let again = match self.create(request, Some(format!("catch-up of d{number}"))).await {
            Ok(_) => false,
            Err(problem) => {
                let again = may_pass(&problem);
                // They show as drifting: `dcos slave list`.
                tracing::warn!(?nodes, again, problem = problem.detail, "nodes that came back were not caught up");
                again
            }
        };
        if let Err(problem) = self.order(Order::CaughtUp { deployment: number, nodes, again }, None).await {
            // The log still has them as late: whoever acts on it next goes on from that.
            tracing::debug!(problem = problem.detail, "nobody was told what came of a catch-up");
        }
    }
}

/// Whether what was in a catch-up's way may pass: only a plan that can't work is the last word.
fn may_pass(problem: &Problem) -> bool {
    problem.name() != "plan-refused" || problem.problems.iter().any(|finding| catch_up::may_pass(&finding.code))
}

/// What brings nodes that were dead during a deployment to where the others are.
pub(crate) fn catch_up_request(old: Deployment, nodes: Vec<String>) -> CreateDeployment {
    let strategy =
        Strategy { waves: vec![Amount::Percent(100)], exclude: Vec::new(), stage_only: false, ..old.strategy };
    let targets = Targets { nodes, ..Targets::default() };
    CreateDeployment { change: old.change, targets, strategy, dry_run: false }
}

async fn observe(shared: &Shared, listed: Listed, meant: bool) -> Observed {
    let look = match shared.client.state(&listed.url).await {
        Err(trouble) => Err(because(&trouble)),
        Ok(state) => {
            let available = match meant && listed.alive {
                false => Ok(Arc::default()),
                true => match shared.client.available(&listed.url).await {
                    Ok(available) => {
                        Ok(Arc::new(available.packages.into_iter().map(|package| package.pkginfo).collect()))
                    }
                    Err(trouble) => Err(because(&trouble)),
                },
            };
            let under_way = |report: &AttemptReport| !report.state.is_final();
            Ok(Look {
                group: state.group,
                active: state.active.map(|active| active.packages),
                local: state.packages.into_iter().collect(),
                available,
                busy: state.last_attempt.filter(under_way).map(|report| report.attempt),
            })
        }
    };
    let Listed { node, url, role, attributes, alive, host, .. } = listed;
    Observed { node, url, role, attributes, alive, host, pinned: None, look }
}
