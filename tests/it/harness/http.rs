//! Asking an endpoint.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::Value;

/// How long a node that takes the connection may take to answer: planning asks every node, on a machine with much to do.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// How long it may take to connect. Hosts that are cut off are asked as well, and take all of it.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().connect_timeout(CONNECTS_WITHIN).timeout(ANSWERS_WITHIN).no_proxy()
}

thread_local! {
    /// The name and secret that this thread's questions are asked by.
    static NAME: RefCell<Option<(&'static str, &'static str)>> = const { RefCell::new(None) };
}

/// Has everything be asked by this name and secret from now on, in this thread, which is the test's own.
pub(crate) fn ask_as(name: Option<(&'static str, &'static str)>) {
    NAME.set(name);
}

fn request(client: &reqwest::Client, method: reqwest::Method, url: &str) -> reqwest::RequestBuilder {
    let request = client.request(method, url);
    match NAME.with_borrow(Clone::clone) {
        Some((name, secret)) => request.basic_auth(name, Some(secret)),
        None => request,
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The body as it came, and as JSON where it is JSON.
    pub(crate) text: String,
    pub(crate) body: Value,
}

/// `GET url`; `None` if nobody answers.
pub(crate) fn get(url: &str) -> Option<Answer> {
    ask(reqwest::Method::GET, url, None)
}

/// `POST url` with JSON; `None` if nobody answers.
pub(crate) fn post(url: &str, body: &Value) -> Option<Answer> {
    ask(reqwest::Method::POST, url, Some(body))
}

fn ask(method: reqwest::Method, url: &str, body: Option<&Value>) -> Option<Answer> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for one request");
    runtime.block_on(async {
        let client = client().build().ok()?;
        let mut request = request(&client, method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let text = response.text().await.ok()?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        Some(Answer { status, text, body })
    })
}

/// The status of `GET url`, of whoever is asked: a redirect is an answer. `None` if nobody answers.
pub(crate) fn status(url: &str) -> Option<u16> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for one request");
    runtime.block_on(async {
        let client = client().redirect(reqwest::redirect::Policy::none()).build().ok()?;
        request(&client, reqwest::Method::GET, url).send().await.ok().map(|response| response.status().as_u16())
    })
}

/// The JSON of a successful `GET url`; `null` otherwise.
pub(crate) fn json(url: &str) -> Value {
    get(url).filter(|answer| answer.status == 200).map_or(Value::Null, |answer| answer.body)
}
