//! A real Chromium without a window, driven by the W3C's WebDriver protocol: what a person does, and what one sees.
//!
//! The protocol is a dozen JSON requests, so no client crate stands between.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::harness::until;

/// The key under which the protocol hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that are no letters.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const END: &str = "\u{e010}";
pub(crate) const DOWN: &str = "\u{e015}";

/// A browser with one window. It ends with the test.
pub(crate) struct Browser {
    driver: Child,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    /// The session's own address, once there is one.
    session: String,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("can't run chromedriver ({error}): apt-get install chromium chromium-driver")
            });
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| Some(line.ok()?.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned()))
            .expect("chromedriver says where it listens");
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut browser = Self { driver, runtime, client, session: format!("http://127.0.0.1:{port}/session") };
        // Root has no sandbox; and what is measured is the page, not a graphics card that is not there.
        let arguments =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--window-size=1440,900"];
        let options = json!({"args": arguments, "binary": "/usr/bin/chromium"});
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let made = browser.call("POST", "", &wanted);
        browser.session = format!("{}/{}", browser.session, made["sessionId"].as_str().unwrap());
        browser
    }

    fn try_call(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let answer: Value = self.runtime.block_on(async {
            let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.session));
            let request = if method == "POST" { request.json(body) } else { request };
            request.send().await.unwrap().json().await.unwrap()
        });
        if answer["value"]["error"].is_string() { Err(answer["value"].clone()) } else { Ok(answer["value"].clone()) }
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_call(method, path, body).unwrap_or_else(|error| panic!("{method} {path} {body}: {error:#}"))
    }

    /// Goes to an address and waits until the document is there.
    pub(crate) fn open(&self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url }));
    }

    pub(crate) fn url(&self) -> String {
        self.call("GET", "/url", &Value::Null).as_str().unwrap().to_owned()
    }

    /// What a function's body returns, called with `arguments` in the page.
    #[track_caller]
    pub(crate) fn script(&self, body: &str, arguments: &Value) -> Value {
        self.call("POST", "/execute/sync", &json!({"script": body, "args": arguments}))
    }

    /// The same of one that calls `arguments.at(-1)` in a while.
    #[track_caller]
    pub(crate) fn script_in_a_while(&self, body: &str) -> Value {
        self.call("POST", "/execute/async", &json!({"script": body, "args": []}))
    }

    #[track_caller]
    fn find(&self, selector: &str) -> String {
        let found = self.call("POST", "/element", &json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// What can be read there; nothing of what is hidden.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let element = self.find(selector);
        // The page may have put another element there meanwhile.
        let text = self.try_call("GET", &format!("/element/{element}/text"), &Value::Null);
        text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Whether there is such an element that can be seen.
    pub(crate) fn shows(&self, selector: &str) -> bool {
        let seen = "const found = document.querySelector(arguments[0]); return Boolean(found?.checkVisibility());";
        self.script(seen, &json!([selector])) == true
    }

    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.call("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Presses keys, one after the other, wherever the focus is.
    #[track_caller]
    pub(crate) fn press(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})])
            .collect();
        self.call("POST", "/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]}));
    }

    /// What assistive technology is told of an element: its role and its name, as the browser computes them.
    #[track_caller]
    pub(crate) fn told(&self, selector: &str) -> (String, String) {
        let element = self.find(selector);
        let ask = |what: &str| {
            let answer = self.call("GET", &format!("/element/{element}/computed{what}"), &Value::Null);
            answer.as_str().unwrap_or_default().to_owned()
        };
        (ask("role"), ask("label"))
    }

    /// What has the focus: its id, or its text.
    pub(crate) fn focus(&self) -> String {
        let script = "const at = document.activeElement; return at.id || at.textContent.trim();";
        self.script(script, &json!([])).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text of an element has `part` in it; answers the text.
    #[track_caller]
    pub(crate) fn read(&self, selector: &str, part: &str, seconds: u64) -> String {
        until(&format!("`{selector}` says `{part}`, and not `{}`", self.text(selector)), seconds, || {
            Some(self.text(selector)).filter(|text| text.contains(part))
        })
    }

    /// Speaks to the browser itself, beside the protocol.
    fn command(&self, name: &str, parameters: &Value) {
        self.call("POST", "/goog/cdp/execute", &json!({"cmd": name, "params": parameters}));
    }

    /// Has the page believe that its reader likes it dark, or light.
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.command("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Takes a picture of the window.
    pub(crate) fn picture(&self, file: &Path) {
        let picture = self.call("GET", "/screenshot", &Value::Null);
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It takes its Chromium along only if it is asked to.
        let _ = self.try_call("DELETE", "", &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
