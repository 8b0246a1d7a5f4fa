//! Servers that do not keep to HTTP, or keep to it in bad faith. What they lie about are signed repositories.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dcos_core::Problem;

use super::case::{Answer, Case, Stage};
use crate::backoff::{Patience, Retry};

/// What a server does with the answer to a request whose path ends so; other requests are answered well.
#[derive(Clone, Copy)]
struct Lie {
    about: &'static str,
    /// Head and body, from the body that is right; `None` is a byte now and then.
    tell: Option<fn(Told<'_>) -> Vec<u8>>,
}

/// What there is to lie about.
struct Told<'a> {
    body: &'a [u8],
    /// Where the client wants to begin.
    from: usize,
    /// How often it has asked for it before.
    before: usize,
    /// Where the same is to be had from an honest server.
    honest: &'a str,
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes(), body].concat()
}

fn well(told: &Told<'_>) -> Vec<u8> {
    let (size, rest) = (told.body.len(), &told.body[told.from.min(told.body.len())..]);
    match told.from {
        0 => answer(&format!("200 OK\r\nContent-Length: {size}"), rest),
        from => {
            let range = format!("Content-Range: bytes {from}-{}/{size}", size.saturating_sub(1));
            answer(&format!("206 Partial Content\r\n{range}\r\nContent-Length: {}", rest.len()), rest)
        }
    }
}

/// Half of it, and the end of the connection.
fn half(told: &Told<'_>) -> Vec<u8> {
    answer(&format!("200 OK\r\nContent-Length: {}", told.body.len()), &told.body[..told.body.len() / 2])
}

/// A server that lies; its threads end with the test's process.
fn serve(folder: PathBuf, honest: String, lie: Lie) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (folder, honest, asked) = (folder.clone(), honest.clone(), Arc::clone(&asked));
            // A client that hangs up is what some cases are about.
            std::thread::spawn(move || drop(respond(&connection, &folder, &honest, &asked, lie)));
        }
    });
    url
}

