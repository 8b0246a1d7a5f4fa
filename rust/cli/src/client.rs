//! The operator's side of HTTP: JSON in and out, and every failure a [`Problem`] that says what to do.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use dcos_core::credentials::Credential;
use dcos_core::problem::MEDIA_TYPE;
use dcos_core::{ExitCode, Problem};
use reqwest::{Method, Response, StatusCode, Url, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::output::say;

/// How long a node may take to accept a connection. Nodes are near; a longer wait only hides that one is gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a node may take to answer: planning asks every node of the cluster.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Masters that send each other's clients around are broken; a leader is found by one step.
const MAX_REDIRECTS: usize = 4;

/// How long a master may be away because it is restarted, a rollback of its own included.
const RESTART_TIME: Duration = Duration::from_secs(60);

/// How long masters may need to agree on who leads: more than the time after which ZooKeeper gives up a dead one.
const ELECTION_TIME: Duration = Duration::from_secs(30);

/// How often it is tried again meanwhile.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// How long nobody may answer whoever waits for a deployment: longer than a master's restart with its rollback.
const PATIENCE: Duration = Duration::from_secs(120);

/// The name of the problem that whoever answers knows none of our endpoints.
const NO_SUCH_ENDPOINT: &str = "no-such-endpoint";

/// The name of the problem that one master sends to another by.
const NOT_LEADING: &str = "not-leading";

/// The name of the problem that no master is known to lead.
const NO_LEADER: &str = "no-leader";

/// Who an operator is, and whose servers are believed.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The name and secret to call with.
    pub credential: Option<Credential>,
    /// The certificate authority of the servers, PEM, where it is not one that everybody knows.
    pub ca: Option<Vec<u8>>,
}

/// Why a call came to nothing.
enum Failure {
    /// The masters have no leader just now, so nobody has begun what was asked for.
    Leaderless(Problem),
    Other(Problem),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        if matches!(problem.name(), NO_LEADER | NOT_LEADING) { Self::Leaderless(problem) } else { Self::Other(problem) }
    }
}

/// Asks the masters of one cluster, and nobody else: there is no way to another address, since a list of nodes has whatever
/// address somebody registered by. What a node knows, the controller asks it ([`on_node`]). A master that does not lead answers 307, which is followed; credentials go along:
/// whom the operator named is believed about who leads, as about everything else.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    /// How long a command that waits goes on without an answer.
    patience: Duration,
    credential: Option<Credential>,
    /// How long it waits while masters agree on who leads.
    election_time: Duration,
}

/// The path at which the masters answer what the node of that name answers at `path`.
pub fn on_node(node: &str, path: &str) -> String {
    // A name is what somebody registered by, too: it stays one segment, whatever is in it.
    let mut name = String::new();
    for byte in node.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b':' | b'-' | b'_' => name.push(char::from(byte)),
            _ => {
                // Writing to a string can't fail.
                let _ = write!(name, "%{byte:02X}");
            }
        }
    }
    format!("/deploy/nodes/{name}{path}")
}

impl Client {
    /// A client of the master at `url`, such as `http://10.0.0.1:5050`.
    ///
    /// # Errors
    /// If `url` is not an HTTP address.
    pub fn new(url: &str) -> Result<Self, Problem> {
        Self::of(url, &Access::default())
    }

    /// A client that says who it is.
    ///
    /// # Errors
    /// If `url` is not an HTTP address, or the certificate authority can't be read.
    pub fn of(url: &str, access: &Access) -> Result<Self, Problem> {
        let parsed =
            Url::parse(url).ok().filter(|base| matches!(base.scheme(), "http" | "https") && base.host().is_some());
        let Some(base) = parsed else {
            return Err(Problem::new(ExitCode::Usage, "bad-url", format!("`{url}` is not the address of a master"))
                .hint("`http://HOST:PORT` is needed, such as `http://10.0.0.1:5050`"));
        };
        let builder = || {
            reqwest::Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(ANSWER_TIMEOUT)
                // Followed by ourselves: a library's client leaves the credentials behind.
                .redirect(reqwest::redirect::Policy::none())
                // A node is asked itself, whatever proxy the operator's machine uses for the rest of the world.
                .no_proxy()
        };
        let http = if let Some(ca) = &access.ca {
            let certificate = reqwest::Certificate::from_pem(ca).map_err(|error| {
                let detail = format!("the certificate authority can't be read: {}", Problem::chain(&error));
                Problem::new(ExitCode::Usage, "bad-ca", detail).hint("`--ca` or `DCOS_CA` names a file in PEM")
            })?;
            builder().tls_certs_only([certificate]).build()
        } else {
            dcos_repo::client::built(builder)
        };
        let http =
            http.map_err(|error| Problem::new(ExitCode::Unexpected, "no-http-client", Problem::chain(&error)))?;
        Ok(Self { http, base, patience: PATIENCE, credential: access.credential.clone(), election_time: ELECTION_TIME })
    }

