//! Somebody who wants to be called.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A post that arrived: its path, its `Authorization`, its body.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
}

/// A server that answers with prepared heads, and with 204 when there are none left.
pub(crate) struct Receiver {
    pub(crate) origin: String,
    calls: Arc<Mutex<Vec<Call>>>,
    answers: Arc<Mutex<VecDeque<String>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Self { origin, calls: Arc::default(), answers: Arc::default() };
        let (calls, answers) = (Arc::clone(&receiver.calls), Arc::clone(&receiver.answers));
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(call) = receive(&stream, &answers) {
                    calls.lock().unwrap().push(call);
                }
            }
        });
        receiver
    }

    /// What has arrived so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Prepares the heads of the next answers, such as `503 Busy`.
    pub(crate) fn answer(&self, heads: impl IntoIterator<Item = String>) {
        self.answers.lock().unwrap().extend(heads);
    }
}

fn receive(mut stream: &TcpStream, answers: &Mutex<VecDeque<String>>) -> Option<Call> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut authorization, mut length) = (String::new(), None, 0);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let head = answers.lock().unwrap().pop_front().unwrap_or_else(|| "204 No Content".to_owned());
    write!(stream, "HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    Some(Call { path, authorization, body: serde_json::from_slice(&body).ok()? })
}
