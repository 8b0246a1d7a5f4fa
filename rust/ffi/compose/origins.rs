//! Where a node may be told to call back: its masters, and what its configuration names besides. A caller must not be able
//! to have this node, and its credentials, talk to whomever they like.

use dcos_core::node::DeployFacts;
use dcos_core::{ExitCode, Problem};
use reqwest::Url;

/// The origins that may be called.
#[derive(Clone, Debug)]
pub(super) struct Origins(Vec<String>);

impl Origins {
    /// Those that a node's configuration names.
    pub(super) fn of(deploy: &DeployFacts) -> Self {
        let named = deploy.masters.iter().chain(&deploy.allowed_origins);
        Self(named.filter_map(|origin| Url::parse(origin).ok()).map(|url| origin(&url)).collect())
    }

    /// Whether `callback` may be called. The worker looks again before it calls.
    pub(super) fn check(&self, callback: &str) -> Result<(), Problem> {
        let url = Url::parse(callback).map_err(|error| {
            let detail = format!("the callback `{callback}` is no address: {error}");
            Problem::new(ExitCode::Refused, "invalid-request", detail)
        })?;
        if matches!(url.scheme(), "http" | "https") && self.0.contains(&origin(&url)) {
            return Ok(());
        }
        let detail = format!("the callback `{callback}` is at an origin that this node's configuration does not name");
        let refused = Problem::new(ExitCode::Refused, "origin-not-allowed", detail);
        Err(refused.hint("add it to `deploy.allowed_origins` of `node.toml`"))
    }
}

/// Scheme, host and port, with the scheme's own port filled in.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::Origins;
    use dcos_core::node::DeployFacts;

    #[test]
    fn only_configured_origins_may_be_called() {
        let origins = Origins::of(&DeployFacts {
            masters: vec!["http://10.0.0.1:5050".to_owned(), "not an address".to_owned()],
            allowed_origins: vec!["https://ci.example.org/".to_owned(), "file:///tmp".to_owned()],
            ..DeployFacts::default()
        });
        for callback in ["http://10.0.0.1:5050/done", "https://ci.example.org:443/hook?job=1"] {
            assert_eq!(origins.check(callback), Ok(()));
        }
        for callback in [
            "https://10.0.0.1:5050/done",
            "http://10.0.0.1/done",
            "http://10.0.0.1:5050@evil.example/",
            "https://ci.example.org.evil.example/",
            "file:///etc/passwd",
            "data:,x",
        ] {
            assert_eq!(
                origins.check(callback).map_err(|it| it.name().to_owned()),
                Err("origin-not-allowed".to_owned())
            );
        }
        assert_eq!(origins.check("10.0.0.1").map_err(|it| it.name().to_owned()), Err("invalid-request".to_owned()));
    }
}
