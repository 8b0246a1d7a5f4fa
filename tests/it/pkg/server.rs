//! Web servers: the one of `dcos repo serve`, and one that misbehaves on request.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// `dcos repo serve`, ended with the test.
pub(crate) struct Served {
    child: Child,
    pub(crate) url: String,
}

impl Served {
    pub(crate) fn start(repository: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dcos"))
            .args(["repo", "serve"])
            .arg(repository)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim_end().to_owned() }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a [`Hostile`] server does to requests for archives; the index is always answered well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As it should be.
    Well,
    /// Sends so many bytes, and no more, but stays connected.
    Stall(usize),
    /// Hangs up after so many bytes, this many times; then as it should be.
    HangUp { after: usize, times: u32 },
    /// Sends other bytes, as many as announced.
    Lie,
    /// Answers 503 this many times; then as it should be.
    Busy(u32),
}

/// A web server for a folder.
pub(crate) struct Hostile {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    folder: PathBuf,
    mood: Mood,
    /// Where each request for an archive wanted to begin.
    offsets: Vec<usize>,
}

impl Hostile {
    pub(crate) fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { folder: folder.to_owned(), mood: Mood::Well, offsets: Vec::new() }));
        let shared = Arc::clone(&state);
        // The threads end with the test's process.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that is killed in the middle is what some tests are about.
                std::thread::spawn(move || drop(answer(&connection, &state)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// Where each request for an archive wanted to begin, since this was last asked.
    pub(crate) fn offsets(&self) -> Vec<usize> {
        std::mem::take(&mut self.state.lock().unwrap().offsets)
    }
}

fn answer(mut connection: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection).lines();
    let first = lines.next().unwrap_or(Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').replace("%2B", "+");
    let mut offset = 0;
    for line in lines.by_ref() {
        let line = line?.to_ascii_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            offset = range.trim_end_matches('-').parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let is_archive = path.starts_with("packages/");
    let (file, mood) = {
        let mut state = state.lock().unwrap();
        if is_archive {
            state.offsets.push(offset);
        }
        let mood = if is_archive { state.mood } else { Mood::Well };
        match &mut state.mood {
            Mood::HangUp { times, .. } | Mood::Busy(times) if is_archive && *times > 1 => *times -= 1,
            Mood::HangUp { .. } | Mood::Busy(_) if is_archive => state.mood = Mood::Well,
            _ => {}
        }
        (state.folder.join(path), mood)
    };
    let Ok(mut body) = std::fs::read(file) else {
        return connection.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    if mood == Mood::Lie {
        body.iter_mut().for_each(|byte| *byte ^= 1);
    }
    let size = body.len();
    let rest = &body[offset.min(size)..];
    let head = match mood {
        Mood::Busy(_) => "503 Busy\r\nContent-Length: 0".to_owned(),
        _ if offset == 0 => format!("200 OK\r\nContent-Length: {size}"),
        _ => {
            let range = format!("bytes {offset}-{}/{size}", size.saturating_sub(1));
            format!("206 Partial Content\r\nContent-Range: {range}\r\nContent-Length: {}", rest.len())
        }
    };
    write!(connection, "HTTP/1.1 {head}\r\nConnection: close\r\n\r\n")?;
    match mood {
        Mood::Busy(_) => Ok(()),
        Mood::Well | Mood::Lie => connection.write_all(rest),
        Mood::HangUp { after, .. } => {
            connection.write_all(&rest[..after.min(rest.len())])?;
            connection.shutdown(Shutdown::Both)
        }
        Mood::Stall(after) => {
            connection.write_all(&rest[..after.min(rest.len())])?;
            // Until the client goes away.
            connection.read(&mut [0]).map(drop)
        }
    }
}
