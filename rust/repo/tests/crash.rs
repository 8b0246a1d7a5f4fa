//! A kill at every system call by which a repository's folder changes.
//!
//! The victim is this program itself under `strace`, which counts the calls that touch the folder and then kills it at the
//! first of them, at the second, and so on: not a sample but all. After each kill, with nothing repaired, readers of either
//! kind must find a whole: what the index or the signed metadata offers is there with the right digest, and it is what was
//! offered before or what shall be offered. The same command must then simply work, and lead to what it leads to without a
//! crash.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, writes where it likes, and tells what it counted"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::sync::Arc;

use dcos_core::node::RepositoryFacts;
use dcos_core::{PackageId, Problem, Sha256};
use dcos_repo::server::Server;
use dcos_repo::{Client, Event, Progress, Signer, publisher, signing};
use dcos_store::Store;

/// The system calls by which files and directories change, or are made durable.
const CHANGING: &str = "openat,mkdir,mkdirat,write,fchmod,chmod,fsync,rename,renameat,renameat2,link,linkat,unlink,\
    unlinkat,ftruncate,copy_file_range";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["victim", command, place] => {
            act(command, Path::new(place));
            ExitCode::SUCCESS
        }
        ["--list", ..] => ExitCode::SUCCESS,
        [name, ..] if !name.starts_with('-') && !"crash".contains(name) => ExitCode::SUCCESS,
        _ => {
            let strace = Command::new("strace").arg("-V").output();
            assert!(strace.is_ok_and(|output| output.status.success()), "`strace` is needed (Debian: strace)");
            let points: usize = SCENES.iter().map(play).sum();
            println!("{points} kills: every reader found a whole, and every next command worked");
            assert!(points > 150, "so few points mean that strace counted something else");
            ExitCode::SUCCESS
        }
    }
}

/// A repository before the command, the command, and what is offered before and after it.
struct Scene {
    name: &'static str,
    signed: bool,
    before: &'static [&'static str],
    after: &'static [&'static str],
}

const SCENES: [Scene; 6] = [
    Scene { name: "publish", signed: false, before: &["a--1"], after: &["a--1", "b--1"] },
    Scene { name: "publish-signed", signed: true, before: &["a--1"], after: &["a--1", "b--1"] },
    Scene { name: "refresh", signed: true, before: &["a--1"], after: &["a--1"] },
    Scene { name: "revoke", signed: true, before: &["a--1"], after: &[] },
    Scene { name: "rotate", signed: true, before: &["a--1"], after: &["a--1"] },
    Scene { name: "mirror", signed: true, before: &["a--1"], after: &["a--1", "b--1"] },
];

/// Does one thing to the repository in `place`.
fn act(command: &str, place: &Path) {
    let folder = place.join("repository");
    let signer = || Signer::open(&folder, &place.join("keys")).unwrap();
    let archive = [place.join("b--1.tar.zst")];
    match command {
        "publish" => drop(publisher::publish(&folder, &archive).unwrap()),
        "publish-signed" => drop(publisher::publish_signed(&folder, &archive, &signer()).unwrap()),
        "refresh" => drop(signing::refresh(&folder, &signer()).unwrap()),
        // A repetition finds the work done.
        "revoke" => match signing::revoke(&folder, &signer(), &["a--1".parse().unwrap()]) {
            Ok(()) => {}
            Err(error) => assert_eq!(Problem::from(error).name(), "no-such-package"),
        },
        "rotate" => drop(signing::rotate(&folder, &mut signer(), "timestamp").unwrap()),
        "mirror" => {
            let url = fs::read_to_string(place.join("url")).unwrap();
            let root_json = Some(place.join("root.json"));
            let facts = RepositoryFacts { url, root_json, ca: None, credentials: None };
            let mirrored = dcos_repo::mirror(&facts, &folder, false, Arc::new(Quiet));
            runtime().block_on(mirrored).unwrap();
        }
        other => panic!("no command `{other}`"),
    }
}

struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: &PackageId, _: Event) {}
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn archive(place: &Path, id: &str) -> PathBuf {
    let tree = place.join("trees").join(id);
    fs::create_dir_all(tree.join("lib")).unwrap();
    let (name, version) = id.split_once("--").unwrap();
    let pkginfo = format!(r#"{{"format": 1, "name": "{name}", "version": "{version}", "kind": "plain"}}"#);
    fs::write(tree.join("pkginfo.json"), pkginfo).unwrap();
    fs::write(tree.join("lib/file"), id).unwrap();
    let archive = place.join(format!("{id}.tar.zst"));
    dcos_store::build(&tree, &archive).unwrap();
    archive
}

/// The repository of a scene, as it is before the command.
fn prepare(scene: &Scene, place: &Path) {
    let (folder, keys) = (place.join("repository"), place.join("keys"));
    publisher::init(&folder).unwrap();
    let [first, second] = ["a--1", "b--1"].map(|id| archive(place, id));
    if !scene.signed {
        publisher::publish(&folder, &[first]).unwrap();
        return;
    }
    signing::init(&folder, &keys, 1).unwrap();
    fs::copy(folder.join("metadata/1.root.json"), place.join("root.json")).unwrap();
    publisher::publish_signed(&folder, &[first], &Signer::open(&folder, &keys).unwrap()).unwrap();
    if scene.name != "mirror" {
        return;
    }
    // What is killed is the copy; its source has gone on since it was made.
    let source = place.join("source");
    fs::rename(&folder, &source).unwrap();
    serve(&source, |url| fs::write(place.join("url"), url).unwrap());
    act("mirror", place);
    publisher::publish_signed(&source, &[second], &Signer::open(&source, &keys).unwrap()).unwrap();
}

/// Serves a folder until this process ends.
fn serve(folder: &Path, tell: impl FnOnce(String)) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let server = Server::bind(&folder, ([127, 0, 0, 1], 0).into()).await.unwrap();
            sender.send(server.url()).unwrap();
            server.run().await
        })
    });
    tell(receiver.recv().unwrap());
}

