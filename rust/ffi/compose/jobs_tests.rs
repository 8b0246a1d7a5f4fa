//! The worker is a script of a few lines here, since what is tested is the life of a process and of its file; the real
//! `dcos-pkg` is tested where it is, and behind a real `dcos-node` in `tests/it/node.rs`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Instant;

use dcos_core::clock::SystemClock;
use dcos_core::job::WorkerProcess;
use dcos_core::node::DeployFacts;
use dcos_store::Store;
use tempfile::TempDir;

use super::*;

/// Nothing here takes that long unless it is broken.
const DEADLINE: Duration = Duration::from_secs(30);

const FINISH: &str = r#"sed -i 's/"state": "running"/"state": "done"/' "$file""#;

struct Bench {
    root: TempDir,
    jobs: Arc<Jobs>,
}

impl Bench {
    /// Jobs whose worker is a shell script; `$file` is the job's file and `$root` the node's root.
    fn new(script: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_str().unwrap();
        let program = root.path().join("worker");
        let head =
            format!("#!/bin/sh\nset -eu\nroot={path}\nfile={path}/state/jobs/$5.json\necho \"$$\" >> $root/starts\n");
        fs::write(&program, format!("{head}{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { jobs: jobs(root.path(), program), root }
    }

    fn fetch(&self, ids: &[&str]) -> Job {
        self.jobs.fetch(request(ids), &Principal(Some("operator".to_owned())), |_| None).unwrap()
    }

    /// How often a worker was started.
    fn starts(&self) -> usize {
        fs::read_to_string(self.root.path().join("starts")).unwrap_or_default().lines().count()
    }

    /// The job once `done` says so of it.
    fn wait(&self, id: &str, done: impl Fn(&Job) -> bool) -> Job {
        until(|| self.jobs.get(id).ok().filter(&done))
    }

    fn end(&self, id: &str) -> Job {
        self.wait(id, |job| job.state != JobState::Running)
    }

    fn write(&self, job: &Job) {
        self.jobs.write(job).unwrap();
    }
}

fn jobs(root: &Path, program: PathBuf) -> Arc<Jobs> {
    let store = Arc::new(Store::open(root, None).unwrap());
    let workers = Workers::new(Box::new(move || Ok(program.clone())), root.join("node.toml"));
    let deploy = DeployFacts { masters: vec!["http://127.0.0.1:9".to_owned()], ..DeployFacts::default() };
    let patience = Patience { pause: Duration::from_millis(1), end: Duration::from_millis(200) };
    Jobs::new(store, Arc::new(SystemClock), workers, Origins::of(&deploy), 2, patience)
}

fn request(ids: &[&str]) -> FetchRequest {
    let package = |id: &&str| FetchPackage { id: id.parse().unwrap(), url: None, sha256: None };
    FetchRequest { packages: ids.iter().map(package).collect(), callback: None }
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < DEADLINE, "it did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A process that a Mesos before this one could have left.
fn left_over() -> (Child, WorkerProcess) {
    let child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
    let start_time = until(|| dcos_store::process::start_time(child.id()));
    let worker = WorkerProcess { pid: child.id(), start_time };
    (child, worker)
}

#[test]
fn a_worker_does_the_job_and_is_reaped() {
    let bench = Bench::new(FINISH);
    let job = bench.fetch(&["b--1", "a--1", "a--1"]);
    assert_eq!((job.state, job.created_by.as_deref()), (JobState::Running, Some("operator")));
    let ids: Vec<_> = job.packages.iter().map(|package| package.id.to_string()).collect();
    assert_eq!(ids, ["a--1", "b--1"]);
    bench.end(&job.id);
    until(|| bench.jobs.lock().is_empty().then_some(()));
    assert_eq!(bench.starts(), 1);
    let pid = fs::read_to_string(bench.root.path().join("starts")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "the worker is still there, dead or alive");
}

#[test]
fn a_worker_has_a_group_of_its_own_and_nothing_of_its_parent() {
    let bench = Bench::new(&format!(
        "env > $root/env\nps -o pgid= -p $$ > $root/group\npwd > $root/pwd\nio=$(readlink /proc/$$/fd/[012])\necho \"$io\" > $root/io\n{FINISH}"
    ));
    bench.end(&bench.fetch(&["a--1"]).id);
    let text = |name: &str| fs::read_to_string(bench.root.path().join(name)).unwrap();
    assert_eq!(text("group").trim(), text("starts").trim());
    assert_eq!(text("pwd").trim(), "/");
    // Cargo gives its tests many variables, as Mesos has many flags in its environment.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!text("env").contains("CARGO"), "{}", text("env"));
    assert_eq!(text("io"), "/dev/null\n".repeat(3));
}

#[test]
fn what_is_local_needs_no_worker() {
    let bench = Bench::new("exit 1");
    let there = Sha256::of(b"there");
    let job = bench.jobs.fetch(request(&["a--1"]), &Principal(None), |_| Some(there)).unwrap();
    assert_eq!((job.state, job.packages[0].state), (JobState::Done, JobPackageState::Present));
    assert_eq!(bench.jobs.get(&job.id).unwrap(), job);

    // One of another digest is not what was asked for.
    let mut other = request(&["a--1"]);
    other.packages[0].sha256 = Some(Sha256::of(b"other"));
    let job = bench.jobs.fetch(other, &Principal(None), |_| Some(there)).unwrap();
    assert_eq!(job.packages[0].state, JobPackageState::Waiting);
    assert_eq!(bench.end(&job.id).state, JobState::Failed);
}

#[test]
fn a_worker_that_dies_is_started_again_and_given_up_after_three_times() {
    let bench = Bench::new(&format!("[ $(wc -l < $root/starts) = 3 ] || kill -KILL $$\n{FINISH}"));
    assert_eq!(bench.end(&bench.fetch(&["a--1"]).id).state, JobState::Done);
    assert_eq!(bench.starts(), 3);

    let bench = Bench::new("exit 101");
    let job = bench.end(&bench.fetch(&["a--1"]).id);
    let problem = job.problem.unwrap();
    assert_eq!((job.state, problem.name(), bench.starts()), (JobState::Failed, "worker-died", 3));
    assert!(problem.detail.contains("exit status: 101"), "{}", problem.detail);
    assert!(job.finished_at.is_some());
}

#[test]
fn a_job_without_a_program_fails_and_says_so() {
    let root = tempfile::tempdir().unwrap();
    let jobs = jobs(root.path(), root.path().join("nothing"));
    let job = jobs.fetch(request(&["a--1"]), &Principal(None), |_| None).unwrap();
    let job = until(|| jobs.get(&job.id).ok().filter(|job| job.state == JobState::Failed));
    assert!(job.problem.unwrap().detail.contains("nothing` failed: No such file"));
}

#[test]
fn a_withdrawn_job_has_no_process_left() {
    // The second is started by the worker, in its group; the third does not listen to SIGTERM.
    for script in ["exec sleep 1000", "sleep 1000", "trap '' TERM; while :; do sleep 1000; done"] {
        let bench = Bench::new(script);
        let job = bench.fetch(&["a--1"]);
        until(|| (bench.starts() == 1).then_some(()));
        let group = fs::read_to_string(bench.root.path().join("starts")).unwrap();
        let cancelled = bench.jobs.cancel(&job.id).unwrap();
        assert_eq!(cancelled.state, JobState::Cancelled, "{script}");
        // What was the worker's child is init's to reap, so the dead don't count.
        let alive = || Command::new("pgrep").args(["-r", "D,R,S", "-g", group.trim()]).output().unwrap();
        until(|| alive().stdout.is_empty().then_some(()));
        // Once more changes nothing.
        assert_eq!(bench.jobs.cancel(&job.id).unwrap(), cancelled);
    }
}

#[test]
fn a_worker_that_outlived_its_mesos_is_watched_and_not_doubled() {
    let bench = Bench::new(FINISH);
    let (mut child, worker) = left_over();
    let mut job = Job::fetch("fetch-1", ["a--1".parse().unwrap()], jiff::Timestamp::now());
    job.worker = Some(worker);
    bench.write(&job);
    bench.jobs.resume();
    until(|| bench.jobs.lock().get("fetch-1").and_then(|live| live.worker));
    assert_eq!(bench.starts(), 0);

    // It dies at its work: another one goes on.
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(bench.end("fetch-1").state, JobState::Done);
    assert_eq!(bench.starts(), 1);
}

#[test]
fn a_worker_that_outlived_its_mesos_can_be_withdrawn() {
    let bench = Bench::new("exit 1");
    let (mut child, worker) = left_over();
    let mut job = Job::fetch("fetch-1", ["a--1".parse().unwrap()], jiff::Timestamp::now());
    job.worker = Some(worker);
    bench.write(&job);
    let waiter = std::thread::spawn(move || child.wait().unwrap());
    assert_eq!(bench.jobs.cancel("fetch-1").unwrap().state, JobState::Cancelled);
    assert!(!waiter.join().unwrap().success());
    assert_eq!(bench.starts(), 0);
}

#[test]
fn a_job_whose_worker_is_gone_is_taken_up() {
    let bench = Bench::new(FINISH);
    let mut job = Job::fetch("fetch-1", ["a--1".parse().unwrap()], jiff::Timestamp::now());
    // A process of that number is there: this one. It did not start then.
    job.worker = Some(WorkerProcess { pid: std::process::id(), start_time: 1 });
    bench.write(&job);
    bench.jobs.resume();
    assert_eq!(bench.end("fetch-1").state, JobState::Done);
}

#[test]
fn who_asks_for_the_same_gets_the_same_job_and_only_so_many_run() {
    let bench = Bench::new("exec sleep 1000");
    let (one, two) = (bench.fetch(&["a--1"]), bench.fetch(&["b--1"]));
    assert_eq!(bench.fetch(&["a--1"]).id, one.id);
    let refused = bench.jobs.fetch(request(&["c--1"]), &Principal(None), |_| None).unwrap_err();
    assert_eq!((refused.status, refused.name()), (409, "too-many-jobs"));
    let listed: Vec<_> = bench.jobs.all().unwrap().0.into_iter().map(|job| job.id).collect();
    assert_eq!(listed, [two.id.clone(), one.id.clone()]);
    for id in [one.id, two.id] {
        bench.jobs.cancel(&id).unwrap();
    }
}

#[test]
fn each_kind_of_job_has_a_worker_and_what_differs_is_another_job() {
    let bench = Bench::new("exec sleep 1000");
    let nobody = Principal(None);
    let everything = || Ok(vec!["a--1".parse().unwrap(), "b--1".parse().unwrap()]);
    let care = |kind, ids: &[&str]| {
        let packages = ids.iter().map(|id| id.parse().unwrap()).collect();
        bench.jobs.care(kind, CareRequest { packages, callback: None }, &nobody, everything).unwrap()
    };
    let verify = care(JobKind::Verify, &[]);
    let ids: Vec<_> = verify.packages.iter().map(|package| package.id.to_string()).collect();
    assert_eq!((verify.kind, ids), (JobKind::Verify, vec!["a--1".to_owned(), "b--1".to_owned()]));
    assert!(verify.id.starts_with("verify-"));
    assert_eq!(care(JobKind::Verify, &["b--1", "a--1", "a--1"]).id, verify.id);
    let gc = |dry_run| bench.jobs.gc(GcRequest { dry_run, callback: None }, &nobody);
    let dry = gc(true).unwrap();
    assert!(dry.dry_run && dry.id != verify.id);
    assert_eq!(gc(true).unwrap().id, dry.id);
    // Two are under way, which is what the limit is; a real collection is neither of them.
    assert_eq!(gc(false).unwrap_err().name(), "too-many-jobs");
    assert_eq!(bench.jobs.cancel(&verify.id).unwrap().state, JobState::Cancelled);
    let real = gc(false).unwrap();
    assert_ne!(real.id, dry.id);
    let elsewhere = GcRequest { dry_run: true, callback: Some("http://elsewhere/".to_owned()) };
    assert_eq!(bench.jobs.gc(elsewhere, &nobody).unwrap_err().name(), "origin-not-allowed");
    // Nothing to look at needs no worker.
    let request = CareRequest::default();
    let none = bench.jobs.care(JobKind::Repair, request, &nobody, || Ok(Vec::new())).unwrap();
    assert_eq!((none.state, none.packages.len()), (JobState::Done, 0));
    for id in [dry.id, real.id] {
        bench.jobs.cancel(&id).unwrap();
    }
}

#[test]
fn callers_who_come_at_once_get_ids_of_their_own() {
    let bench = Bench::new("exit 1");
    let there = Sha256::of(b"");
    let ids: BTreeSet<String> = std::thread::scope(|scope| {
        let fetch =
            |_| scope.spawn(|| bench.jobs.fetch(request(&["a--1"]), &Principal(None), |_| Some(there)).unwrap().id);
        let threads: Vec<_> = (0..8).map(fetch).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 8, "{ids:?}");
    assert_eq!(bench.jobs.all().unwrap().0.len(), 8);
}

#[test]
fn requests_that_contradict_themselves_are_refused() {
    let bench = Bench::new("exit 1");
    let refused = |change: fn(&mut FetchRequest)| {
        let mut request = request(&["a--1", "a--1"]);
        change(&mut request);
        let problem = bench.jobs.fetch(request, &Principal(None), |_| None).unwrap_err();
        (problem.status, problem.name().to_owned())
    };
    let named = |name: &str| (422, name.to_owned());
    assert_eq!(refused(|it| it.packages[0].url = Some("http://a/b".to_owned())), named("digest-missing"));
    assert_eq!(refused(|it| it.packages[0].sha256 = Some(Sha256::of(b""))), named("invalid-request"));
    assert_eq!(refused(|it| it.callback = Some("http://elsewhere/".to_owned())), named("origin-not-allowed"));
    assert!(bench.jobs.all().unwrap().0.is_empty());
}

/// The worker tells the caller of an end that it wrote; one that finds the job ended does nothing else.
#[test]
fn a_caller_is_told_of_every_end_by_a_worker() {
    let told = r#"grep -q '"state": "running"' "$file" || exit 0"#;
    let asked = |bench: &Bench, present: Option<Sha256>| {
        let mut request = request(&["a--1"]);
        request.callback = Some("http://127.0.0.1:9/done?by=me".to_owned());
        bench.jobs.fetch(request, &Principal(None), |_| present).unwrap()
    };
    let quiet = |bench: &Bench| until(|| bench.jobs.lock().is_empty().then_some(()));

    // A worker that does the job tells by itself.
    let bench = Bench::new(&format!("{told}\n{FINISH}"));
    bench.end(&asked(&bench, None).id);
    quiet(&bench);
    assert_eq!(bench.starts(), 1);

    // What was local from the start, what was given up and what was withdrawn is told by one more.
    let bench = Bench::new(told);
    assert_eq!(asked(&bench, Some(Sha256::of(b""))).state, JobState::Done);
    until(|| (bench.starts() == 1).then_some(()));

    let bench = Bench::new(&format!("{told}\nexit 1"));
    assert_eq!(bench.end(&asked(&bench, None).id).state, JobState::Failed);
    until(|| (bench.starts() == 4).then_some(()));

    let bench = Bench::new(&format!("{told}\nexec sleep 1000"));
    let job = asked(&bench, None);
    until(|| (bench.starts() == 1).then_some(()));
    assert_eq!(bench.jobs.cancel(&job.id).unwrap().state, JobState::Cancelled);
    until(|| (bench.starts() == 2).then_some(()));
}

#[test]
fn old_jobs_are_forgotten_and_running_ones_never() {
    let bench = Bench::new("exec sleep 1000");
    let kept = bench.fetch(&["kept--1"]);
    for count in 0..REMEMBERED + 5 {
        let mut job = Job::fetch(format!("fetch-1999-{count:04}"), ["a--1".parse().unwrap()], jiff::Timestamp::now());
        job.state = JobState::Done;
        bench.write(&job);
    }
    let newest = bench.jobs.fetch(request(&["b--1"]), &Principal(None), |_| Some(Sha256::of(b""))).unwrap();
    let ids: Vec<_> = bench.jobs.all().unwrap().0.into_iter().map(|job| job.id).collect();
    assert_eq!(ids.len(), REMEMBERED + 2);
    assert!(ids.contains(&kept.id) && ids.contains(&newest.id) && !ids.contains(&"fetch-1999-0004".to_owned()));
    bench.jobs.cancel(&kept.id).unwrap();
}

#[test]
fn a_file_that_is_no_job_is_named_and_hides_no_other() {
    let bench = Bench::new(FINISH);
    let job = bench.end(&bench.fetch(&["a--1"]).id);
    bench.jobs.store.write_state("jobs/fetch-0.json", b"{").unwrap();
    let mut newer = job.clone();
    newer.format = 2;
    bench.jobs.store.write_state("jobs/fetch-2.json", &serde_json::to_vec(&newer).unwrap()).unwrap();
    let (jobs, problems) = bench.jobs.all().unwrap();
    assert_eq!(jobs, [job]);
    let details: Vec<_> = problems.iter().map(|problem| problem.detail.as_str()).collect();
    assert!(details[0].contains("fetch-2.json` has format 2") && details[1].contains("fetch-0.json"), "{details:?}");
    for id in ["fetch-9", "../journal", ""] {
        assert_eq!(bench.jobs.get(id).unwrap_err().name(), "no-such-job", "{id}");
    }
}

#[test]
fn what_the_repositories_offer_is_what_the_worker_says() {
    let list = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http-api/pkg/available.json"));
    let bench = Bench::new("exit 1");
    let ask = |script: &str| {
        let program = bench.root.path().join("ask");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        jobs(bench.root.path(), program).available()
    };
    let told = ask(&format!("[ \"$3 $4\" = 'available --json' ] && cat <<'END'\n{list}\nEND"));
    assert_eq!(told.unwrap(), serde_json::from_str(list).unwrap());
    let problem = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http-api/problem.json"));
    assert_eq!(ask(&format!("cat <<'END'\n{problem}\nEND\nexit 4")).unwrap_err().name(), "not-local");
    assert_eq!(ask("exit 7").unwrap_err().name(), "worker-failed");
    assert_eq!(ask("echo nonsense").unwrap_err().name(), "worker-failed");
}