    /// The same client, where a command that waits goes on for `patience` without an answer.
    #[must_use]
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// How long a command that waits goes on without an answer.
    pub const fn patience(&self) -> Duration {
        self.patience
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

    /// `DELETE path`.
    ///
    /// # Errors
    /// The problem that was answered, or why there was no answer.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        self.call::<(), T>(Method::DELETE, path, None).await
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
        let mut told = false;
        loop {
            match self.post(path, body).await {
                Err(problem) if Self::may_pass(&problem) && since.elapsed() < RESTART_TIME => {
                    if !told {
                        say(&format!("{}; asking again for up to {} s", problem.detail, RESTART_TIME.as_secs()));
                        told = true;
                    }
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                answer => return answer,
            }
        }
    }

    /// Whether masters would answer so while one of them is just being restarted: not at all, as a Mesos that listens
    /// already and has not made its modules yet, or by sending us to each other, each with an older view of who leads.
    pub fn may_pass(problem: &Problem) -> bool {
        problem.exit_code() == ExitCode::Unreachable || matches!(problem.name(), NO_SUCH_ENDPOINT | NOT_LEADING)
    }

    /// Asks, and asks again while masters elect a leader: whatever was asked for has not been begun then, so that no order
    /// is given twice.
    async fn call<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, Problem> {
        let since = Instant::now();
        let mut told = false;
        loop {
            match self.call_once(method.clone(), path, body).await {
                Err(Failure::Leaderless(problem)) if since.elapsed() < self.election_time => {
                    if !told {
                        say(&format!("{}; asking again for up to {} s", problem.detail, self.election_time.as_secs()));
                        told = true;
                    }
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                Err(Failure::Leaderless(problem) | Failure::Other(problem)) => return Err(problem),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    async fn call_once<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, Failure> {
        let mut address = format!("{}{path}", self.url());
        let mut redirects = 0;
        let response = loop {
            let mut request = self.http.request(method.clone(), &address);
            if let Some(Credential { principal, secret }) = &self.credential {
                request = request.basic_auth(principal, Some(secret));
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await.map_err(|error| {
                let is_gone = redirects > 0 && error.is_connect();
                let problem = self.unreachable(&address, error);
                // The master that sent us there has not heard yet that this one is dead.
                if is_gone { Failure::Leaderless(problem) } else { Failure::Other(problem) }
            })?;
            match self.redirect(&response).filter(|_| redirects < MAX_REDIRECTS) {
                Some(next) => address = next,
                None => break response,
            }
            redirects += 1;
        };
        let status = response.status();
        if !status.is_success() {
            return Err(refusal(&address, response).await.into());
        }
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&address, error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let problem = Problem::new(
                ExitCode::Unexpected,
                "unexpected-answer",
                format!("`{address}` answered something else: {error}"),
            )
            .hint("another release of dcos-bits may run there; `dcos --version` says which one this is");
            Failure::Other(problem)
        })
    }

    /// Where an answer sends us, if that is as safe as where it came from.
    fn redirect(&self, response: &Response) -> Option<String> {
        if response.status() != StatusCode::TEMPORARY_REDIRECT {
            return None;
        }
        let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
        let next = response.url().join(location).ok()?;
        (next.scheme() == self.base.scheme()).then(|| next.to_string())
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
    use super::{Access, Client, Duration, on_node};
    use dcos_core::credentials::Credential;
    use dcos_core::{ExitCode, Problem};

    #[test]
    fn an_address_without_a_scheme_is_refused() {
        for url in ["10.0.0.1:5050", "master", "ftp://master", ""] {
            assert_eq!(Client::new(url).unwrap_err().exit_code(), ExitCode::Usage, "{url}");
        }
        assert_eq!(Client::new("http://10.0.0.1:5050/").unwrap().url(), "http://10.0.0.1:5050");
    }

    #[test]
    fn a_nodes_name_stays_one_segment() {
        assert_eq!(on_node("10.0.0.7:5051", "/pkg/available"), "/deploy/nodes/10.0.0.7:5051/pkg/available");
        assert_eq!(on_node("a/../b?c", "/x"), "/deploy/nodes/a%2F..%2Fb%3Fc/x");
    }

    /// Answers one request with `answer`, and tells what it was asked.
    fn server(answer: String) -> (String, std::thread::JoinHandle<String>) {
        servers(vec![answer])
    }

    /// Answers one request with each of `answers`, and tells what it was asked last.
    fn servers(answers: Vec<String>) -> (String, std::thread::JoinHandle<String>) {
        use std::io::{BufRead as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let mut last = String::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = std::io::BufReader::new(stream.try_clone().unwrap()).lines();
                let head: Vec<String> = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
                stream.write_all(answer.as_bytes()).unwrap();
                last = head.join("\n");
            }
            last
        });
        (url, asked)
    }

    fn answer(head: &str, body: &str) -> String {
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }

    /// Where nobody listens: a port that is given to nobody who asks for none by number.
    const NOBODY: &str = "127.0.0.1:1";

    #[tokio::test]
    async fn an_order_waits_while_masters_elect_a_leader_and_is_given_once() {
        let problem = Problem::new(ExitCode::Unreachable, "no-leader", "the masters have not elected a leader");
        let problem = serde_json::to_string(&problem).unwrap();
        let election = answer("503 Service Unavailable\r\nContent-Type: application/problem+json", &problem);
        let to_the_dead = answer(&format!("307 Temporary Redirect\r\nLocation: //{NOBODY}/x"), "");
        let (url, asked) = servers(vec![election.clone(), to_the_dead, answer("200 OK", "true")]);
        assert!(Client::new(&url).unwrap().post::<_, bool>("/x", &1).await.unwrap());
        assert!(asked.join().unwrap().starts_with("POST /x"));

        // Not for ever; and a refusal is one at once, as is an answer that did not come.
        let (url, _) = server(election);
        let patient = Client { election_time: Duration::ZERO, ..Client::new(&url).unwrap() };
        assert_eq!(patient.get::<bool>("/x").await.unwrap_err().name(), "no-leader");
        let (url, _) = servers(vec![answer("409 Conflict", ""), answer("200 OK", "true")]);
        assert!(Client::new(&url).unwrap().get::<bool>("/x").await.unwrap_err().detail.contains("409"));
        let (url, _) = servers(vec![String::new(), answer("200 OK", "true")]);
        assert_eq!(Client::new(&url).unwrap().get::<bool>("/x").await.unwrap_err().name(), "unreachable");
    }

    #[tokio::test]
    async fn a_follower_is_left_for_the_leader_with_the_same_credentials() {
        let (leader, of_leader) = server(answer("200 OK", "true"));
        // As Mesos writes it: without a scheme.
        let location = leader.trim_start_matches("http:").to_owned();
        let head = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}/x\r\nContent-Length: 0\r\n\r\n");
        let (follower, _) = server(head);
        let credential = Some(Credential::parse("root secret").unwrap());
        let client = Client::of(&follower, &Access { credential, ca: None }).unwrap();
        assert!(client.post::<_, bool>("/x", &1).await.unwrap());
        let asked = of_leader.join().unwrap();
        assert!(asked.starts_with("POST /x") && asked.contains("authorization: Basic cm9vdDpzZWNyZXQ="), "{asked}");

        // Another kind of address is not where they may go.
        let elsewhere =
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n";
        let (follower, _) = server(elsewhere.to_owned());
        let refused = Client::new(&follower).unwrap().get::<bool>("/x").await.unwrap_err();
        assert!(refused.detail.contains("307"), "{}", refused.detail);
    }

    #[tokio::test]
    async fn nobody_there_is_said_with_the_address_once() {
        let client = Client::new(&format!("http://{NOBODY}")).unwrap();
        let problem = client.get::<()>("/deploy/nodes").await.unwrap_err();
        assert_eq!(problem.exit_code(), ExitCode::Unreachable);
        assert_eq!(problem.detail.matches("127.0.0.1").count(), 1, "{}", problem.detail);
        assert_eq!(problem.hints.len(), 1);
    }
}
