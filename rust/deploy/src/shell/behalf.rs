//! Questions that the controller asks of a node for somebody else.
//!
//! An operator's program needs to know what a node has and what its repositories offer. It does not ask the node itself:
//! whoever registers with a master is listed as a node, at whatever address it names, and would be shown the operator's
//! secret. The controller asks, and shows its own where the configuration says so ([`crate::trust`]).

use dcos_api::types::pkg::{AvailablePackages, PackageDetail};
use dcos_core::{ExitCode, PackageId, Problem};

use super::handle::DeployHandle;
use super::{because, unavailable};
use crate::event::Trouble;

/// What to do about an address that nothing vouches for.
const NETWORKS: &str = "`deploy.networks` of the masters' `node.toml` says where agents are";

impl DeployHandle {
    /// What the repositories of a node offer.
    ///
    /// # Errors
    /// `no-such-node`, `node-untrusted`, `node-silent`, `node-refuses`, or that the master does not list its agents.
    pub async fn node_available(&self, node: &str) -> Result<AvailablePackages, Problem> {
        let url = self.address(node).await?;
        // The semaphore is never closed.
        let _turn = self.shared.slow.acquire().await;
        self.shared.client.available(&url).await.map_err(|trouble| told(node, trouble))
    }

    /// A package on a node.
    ///
    /// # Errors
    /// As [`Self::node_available`], and `not-local` if the node does not have it.
    pub async fn node_package(&self, node: &str, id: &PackageId) -> Result<PackageDetail, Problem> {
        let url = self.address(node).await?;
        let _turn = self.shared.slow.acquire().await;
        self.shared.client.package(&url, id).await.map_err(|trouble| told(node, trouble))
    }

    /// Where a node of the cluster is asked. Nothing else is: who names an address here leads the controller nowhere.
    async fn address(&self, node: &str) -> Result<String, Problem> {
        let listed = self.listed().await?;
        let Some(found) = listed.into_iter().find(|listed| listed.node == node) else {
            let detail = format!("the cluster has no node `{node}`");
            return Err(
                Problem::new(ExitCode::NotFound, "no-such-node", detail).hint("list them with `dcos deploy nodes`")
            );
        };
        if !self.shared.client.vouches_for(&found.url) {
            let detail =
                format!("{node} is not asked: nothing says that the agent at {} is one of this cluster", found.url);
            return Err(Problem::new(ExitCode::Refused, "node-untrusted", detail).hint(NETWORKS));
        }
        Ok(found.url)
    }
}

/// A node's trouble as an answer of this master. What the node says of our name is no word about our caller's.
fn told(node: &str, trouble: Trouble) -> Problem {
    let text = format!("can't ask {node}: {}", because(&trouble));
    match trouble {
        Trouble::Unreachable(_) => unavailable("node-silent", text),
        Trouble::Refused(problem) if problem.status == 404 => Problem::new(ExitCode::NotFound, "not-local", text),
        Trouble::Refused(problem) => {
            let refused = unavailable("node-refuses", text);
            match problem.status {
                401 | 403 => refused
                    .hint("the name in `deploy.credentials` of the masters needs the role `operator` in that node's `node.toml`")
                    .hint("the node's Mesos must know that name with the same secret: `http_credentials` of its flags"),
                _ => refused,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dcos_core::{ExitCode, Problem};

    use super::told;
    use crate::event::Trouble;

    #[test]
    fn what_a_node_says_of_our_name_is_no_word_about_the_callers() {
        let refused = |status| {
            let problem = Problem::new(ExitCode::Refused, "forbidden", "the role `reader` is needed");
            told("a:1", Trouble::Refused(Problem { status, ..problem }))
        };
        for (status, answered, name, hints) in [
            (401, 503, "node-refuses", 2),
            (403, 503, "node-refuses", 2),
            (404, 404, "not-local", 0),
            (422, 503, "node-refuses", 0),
        ] {
            let problem = refused(status);
            assert_eq!((problem.status, problem.name(), problem.hints.len()), (answered, name, hints), "{status}");
            assert_eq!(problem.detail, "can't ask a:1: the role `reader` is needed");
        }
        let silent = told("a:1", Trouble::Unreachable("no answer in time".to_owned()));
        assert_eq!((silent.status, silent.name()), (503, "node-silent"));
    }
}