fn respond(
    mut connection: &TcpStream,
    folder: &std::path::Path,
    honest: &str,
    asked: &AtomicUsize,
    lie: Lie,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection).lines();
    let first = lines.next().unwrap_or(Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
    let mut from = 0;
    for line in lines.by_ref() {
        let line = line?.to_ascii_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.split('-').next().and_then(|from| from.parse().ok()).unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let Ok(body) = fs::read(folder.join(&path)) else {
        return connection.write_all(&answer("404 Not Found\r\nContent-Length: 0", b""));
    };
    let is_lie = path.ends_with(lie.about);
    let before = if is_lie { asked.fetch_add(1, Ordering::Relaxed) } else { 0 };
    let honest = format!("{honest}{path}");
    let told = Told { body: &body, from, before, honest: &honest };
    let bytes = match lie.tell {
        None if is_lie => return drip(connection, &body),
        Some(tell) if is_lie => tell(told),
        _ => well(&told),
    };
    connection.write_all(&bytes)?;
    connection.shutdown(Shutdown::Write)
}

fn drip(mut connection: &TcpStream, body: &[u8]) -> std::io::Result<()> {
    write!(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())?;
    for byte in body {
        connection.write_all(&[*byte])?;
        connection.flush()?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Looks at, or fetches `b--1` from, a server that lies about what ends in `about`.
fn from(about: &'static str, tell: Option<fn(Told<'_>) -> Vec<u8>>) -> impl Fn(&Stage) -> Answer + Send + Sync {
    move |stage| {
        stage.publish("b--1");
        let url = serve(stage.rig.folder(), stage.rig.url.clone(), Lie { about, tell });
        if !about.ends_with(".tar.gz") {
            return stage.look_at(&url);
        }
        let store = stage.rig.store();
        let (short, attempts) = (Duration::from_millis(1), 3);
        // A tenth of a second here is a minute there.
        let patience = Patience { document: short, window: Duration::from_millis(100), rate: 1 << 20 };
        let patience = Patience { document: Duration::from_secs(20), ..patience };
        let retry = Retry { attempts, first_delay: short, longest_delay: short };
        let repositories = stage.rig.repositories(&url, &store).with_retry(retry).with_patience(patience);
        let fetched = stage.runtime.block_on(stage.rig.fetch_from(&repositories, "b--1"));
        assert_eq!(fetched.is_ok(), store.has(&"b--1".parse().unwrap()), "what is not refused is there");
        fetched.map(|()| vec!["b--1".to_owned()]).map_err(|error| Problem::from(error).name().to_owned())
    }
}

const ARCHIVE: &str = "b--1.tar.gz";
const TIMESTAMP: &str = "timestamp.json";
const TARGETS: &str = ".targets.json";

fn chunked(body: &[u8], times: usize) -> Vec<u8> {
    let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat();
    let end = b"0\r\n\r\n".to_vec();
    answer("200 OK\r\nTransfer-Encoding: chunked", &[chunk.repeat(times), end].concat())
}

fn redirect(to: &str) -> Vec<u8> {
    answer(&format!("302 Found\r\nLocation: {to}\r\nContent-Length: 0"), b"")
}

type Row = (&'static str, &'static str, Option<&'static str>, &'static str, fn(Told<'_>) -> Vec<u8>);

/// Rule, name, problem (none for a twin), what is lied about, how.
const ROWS: [Row; 43] = [
    ("content-length", "of the archive: one more", Some("wrong-size"), ARCHIVE, |told| {
        answer(&format!("200 OK\r\nContent-Length: {}", told.body.len() + 1), told.body)
    }),
    ("content-length", "of the archive: one less", Some("wrong-size"), ARCHIVE, |told| {
        answer(&format!("200 OK\r\nContent-Length: {}", told.body.len() - 1), told.body)
    }),
    (
        "content-length",
        "of the archive: right, and half is sent, for ever",
        Some("repository-unreachable"),
        ARCHIVE,
        |told| {
            if told.from == 0 { half(&told) } else { answer("206 Partial Content\r\nContent-Range: bytes 1-2/3", b"") }
        },
    ),
    ("content-length", "of the timestamp: more than comes", Some("repository-unreachable"), TIMESTAMP, |told| {
        answer(&format!("200 OK\r\nContent-Length: {}", told.body.len() + 1), told.body)
    }),
    ("content-length", "of the timestamp: less than comes", Some("bad-metadata"), TIMESTAMP, |told| {
        answer(&format!("200 OK\r\nContent-Length: {}", told.body.len() - 100), told.body)
    }),
    ("content-length", "twice, and different", Some("repository-unreachable"), TIMESTAMP, |told| {
        answer(&format!("200 OK\r\nContent-Length: {}\r\nContent-Length: 7", told.body.len()), told.body)
    }),
    ("content-length", "no number", Some("repository-unreachable"), TIMESTAMP, |told| {
        answer("200 OK\r\nContent-Length: many", told.body)
    }),
    ("content-length", "none, and the connection ends", None, ARCHIVE, |told| answer("200 OK", told.body)),
    ("content-length", "none, in chunks", None, TIMESTAMP, |told| chunked(told.body, 1)),
    ("trailing-bytes", "behind the archive", Some("wrong-size"), ARCHIVE, |told| {
        answer("200 OK", &[told.body, b"more"].concat())
    }),
    ("trailing-bytes", "behind the archive, in chunks", Some("wrong-size"), ARCHIVE, |told| {
        chunked(&[told.body, b"more"].concat(), 1000)
    }),
    ("trailing-bytes", "behind targets", Some("metadata-endless"), TARGETS, |told| {
        answer("200 OK", &[told.body, b" "].concat())
    }),
    ("trailing-bytes", "behind the timestamp, without end", Some("metadata-endless"), TIMESTAMP, |told| {
        chunked(told.body, 1000)
    }),
    ("trailing-bytes", "none", None, ARCHIVE, |told| answer("200 OK", told.body)),
    ("content-encoding", "the archive is packed once more", Some("wrong-size"), ARCHIVE, |told| {
        answer("200 OK\r\nContent-Encoding: gzip", &pack(told.body))
    }),
    ("content-encoding", "the timestamp is packed", Some("bad-metadata"), TIMESTAMP, |told| {
        answer("200 OK\r\nContent-Encoding: gzip", &pack(told.body))
    }),
    ("content-encoding", "targets are a bomb", Some("metadata-endless"), TARGETS, |_| {
        answer("200 OK\r\nContent-Encoding: gzip", &pack(&vec![b' '; 60 << 20]))
    }),
    ("content-encoding", "it says so of a `.tar.gz` that is as it was", None, ARCHIVE, |told| {
        answer(&format!("200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}", told.body.len()), told.body)
    }),
    ("content-encoding", "none", None, TIMESTAMP, |told| well(&told)),
    ("redirect", "to itself, without end", Some("repository-unreachable"), ARCHIVE, |told| {
        redirect(told.honest.rsplit('/').next().unwrap())
    }),
    ("redirect", "the timestamp to itself", Some("repository-unreachable"), TIMESTAMP, |_| redirect("timestamp.json")),
    ("redirect", "to a file of this machine", Some("repository-refuses"), ARCHIVE, |_| redirect("file:///etc/passwd")),
    ("redirect", "to another protocol", Some("repository-unreachable"), ARCHIVE, |_| redirect("ftp://127.0.0.1/a")),
    ("redirect", "to nowhere", Some("repository-refuses"), ARCHIVE, |_| answer("302 Found\r\nContent-Length: 0", b"")),
    ("redirect", "the archive to another package", Some("digest-mismatch"), ARCHIVE, |told| {
        // As long as the right one, and not it.
        let mut other = told.body.to_vec();
        other[4] ^= 1;
        well(&Told { body: &other, ..told })
    }),
    ("redirect", "the archive to where it has moved", None, ARCHIVE, |told| redirect(told.honest)),
    ("redirect", "the timestamp to where it has moved", None, TIMESTAMP, |told| redirect(told.honest)),
    ("range", "ignored: all of it, after a broken connection", None, ARCHIVE, |told| {
        if told.before == 0 { half(&told) } else { answer("200 OK", told.body) }
    }),
    ("range", "heeded, after a broken connection", None, ARCHIVE, |told| {
        if told.before == 0 { half(&told) } else { well(&told) }
    }),
    ("range", "another one than was asked for", Some("repository-unreachable"), ARCHIVE, |told| {
        if told.before == 0 { half(&told) } else { well(&Told { from: told.from - 1, ..told }) }
    }),
    ("range", "the right name, and other bytes", Some("bad-archive"), ARCHIVE, |told| {
        if told.before == 0 {
            return half(&told);
        }
        let mut other = told.body.to_vec();
        *other.last_mut().unwrap() ^= 1;
        well(&Told { body: &other, ..told })
    }),
    ("range", "without saying which", Some("repository-unreachable"), ARCHIVE, |told| {
        if told.before == 0 { half(&told) } else { answer("206 Partial Content", &told.body[told.from..]) }
    }),
    ("range", "though nobody asked", Some("repository-unreachable"), ARCHIVE, |told| {
        answer(&format!("206 Partial Content\r\nContent-Range: bytes 0-{0}/{0}", told.body.len()), told.body)
    }),
    ("range", "more than there is", Some("wrong-size"), ARCHIVE, |told| {
        if told.before == 0 {
            half(&told)
        } else {
            let body = [told.body, &[0; 100][..]].concat();
            well(&Told { body: &body, ..told })
        }
    }),
    ("status", "the timestamp: no", Some("repository-refuses"), TIMESTAMP, |_| {
        answer("403 Forbidden\r\nContent-Length: 0", b"")
    }),
    ("status", "the archive: nothing new", Some("repository-refuses"), ARCHIVE, |_| answer("304 Not Modified", b"")),
    ("status", "the archive: nothing", Some("repository-refuses"), ARCHIVE, |_| answer("204 No Content", b"")),
    ("status", "the archive: no number", Some("repository-unreachable"), ARCHIVE, |_| answer("many", b"")),
    ("status", "the archive: busy for ever", Some("repository-unreachable"), ARCHIVE, |_| {
        answer("503 Busy\r\nRetry-After: 86400\r\nContent-Length: 0", b"")
    }),
    ("status", "the archive: busy once", None, ARCHIVE, |told| {
        if told.before == 0 { answer("503 Busy\r\nContent-Length: 0", b"") } else { well(&told) }
    }),
    ("headers", "a megabyte of them", Some("repository-unreachable"), TIMESTAMP, |told| {
        answer(&format!("200 OK\r\nX: {}", "x".repeat(1 << 20)), told.body)
    }),
    ("headers", "a few", None, TIMESTAMP, |told| answer("200 OK\r\nX: x\r\nServer: y", told.body)),
    ("slow-retrieval", "the archive, in one piece", None, ARCHIVE, |told| well(&told)),
];

fn pack(bytes: &[u8]) -> Vec<u8> {
    // Stored, not compressed, would be no bomb: it is the size that is refused here, and nothing is ever inflated.
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    packed.extend_from_slice(bytes);
    packed
}

pub(super) fn cases() -> Vec<Case> {
    let case = |(rule, name, problem, about, tell): Row| match problem {
        Some(problem) => Case::attack(rule, name, problem, from(about, Some(tell))),
        None => Case::twin(rule, name, from(about, Some(tell))),
    };
    let mut cases: Vec<Case> = ROWS.into_iter().map(case).collect();
    let archive = from(ARCHIVE, None);
    cases.push(Case::attack("slow-retrieval", "the archive, a byte now and then", "repository-unreachable", archive));
    cases.push(Case::attack(
        "slow-retrieval",
        "the timestamp, a byte now and then",
        "repository-unreachable",
        |stage| {
            let url = serve(stage.rig.folder(), stage.rig.url.clone(), Lie { about: TIMESTAMP, tell: None });
            let store = stage.rig.store();
            let patience = Patience { document: Duration::from_millis(300), ..Patience::default() };
            let repositories = stage.rig.repositories(&url, &store).with_patience(patience);
            let available = stage.runtime.block_on(repositories.available());
            available.map(|_| Vec::new()).map_err(|error| Problem::from(error).name().to_owned())
        },
    ));
    cases
}
