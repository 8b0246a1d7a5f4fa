//! Small blocking HTTP: a question to a port of this host or to a master, with a deadline and a bound on the answer.
//!
//! Redirects are never followed by themselves: a 307 of a follower is an answer of its own here. No proxy is ever asked;
//! these are addresses inside the cluster.

use std::time::Duration;

use dcos_core::Problem;
use dcos_core::credentials::Credential;

/// The longest answer that is read, in bytes; a master with tens of thousands of agents stays below.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A client with a thread's own small runtime. Not for use inside an async runtime.
pub(crate) struct Http {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Where a redirect points.
    pub location: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why nothing came back, in words for an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Silence(pub String);

/// The answer to a question, or why there was none.
pub type Asked = Result<Reply, Silence>;

impl Reply {
    /// The body as JSON; `Null` if it is none, which has no field that anybody looks for.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Http {
    /// A client whose questions take at most `deadline` each.
    pub(crate) fn new(deadline: Duration) -> Result<Self, Silence> {
        let silence = |error: &dyn std::error::Error| Silence(Problem::chain(error));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| silence(&error))?;
        let builder = || {
            reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(deadline)
                .connect_timeout(deadline)
                // Whoever is asked is about to be restarted: an idle connection to it is worth nothing.
                .pool_max_idle_per_host(0)
        };
        // A machine without a list of authorities (no `ca-certificates`) speaks HTTP all the same.
        let built = builder().build().or_else(|_| builder().tls_certs_only([]).build());
        let client = built.map_err(|error| silence(&error))?;
        Ok(Self { runtime, client })
    }

    /// `GET url`, by the name of `who`.
    pub(crate) fn get(&self, url: &str, who: Option<&Credential>) -> Asked {
        self.send(self.client.get(url), who)
    }

    /// `POST url` with a JSON body, by the name of `who`.
    pub(crate) fn post(&self, url: &str, body: &serde_json::Value, who: Option<&Credential>) -> Asked {
        self.send(self.client.post(url).json(body), who)
    }

    fn send(&self, request: reqwest::RequestBuilder, who: Option<&Credential>) -> Asked {
        let request = match who {
            Some(who) => request.basic_auth(&who.principal, Some(&who.secret)),
            None => request,
        };
        let asked = self.runtime.block_on(async {
            let mut response = request.send().await?;
            let status = response.status().as_u16();
            let location = response.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                if body.len() + chunk.len() > MAX_ANSWER {
                    return Ok(Err(Silence(format!("the answer is longer than {MAX_ANSWER} bytes"))));
                }
                body.extend_from_slice(&chunk);
            }
            Ok::<_, reqwest::Error>(Ok(Reply { status, location, body }))
        });
        asked.unwrap_or_else(|error| Err(Silence(innermost(&error))))
    }
}

/// The innermost cause, such as `Connection refused (os error 111)`: the layers above it say where in the client it came
/// up, which helps nobody who operates a cluster.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it takes too long".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
