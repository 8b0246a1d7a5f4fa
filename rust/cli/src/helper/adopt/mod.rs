//! Taking over a Mesos that a person started, and giving it back.
//!
//! `adopt` reads how it was started, makes a node file and a config of that, and restarts it into a set of ours by an
//! ordinary attempt. What it was before counts as generation 0 from then on ([`dcos_restart::original`]), so the attempt's
//! way back is the original command line. The work directory stays, and with it the agent id and the tasks.
//!
//! `leave` is the same the other way round. Where nothing was adopted it stops our helper, leaves Mesos running, and says
//! how to start it without us.
//!
//! - [`process`]: which process it is, and what it says of itself
//! - [`derive`]: from a command line to a node file and options; pure
//! - [`leave`]: the way out

mod derive;
mod leave;
mod process;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dcos_core::attempt::{AttemptReport, AttemptState};
use dcos_core::clock::{Clock as _, SystemClock};
use dcos_core::validate::SELF;
use dcos_core::{ExitCode, PackageId, PackageSet, PkgInfo, Problem};
use dcos_repo::Repositories;
use dcos_restart::execute::exit_code;
use dcos_restart::original::{self, Original};
use dcos_restart::records::{self, MesosRecord};
use dcos_restart::supervisor::log::BoundedLog;
use dcos_restart::{Request, host};
use dcos_store::{NodeContext, Store};
use serde::Serialize;

use self::process::Found;
use super::args;
use super::attempt::{await_end, render_end, running_line};
use super::bootstrap::{Patience, fetch, files};
use super::place::Place;
use crate::output::{Format, say};

pub(super) use self::leave::leave;

/// What `adopt --dry-run` would do.
#[derive(Debug, Serialize)]
struct Outline {
    pid: u32,
    mesos_version: String,
    agent_id: Option<String>,
    node_file: PathBuf,
    node_toml: String,
    flags: std::collections::BTreeMap<String, String>,
    command_line: String,
}

/// Takes over a Mesos.
pub(super) fn adopt(format: Format, node_file: &Path, arguments: &args::Adopt) -> Result<ExitCode, Problem> {
    let patience = Patience::until(Instant::now() + Duration::from_secs(arguments.deadline));
    let begun = if node_file.exists() { begun(node_file)? } else { None };
    let (place, original) = match begun {
        Some((place, original)) => {
            refuse_other(&place, &original, arguments)?;
            (place, original)
        }
        None => match prepare(format, node_file, arguments, patience)? {
            Some(prepared) => prepared,
            None => return Ok(ExitCode::Done),
        },
    };
    take_charge(&place, &original, arguments)?;
    enter(format, &place, &original.set, "adopt", arguments.allow_task_loss)
}

/// An adoption that was begun on this node: the node file and the original are there.
fn begun(node_file: &Path) -> Result<Option<(Place, Original)>, Problem> {
    let place = Place::find(node_file)?;
    Ok(Original::read(&*place.store)?.map(|original| (place, original)))
}

/// An adoption that was begun is gone on with, and nothing else: not undone on a node that has moved on since, not only
/// described, and not with another set.
fn refuse_other(place: &Place, original: &Original, arguments: &args::Adopt) -> Result<(), Problem> {
    let active = place.store.active()?;
    if active.is_some_and(|active| active.number != original::GENERATION && active.set != original.set) {
        let status = place.restart().status()?;
        let detail = format!("this machine is a node already; {}", running_line(Some(&status)));
        return Err(Problem::new(ExitCode::Refused, "already-a-node", detail)
            .hint("`dcos-restart-helper run --set ID…` restarts it into another set"));
    }
    // What nobody named was found, and is found in the set that was begun with.
    let is_found = |id: &PackageId| {
        ["mesos", SELF, dcos_config::generate::NAME].contains(&id.name().as_str()) && !arguments.set.contains(id)
    };
    let given: PackageSet = arguments.set.iter().cloned().collect();
    let named: PackageSet = original.set.iter().filter(|id| !is_found(id)).cloned().collect();
    if arguments.dry_run || (!given.is_empty() && given != named) {
        let detail = format!("an adoption into {} was begun on this machine", original.set);
        return Err(Problem::new(ExitCode::Refused, "adoption-begun", detail)
            .hint("without `--dry-run` and `--set`, `adopt` goes on with it; `dcos-restart-helper status` says where it stands")
            .hint("`dcos-restart-helper leave` ends it, and another may begin"));
    }
    Ok(())
}

