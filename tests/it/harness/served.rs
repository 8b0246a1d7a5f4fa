//! `dcos-node serve`, on a port of its own.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A server. It is killed when dropped, as a crash would.
#[derive(Debug)]
pub(crate) struct Served {
    child: Child,
    /// Where it says that it listens.
    pub(crate) url: String,
}

impl Served {
    /// Serves the node of a file; `environment` is added to this process's own.
    pub(crate) fn start(node: &Path, environment: &[(&str, &OsStr)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dcos-node"))
            .args(["serve", "--listen", "127.0.0.1:0", "--node"])
            .arg(node)
            .env_remove("DCOS_PKG")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("it said `{line}`")).to_owned();
        Self { child, url }
    }

    /// The status of what it answers, and the JSON in it; `null` if there is none.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, text) = self.ask_text(method, path, body);
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// Posts JSON.
    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", path, Some(body))
    }

    /// The status of what it answers, and the text. A redirect is an answer.
    pub(crate) fn ask_text(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let redirects = reqwest::redirect::Policy::none();
            let client = reqwest::Client::builder().no_proxy().redirect(redirects).timeout(Duration::from_secs(30));
            let mut request = client.build().unwrap().request(method.parse().unwrap(), format!("{}{path}", self.url));
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            (status, response.text().await.unwrap())
        })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
