//! Telling whoever asked for a job that it is over, so that they need not poll.

use std::time::Duration;

use dcos_api::types::pkg;
use dcos_core::Problem;
use dcos_core::job::Job;
use dcos_core::node::DeployFacts;
use dcos_repo::backoff::Retry;
use dcos_repo::credentials::Credentials;
use reqwest::Url;

/// A call that is lost only costs its receiver a poll, so a minute of trying is enough.
const RETRY: Retry = Retry { attempts: 7, first_delay: Duration::from_secs(1), longest_delay: Duration::from_secs(15) };

/// How long the receiver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Posts the finished `job` to its callback, if it has one. The job is over either way, so a failure is only logged.
///
/// Only origins that the node's configuration names are called, and no redirect leads anywhere else: a caller can't use
/// this node, and its credentials, to talk to whomever they like.
pub(super) async fn tell(deploy: &DeployFacts, job: Job) {
    let Some(callback) = job.callback.clone() else { return };
    let Some(url) = allowed(deploy, &callback) else {
        tracing::warn!(
            callback,
            "not called: its origin is neither in `deploy.masters` nor in `deploy.allowed_origins`"
        );
        return;
    };
    if let Err(error) = post(deploy, url, &pkg::Job::from(job)).await {
        tracing::warn!(callback, "could not tell the end of the job: {}", Problem::chain(error.as_ref()));
    }
}

/// The URL of `callback`, if its origin is one of those configured.
fn allowed(deploy: &DeployFacts, callback: &str) -> Option<Url> {
    let url = Url::parse(callback).ok()?;
    let mut origins = deploy.masters.iter().chain(&deploy.allowed_origins).filter_map(|origin| Url::parse(origin).ok());
    origins.any(|origin| origin.origin() == url.origin()).then_some(url)
}

async fn post(deploy: &DeployFacts, url: Url, job: &pkg::Job) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let credentials = deploy.credentials.as_deref().map(Credentials::read).transpose()?;
    let http = dcos_repo::client::built(|| {
        reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).no_proxy()
    })?;
    let mut failures = 0;
    loop {
        let mut request = http.post(url.clone()).json(job);
        if let Some(credentials) = &credentials {
            request = request.basic_auth(&credentials.principal, Some(&credentials.secret));
        }
        let error = match request.send().await.and_then(reqwest::Response::error_for_status) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        // A receiver that answers "no" does not change its mind.
        if error.status().is_some_and(|status| status.is_client_error()) {
            return Err(error.into());
        }
        failures += 1;
        match RETRY.delay(failures, None) {
            Some(delay) => tokio::time::sleep(delay).await,
            None => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::allowed;
    use dcos_core::node::DeployFacts;

    #[test]
    fn only_configured_origins_are_called() {
        let deploy = DeployFacts {
            masters: vec!["http://10.0.0.1:5050".to_owned()],
            allowed_origins: vec!["https://ci.example.org/".to_owned()],
            ..DeployFacts::default()
        };
        for (callback, is_allowed) in [
            ("http://10.0.0.1:5050/deploy/status", true),
            ("https://ci.example.org/hook?job=1", true),
            ("https://10.0.0.1:5050/deploy/status", false),
            ("http://10.0.0.1:5051/deploy/status", false),
            ("http://10.0.0.1:5050@evil.example/", false),
            ("https://ci.example.org.evil.example/", false),
            ("not a url", false),
        ] {
            assert_eq!(allowed(&deploy, callback).is_some(), is_allowed, "{callback}");
        }
    }
}