/// Everything that changes nothing about the running Mesos: the node file, the packages, the config.
fn prepare(
    format: Format,
    node_file: &Path,
    arguments: &args::Adopt,
    patience: Patience,
) -> Result<Option<(Place, Original)>, Problem> {
    let root = arguments.root.clone().unwrap_or_else(|| dcos_core::node::DEFAULT_ROOT.into());
    let found = process::find(arguments.pid, &root)?;
    if let Some(unit) = process::keeper(found.pid).filter(|_| !arguments.kept) {
        let detail = format!("process {} is kept by `{unit}`, which would start it again beside ours", found.pid);
        return Err(Problem::new(ExitCode::Refused, "kept-elsewhere", detail)
            .hint(format!(
                "give `{unit}` `Restart=no` and `KillMode=process` (`systemctl edit --runtime`), then `adopt --kept`"
            ))
            .hint(format!("afterwards `systemctl disable {unit}`, so that a boot starts one Mesos only")));
    }
    let answers = process::ask(&found)?;
    let derived = derive::derive(&found, &answers, arguments)?;
    let original = Original {
        format: original::FORMAT,
        program: found.program.clone(),
        arguments: found.arguments.clone(),
        environment: found.environment.clone(),
        directory: found.directory.clone(),
        mesos_version: answers.version.clone(),
        set: PackageSet::default(),
        adopted_at: SystemClock.now(),
    };
    if arguments.dry_run {
        let beside = |name: &str| files::absolute(node_file).with_file_name(name).display().to_string();
        let outline = Outline {
            pid: found.pid,
            mesos_version: answers.version,
            agent_id: answers.agent_id,
            node_file: node_file.to_owned(),
            node_toml: derived.facts.node_toml(beside),
            flags: derived.options.flags,
            command_line: original.command_line(),
        };
        format.print(&outline, render);
        return Ok(None);
    }
    files::write(node_file, &derived.facts).map_err(|problem| match problem.name() {
        // The hints are those of a new machine, which may be told its node file only.
        "node-file-differs" => Problem { hints: Vec::new(), ..problem }
            .hint("move it away, and say by options what it should say: `adopt --help`")
            .hint("what no option says is written into it once the node is adopted"),
        _ => problem,
    })?;
    let place = Place::find(node_file)?;
    let mut set: PackageSet = arguments.set.iter().cloned().collect();
    if set.iter().all(|id| id.name().as_str() != "mesos") {
        let id = format!("mesos--{}", original.mesos_version);
        set = set.with(&[id.parse().map_err(|error| unusable(&id, &error))?]);
    }
    let context = NodeContext { config: place.node.clone(), file: place.node_file.clone() };
    let store = Store::open(&place.node.root, Some(context))?;
    if set.iter().all(|id| id.name().as_str() != SELF) {
        set = set.with(&[newest_of_ours(&place, &store, &set)?]);
    }
    fetch(&place, &set, patience)?;
    if set.iter().all(|id| id.name().as_str() != dcos_config::generate::NAME) {
        let config = add_config(&store, &set, derived.options)?;
        say(&format!("its flags are in {config} now"));
        set = set.with(&[config]);
    }
    // Before anything of ours has a hand on it.
    let report = place.store.validate(&set)?;
    if !report.valid {
        let mut problem = Problem::new(ExitCode::Refused, "invalid-set", "the set is not valid on this node");
        problem.problems = report.problems;
        return Err(problem);
    }
    let original = Original { set, ..original };
    original.write(&*place.store)?;
    Ok(Some((place, original)))
}

fn render(outline: &Outline) -> String {
    let mut lines = vec![format!("process {}: Mesos {}", outline.pid, outline.mesos_version)];
    lines.extend(outline.agent_id.iter().map(|id| format!("agent id: {id}")));
    lines.push(format!("\n{}:\n{}", outline.node_file.display(), outline.node_toml));
    lines.push("flags of its config:".to_owned());
    lines.extend(outline.flags.iter().map(|(name, value)| format!("  {name} = {value}")));
    lines.push(format!("\nif it does not come up again, this is started:\n  {}", outline.command_line));
    lines.push("nothing was changed".to_owned());
    lines.join("\n")
}

fn unusable(id: &str, error: &dyn std::error::Error) -> Problem {
    Problem::new(ExitCode::Refused, "adopt-refused", format!("`{id}` is no package: {}", Problem::chain(error)))
}

