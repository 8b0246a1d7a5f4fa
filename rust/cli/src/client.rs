//! The operator's side of HTTP: JSON in and out, and every failure a [`Problem`] that says what to do.

use std::time::{Duration, Instant};

use dcos_core::problem::MEDIA_TYPE;
use dcos_core::{ExitCode, Problem};
use reqwest::{Method, Response, StatusCode, Url, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long a node may take to accept a connection. Nodes are near; a longer wait only hides that one is gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a node may take to answer: planning asks every node of the cluster.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Masters that send each other's clients around are broken; a leader is found by one step.
const MAX_REDIRECTS: usize = 4;

/// How long a master may be away because it is restarted, a rollback of its own included.
const RESTART_TIME: Duration = Duration::from_secs(60);

/// How often it is tried again meanwhile.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// The name of the problem that whoever answers knows none of our endpoints.
const NO_SUCH_ENDPOINT: &str = "no-such-endpoint";

/// Asks the endpoints of one cluster. A master that does not lead answers 307, which is followed.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
}

impl Client {
    /// A client of the master (or any node) at `url`, such as `http://10.0.0.1:5050`.
    ///
    /// # Errors
    /// If `url` is not an HTTP address.
    pub fn new(url: &str) -> Result<Self, Problem> {
        let parsed =
            Url::parse(url).ok().filter(|base| matches!(base.scheme(), "http" | "https") && base.host().is_some());
        let Some(base) = parsed else {
            return Err(Problem::new(ExitCode::Usage, "bad-url", format!("`{url}` is not the address of a master"))
                .hint("`http://HOST:PORT` is needed, such as `http://10.0.0.1:5050`"));
        };
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::limited(MAX_REDIRECTS))
            // A node is asked itself, whatever proxy the operator's machine uses for the rest of the world.
            .no_proxy()
            .build()
            .map_err(|error| Problem::new(ExitCode::Unexpected, "no-http-client", Problem::chain(&error)))?;
        Ok(Self { http, base })
    }

    /// The address that it asks, for messages.
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// `GET path`.
    ///
    /// # Errors
    /// The problem that was answered, or why there was no answer.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        self.call::<(), T>(Method::GET, path, None).await
    }

    /// `POST path` with a JSON body.
    ///
    /// # Errors
    /// The problem that was answered, or why there was no answer.
    pub async fn post<B: Serialize + Sync, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Problem> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// `POST path` until somebody answers, for as long as a master's restart may take: for orders that must not be lost
    /// because they came at a bad moment, and that may be given twice.
    ///
    /// # Errors
    /// As [`Client::post`], after that time.
    pub async fn post_until_answered<B, T>(&self, path: &str, body: &B) -> Result<T, Problem>
    where
        B: Serialize + Sync,
        T: DeserializeOwned,
    {
        let since = Instant::now();
        loop {
            match self.post(path, body).await {
                Err(problem) if Self::may_pass(&problem) && since.elapsed() < RESTART_TIME => {
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                answer => return answer,
            }
        }
    }

    /// Whether a master that is just being restarted would answer so: not at all, or as a Mesos that listens already and
    /// has not made its modules yet.
    pub fn may_pass(problem: &Problem) -> bool {
        problem.exit_code() == ExitCode::Unreachable || problem.name() == NO_SUCH_ENDPOINT
    }

    async fn call<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, Problem> {
        let address = format!("{}{path}", self.url());
        let mut request = self.http.request(method, &address);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&address, error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(refusal(&address, response).await);
        }
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&address, error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Problem::new(
                ExitCode::Unexpected,
                "unexpected-answer",
                format!("`{address}` answered something else: {error}"),
            )
            .hint("another release of dcos-bits may run there; `dcos --version` says which one this is")
        })
    }

    fn unreachable(&self, address: &str, error: reqwest::Error) -> Problem {
        // The address stands in our own sentence; reqwest would say it again.
        let error = error.without_url();
        let why = if error.is_timeout() { "it did not answer in time".to_owned() } else { innermost(&error) };
        Problem::new(ExitCode::Unreachable, "unreachable", format!("can't ask `{address}`: {why}"))
            .hint(format!("`{}` is what `--url` or `DCOS_URL` names: any master of the cluster will do", self.url()))
    }
}

/// The last cause: the layers of an HTTP client around it say only that they are layers.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The problem in an answer that is no success, whoever gave it: our router, libprocess, or something in between.
async fn refusal(address: &str, response: Response) -> Problem {
    let status = response.status();
    let is_problem = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with(MEDIA_TYPE));
    let bytes = response.bytes().await.unwrap_or_default();
    if is_problem && let Ok(problem) = serde_json::from_slice(&bytes) {
        return problem;
    }
    let code = ExitCode::from_http_status(status.as_u16());
    let problem = Problem::new(code, NO_SUCH_ENDPOINT, format!("`{address}` answered {status}"));
    if status == StatusCode::NOT_FOUND {
        return problem.hint("our module is not loaded there: is it a Mesos with dcos-bits in its set?");
    }
    problem
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::Client;
    use dcos_core::ExitCode;

    #[test]
    fn an_address_without_a_scheme_is_refused() {
        for url in ["10.0.0.1:5050", "master", "ftp://master", ""] {
            assert_eq!(Client::new(url).unwrap_err().exit_code(), ExitCode::Usage, "{url}");
        }
        assert_eq!(Client::new("http://10.0.0.1:5050/").unwrap().url(), "http://10.0.0.1:5050");
    }

    #[tokio::test]
    async fn nobody_there_is_said_with_the_address_once() {
        // The port was free a moment ago, and nobody listens on it.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = Client::new(&format!("http://127.0.0.1:{port}")).unwrap();
        let problem = client.get::<()>("/deploy/nodes").await.unwrap_err();
        assert_eq!(problem.exit_code(), ExitCode::Unreachable);
        assert_eq!(problem.detail.matches("127.0.0.1").count(), 1, "{}", problem.detail);
        assert_eq!(problem.hints.len(), 1);
    }
}