/// Kills the command of the scene at each of its calls; answers how often.
fn play(scene: &Scene) -> usize {
    let original = tempfile::tempdir().unwrap();
    prepare(scene, original.path());
    let points = points(scene, original.path());
    let mut killed = 0;
    for (call, number) in &points {
        let what = format!("{} killed at {call} number {number}", scene.name);
        let place = copy(original.path());
        let inject = format!("inject={call}:signal=KILL:when={number}");
        let output = strace(scene, place.path(), &["-e", &format!("trace={call}"), "-e", &inject, "-o", "/dev/null"]);
        // strace ends as its child did. A mirror's threads don't share their work in the same way each time: what it was
        // not killed at is no point.
        let was_killed = !output.status.success();
        assert!(was_killed || scene.name == "mirror", "{what}: it was not killed");
        killed += usize::from(was_killed);
        let offered = readers(scene, place.path(), &what);
        assert!(offered == scene.before || offered == scene.after, "{what}: {offered:?} is offered");
        act(scene.name, place.path());
        assert_eq!(readers(scene, place.path(), &what), scene.after, "after {what}, done again");
        // Half-written files go, or are hidden from readers.
        let shown = files(&place.path().join("repository"));
        assert!(shown.iter().all(|path| !path.ends_with(".new")), "{what}: {shown:?}");
    }
    println!("{:14} killed at {killed} points", scene.name);
    killed
}

/// What readers of either kind find; all of it must be there.
fn readers(scene: &Scene, place: &Path, what: &str) -> Vec<String> {
    let folder = place.join("repository");
    let plain = publisher::list(&folder).unwrap_or_else(|error| panic!("{what}: {}", Problem::chain(&error)));
    if !scene.signed {
        return whole(
            &folder,
            plain.packages.iter().map(|entry| (&entry.id, entry.url.replace("%2B", "+"), entry.sha256)),
        );
    }
    // One that has never been here, so that nothing but the first root helps it.
    let index = runtime().block_on(async {
        let server = Server::bind(&folder, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let facts = RepositoryFacts {
            url: server.url(),
            root_json: Some(place.join("root.json")),
            ca: None,
            credentials: None,
        };
        tokio::spawn(server.run());
        let fresh = tempfile::tempdir().unwrap();
        let store = Store::open(fresh.path(), None).unwrap();
        Client::new("release", &facts, &store).unwrap().index().await
    });
    let index = index.unwrap_or_else(|error| panic!("{what}: {}", Problem::chain(&error)));
    whole(&folder, index.packages.iter().map(|entry| (&entry.id, entry.url.replace("%2B", "+"), entry.sha256)))
}

/// The ids of what is offered, each of which must be there as it is said to be.
fn whole<'a>(folder: &Path, offered: impl Iterator<Item = (&'a PackageId, String, Sha256)>) -> Vec<String> {
    let check = |(id, path, sha256): (&PackageId, String, Sha256)| {
        let bytes = fs::read(folder.join(&path)).unwrap_or_else(|error| panic!("`{path}` is offered: {error}"));
        assert_eq!(Sha256::of(&bytes), sha256, "{path}");
        id.to_string()
    };
    offered.map(check).collect()
}

/// Every file below a folder that a web server shows.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match path.is_dir() {
            _ if name.starts_with('.') => {}
            true => found.extend(files(&path)),
            false => found.push(name),
        }
    }
    found
}

/// The calls that touch the repository, each with its place among all of the same kind in its thread.
fn points(scene: &Scene, original: &Path) -> Vec<(String, usize)> {
    let place = copy(original);
    let log = place.path().join("strace");
    let options = ["-y", "-e", &format!("trace={CHANGING}"), "-o", log.to_str().unwrap()];
    let output = strace(scene, place.path(), &options);
    assert!(output.status.success(), "{}: {}", scene.name, String::from_utf8_lossy(&output.stderr));
    let folder = place.path().join("repository").to_str().unwrap().to_owned();
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut points = Vec::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
        let count = counts.entry((call.to_owned(), thread.to_owned())).or_default();
        *count += 1;
        // Opening for reading changes nothing.
        let changes = call != "openat" || arguments.contains("O_CREAT");
        let point = (call.to_owned(), *count);
        if changes && arguments.contains(&folder) && !points.contains(&point) {
            points.push(point);
        }
    }
    points
}

fn strace(scene: &Scene, place: &Path, options: &[&str]) -> Output {
    Command::new("strace")
        .args(["-f", "-qq"])
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .args(["victim", scene.name])
        .arg(place)
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap()
}

fn copy(original: &Path) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let status = Command::new("cp").arg("-a").arg(original.join(".")).arg(place.path()).status().unwrap();
    assert!(status.success());
    place
}