/// The newest package of ours for the Mesos of the set: on this machine, or in a repository.
fn newest_of_ours(place: &Place, store: &Store, set: &PackageSet) -> Result<PackageId, Problem> {
    let mesos =
        set.iter().find(|id| id.name().as_str() == "mesos").map(|id| id.version().to_string()).unwrap_or_default();
    let fits =
        |id: &PackageId| id.name().as_str() == SELF && id.version().to_string().ends_with(&format!("+mesos{mesos}"));
    let mut candidates: Vec<PackageId> = store.ids()?.into_iter().filter(fits).collect();
    if candidates.is_empty() {
        let repositories = Repositories::new(&place.node.repositories, store)?;
        let offered = crate::pkg::runtime()?.block_on(repositories.available())?;
        candidates = offered.into_iter().map(|offer| offer.entry.id).filter(fits).collect();
    }
    candidates.into_iter().max_by(|left, right| left.version().cmp(right.version())).ok_or_else(|| {
        let detail = format!("there is no `{SELF}` for Mesos {mesos}, neither here nor in a repository");
        Problem::new(ExitCode::NotFound, "no-such-package", detail)
            .hint("name it by `--set`, or a repository by `--release-url`")
    })
}

/// Makes the config of the options, and adds it to the store.
fn add_config(store: &Store, set: &PackageSet, options: dcos_config::Draft) -> Result<PackageId, Problem> {
    let known: Vec<PkgInfo> = set.iter().map(|id| Ok(store.show(id)?.pkginfo)).collect::<Result<_, Problem>>()?;
    let options = options.finish().map_err(|error| error.problem())?;
    let package = dcos_config::generate(&options, &known).map_err(|error| {
        let mut problem = error.problem();
        problem.detail = "its flags can't be said by a config".to_owned();
        problem
    })?;
    let scratch = tempfile::tempdir().map_err(|error| {
        Problem::new(ExitCode::Unexpected, "no-scratch", format!("can't make a temporary folder: {error}"))
    })?;
    let archive = scratch.path().join(format!("{}.tar.zst", package.id));
    crate::config::pack(&package, &archive)?;
    Ok(store.add_file(&archive, None)?.id)
}

/// From here on the helper is who watches it: writes down which process it is, unless that was done.
fn take_charge(place: &Place, original: &Original, arguments: &args::Adopt) -> Result<(), Problem> {
    if records::mesos(&*place.store)?.is_none() {
        let found: Found = process::find(arguments.pid, &place.node.root)?;
        if found.program != original.program || found.arguments != original.arguments {
            let detail = format!("process {} is not the Mesos whose adoption was begun", found.pid);
            return Err(Problem::new(ExitCode::Conflict, "another-mesos", detail)
                .hint("`dcos-restart-helper leave` forgets that adoption"));
        }
        let log = BoundedLog::of_mesos(&place.node.root);
        let record = MesosRecord {
            format: 1,
            pid: found.pid,
            start_time: found.start_time,
            boot_id: host::boot_id(),
            generation: original::GENERATION,
            // It writes where it always did; what is in our log is of others.
            log_offset: std::fs::metadata(log.path()).map_or(0, |metadata| metadata.len()),
            started_at: original.adopted_at,
        };
        records::keep_mesos(&*place.store, &record)?;
    }
    super::start::start(Format::Text, place, true).map(drop)
}

/// Restarts into `set`, follows that to its end, and tells it.
fn enter(
    format: Format,
    place: &Place,
    set: &PackageSet,
    word: &str,
    allow_task_loss: bool,
) -> Result<ExitCode, Problem> {
    let report = enter_quietly(place, set, word, allow_task_loss)?;
    let status = place.restart().status()?;
    format.print(&report, |report| {
        let mut text = render_end(report, &status);
        if report.state == AttemptState::RolledBack && word == "adopt" {
            text.push_str("\nit runs as it was started before us");
        }
        text
    });
    Ok(exit_code(report.state))
}

/// Restarts into `set` and follows that to its end.
fn enter_quietly(place: &Place, set: &PackageSet, word: &str, allow_task_loss: bool) -> Result<AttemptReport, Problem> {
    let restart = place.restart();
    let status = restart.status()?;
    let name = match status.attempt.filter(|attempt| attempt.set == *set) {
        Some(attempt) => attempt.attempt,
        None if place.store.active()?.is_some_and(|active| active.set == *set) => {
            let last = status.last_attempts.into_iter().find(|attempt| attempt.set == *set);
            last.map(|attempt| attempt.attempt).unwrap_or_default()
        }
        None => {
            let attempt = format!("{word}-{}", jiff::Timestamp::now().as_millisecond());
            let request = Request {
                set: set.clone(),
                attempt: attempt.clone(),
                retry_failed: true,
                allow_task_loss,
                ..Request::default()
            };
            let begun = restart.begin(&request)?;
            if let Some(ticket) = &begun.ticket {
                restart.go(ticket)?;
            }
            attempt
        }
    };
    Ok(await_end(place, &name)?.0)
}

fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| {
        Problem::new(ExitCode::Usage, "unreadable", format!("can't read `{}`: {error}", path.display()))
    })
}
