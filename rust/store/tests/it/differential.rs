//! Generated archives, read by ours, by GNU tar and by Python's tarfile: ours refuses, or has exactly what both have.
//!
//! A reader that is stricter than others is safe only if it does not see something else than they do in what it accepts:
//! an operator looks into a package with `tar`, a scanner with Python. Random bytes would only ever be refused, so
//! archives are put together from parts that are each nearly right. A list of numbers makes the choices, so that
//! proptest can shrink what fails. `DCOS_BITS_LONG=1` tries twenty thousand of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use dcos_core::Sha256;
use dcos_store::manifest::Content;
use dcos_store::{Expected, StoreError, survey};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::tarball::{Header, Tar, pax, zstd};

/// What a reader finds, by path: `d`, `x` or `f` with a digest, `l` with a target.
type Found = BTreeMap<String, String>;

/// The choices, one after the other; zeros when there are no more.
struct Choices<'a>(std::slice::Iter<'a, u16>);

impl Choices<'_> {
    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % bound
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Whether something happens that happens once in `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }
}

const NAMES: [&str; 20] = [
    "a",
    "b",
    "lib/a",
    "lib/b",
    "lib/c/d",
    "bin/x y",
    "é",
    "日本/語",
    "./z",
    "z",
    "lib",
    "A",
    "a/b",
    "..a",
    "lib/./a",
    "../x",
    "/x",
    "x-",
    "%2e%2e",
    "a.",
];
const TARGETS: [&str; 9] = ["a", "b", "../a", "lib", "lib/a", "./b", "../../x", "/x", "link0"];
const KEYS: [(&str, &str); 8] = [
    ("mtime", "1.5"),
    ("uname", "root"),
    ("comment", "size=9"),
    ("size", "3"),
    ("path", "p/q"),
    ("linkpath", "a"),
    ("GNU.sparse.size", "9"),
    ("hdrcharset", "BINARY"),
];
const KINDS: [u8; 9] = *b"000522173";

const GOOD_NAMES: [&str; 9] = ["a", "lib/b", "lib/c/d", "bin/x y", "é", "日本/語", "./z", "..a", "%2e/-"];
const GOOD_KINDS: [u8; 8] = [b'0', b'0', b'0', b'0', 0, b'5', b'2', b'2'];

/// What may be odd about an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Odd {
    Nothing,
    Name,
    Kind,
    Mode,
    Target,
    Global,
    Keys,
    Size,
    Zeros,
}

const ODDITIES: [Odd; 8] =
    [Odd::Name, Odd::Kind, Odd::Mode, Odd::Target, Odd::Global, Odd::Keys, Odd::Size, Odd::Zeros];

/// A tar stream that somebody may have made, or nearly.
fn generate(tape: &[u16]) -> Vec<u8> {
    let mut choices = Choices(tape.iter());
    let mut tar = Tar::default().file("pkginfo.json", "{}");
    for number in 0..=choices.below(8) {
        tar = part(tar, number, &mut choices);
    }
    let mut bytes = tar.end();
    if choices.once_in(8) {
        bytes.resize(bytes.len() + choices.of(&[1, 512, 9216]), 0);
    }
    if choices.once_in(12) {
        bytes.truncate(bytes.len() - choices.of(&[1, 512, 513, 1024]));
    }
    // A byte of a header is another one, and the checksum agrees.
    if choices.once_in(6) {
        let block = choices.below(bytes.len() / 512) * 512;
        let mut header = [0; 512];
        header.copy_from_slice(&bytes[block..block + 512]);
        let place = choices.of(&[0, 1, 50, 99, 100, 104, 124, 130, 134, 135, 156, 157, 257, 263, 264, 345, 400, 499]);
        header[place] = choices.of(&[0, b' ', b'0', b'1', b'7', b'9', b'/', b'a', 0x80]);
        bytes[block..block + 512].copy_from_slice(&Header(header).sealed());
    }
    bytes
}

/// An entry that is in order, or has one odd thing about it.
fn part(mut tar: Tar, number: usize, choices: &mut Choices<'_>) -> Tar {
    let odd = if choices.once_in(4) { choices.of(&ODDITIES) } else { Odd::Nothing };
    let name =
        if odd == Odd::Name { choices.of(&NAMES).to_owned() } else { format!("{}{number}", choices.of(&GOOD_NAMES)) };
    let kind = choices.of(if odd == Odd::Kind { &KINDS } else { &GOOD_KINDS });
    let size = choices.of(&[0, 1, 3, 511, 512, 513, 1024]);
    let mode =
        choices.of(if odd == Odd::Mode { &[0o644, 0o4755, 0o1777, 0o7777] } else { &[0o644, 0o755, 0o600, 0o510] });
    let mut header = Header::new("x", kind, 0).mode(mode);
    if choices.once_in(3) {
        header = header.with(257, b"ustar  \0");
    }
    let up = "../".repeat(name.trim_start_matches("./").matches('/').count());
    let target = if odd == Odd::Target { choices.of(&TARGETS).to_owned() } else { format!("{up}pkginfo.json") };
    if matches!(kind, b'1' | b'2') && !choices.once_in(3) {
        header = header.link(&target);
    } else if kind == b'2' {
        tar = tar.long_name(b'K', &target);
    }
    if odd == Odd::Global {
        tar = tar.entry(Header::new("g", b'g', 0), pax(&[choices.of(&KEYS)]));
    }
    let content =
        vec![b'0' + u8::try_from(size % 10).unwrap_or(0); if kind == b'0' || kind == b'7' { size } else { 0 }];
    let stated = content.len().to_string();
    let mut records: Vec<(&str, &str)> = Vec::new();
    match choices.below(5) {
        0 => tar = tar.long_name(b'L', &name),
        1 => records.push(("path", &name)),
        2 if header.0[263..265] == *b"00" => match name.rsplit_once('/') {
            Some((prefix, last)) => {
                header = header.with(0, b"\0").with(0, last.as_bytes()).with(345, prefix.as_bytes());
            }
            None => header = header.with(0, name.as_bytes()),
        },
        _ => header = header.with(0, name.as_bytes()),
    }
    match (odd, choices.below(4)) {
        (Odd::Size, number) => records.push(("size", ["0", "1", "512", "1024"][number])),
        (Odd::Keys, _) => records.extend([choices.of(&KEYS), choices.of(&KEYS)]),
        (_, 0) => records.push(("mtime", "1.5")),
        (_, 1) => records.push(("size", &stated)),
        _ => {}
    }
    if !records.is_empty() {
        tar = tar.pax(&records);
    }
    if odd == Odd::Zeros {
        tar = tar.raw([0; 512]);
    }
    tar.entry(header, content)
}

fn ours(tar: &[u8]) -> Option<Found> {
    let expected = Expected { origin: "test".to_owned(), ..Expected::default() };
    let entries = match survey(&zstd(tar)[..], &expected) {
        Ok(entries) => entries,
        Err(StoreError::Archive { .. }) => return None,
        Err(error) => panic!("{error}"),
    };
    let word = |content: Content| match content {
        Content::Directory => "d".to_owned(),
        Content::Link { target } => format!("l {target}"),
        Content::File { mode, sha256, .. } => format!("{} {sha256}", if mode & 0o111 == 0 { 'f' } else { 'x' }),
    };
    Some(entries.into_iter().map(|(path, content)| (path, word(content))).collect())
}

/// GNU tar, by what it makes of the archive.
fn gnu_tar(tar: &[u8]) -> Result<Found, String> {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let mut child = Command::new("tar")
        .args(["--extract", "--file", "-", "--no-same-owner", "--directory"])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may stop reading behind the end of the archive.
    drop(child.stdin.take().unwrap().write_all(tar));
    let output = child.wait_with_output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(crate::fixture::walk(folder.path())
        .into_iter()
        .map(|path| (path.clone(), on_disk(&folder.path().join(path))))
        .collect())
}

fn on_disk(path: &Path) -> String {
    let metadata = fs::symlink_metadata(path).unwrap();
    if metadata.is_symlink() {
        format!("l {}", fs::read_link(path).unwrap().to_str().unwrap())
    } else if metadata.is_dir() {
        "d".to_owned()
    } else {
        let executable = metadata.permissions().mode() & 0o111 != 0;
        format!("{} {}", if executable { 'x' } else { 'f' }, Sha256::of(&fs::read(path).unwrap()))
    }
}

/// Lists archives that come on stdin, each after its size in a line of its own.
const PYTHON: &str = r"
import hashlib, io, json, sys, tarfile
def look(data):
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for entry in tar:
            parts = [part for part in entry.name.split('/') if part != '.']
            for end in range(1, len(parts)):
                found.setdefault('/'.join(parts[:end]), 'd')
            if entry.isdir(): word = 'd'
            elif entry.issym(): word = 'l ' + entry.linkname
            elif entry.isreg():
                word = ('x' if entry.mode & 0o111 else 'f') + ' ' + hashlib.sha256(tar.extractfile(entry).read()).hexdigest()
            else: word = 'other'
            if parts: found['/'.join(parts)] = word
    return found
while size := sys.stdin.buffer.readline():
    try: answer = {'found': look(sys.stdin.buffer.read(int(size)))}
    except Exception as error: answer = {'error': repr(error)}
    print(json.dumps(answer), flush=True)
";

struct Python {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Self {
        let mut child =
            Command::new("python3").args(["-c", PYTHON]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (asked, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, asked, answers }
    }

    fn look(&mut self, tar: &[u8]) -> Result<Found, String> {
        writeln!(self.asked, "{}", tar.len()).unwrap();
        self.asked.write_all(tar).unwrap();
        self.asked.flush().unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&line).unwrap();
        serde_json::from_value(answer["found"].clone()).map_err(|_| answer["error"].to_string())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_is_accepted_is_what_gnu_tar_and_python_see() {
    let long = std::env::var_os("DCOS_BITS_LONG").is_some();
    let cases = if long { 20_000 } else { 400 };
    let python = std::cell::RefCell::new(Python::start());
    let accepted = std::cell::Cell::new(0_u32);
    // The same archives in every run, and others in each long one: a failure there prints its list.
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let fixed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = if long { TestRunner::new(config) } else { TestRunner::new_with_rng(config, fixed) };
    runner
        .run(&vec(any::<u16>(), 4..90), |tape| {
            let tar = generate(&tape);
            if let Some(found) = ours(&tar) {
                accepted.set(accepted.get() + 1);
                assert_eq!(gnu_tar(&tar).as_ref(), Ok(&found), "GNU tar, left, has something else");
                assert_eq!(python.borrow_mut().look(&tar).as_ref(), Ok(&found), "Python, left, has something else");
            }
            Ok(())
        })
        .unwrap();
    let text = format!("differential: {cases} archives, {} accepted, the same to GNU tar and Python\n", accepted.get());
    std::io::stderr().write_all(text.as_bytes()).unwrap();
    assert!(accepted.get() > cases / 10, "only {} of {cases} archives were accepted: it shows little", accepted.get());
}
