//! What is said of each class and each cause: what the node waits for, what to know, and the next command. Pure, and one
//! exhaustive match each: a class without its words does not compile.

use super::cause::Cause;
use super::class::Class;

/// What the words are about.
#[derive(Clone, Debug)]
pub(super) struct Situation<'a> {
    /// The node.
    pub(super) node: &'a str,
    /// The deployment; empty if it has none.
    pub(super) deployment: &'a str,
    /// The node's own sentence: what it waits for, why it failed.
    pub(super) detail: &'a str,
    /// The oldest halt that stands.
    pub(super) halt: Option<&'a str>,
    /// Whether other nodes run the deployment's new set.
    pub(super) others_changed: bool,
    /// The command that asks for the same change again.
    pub(super) again: String,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Advice {
    /// What the node waits for.
    pub(super) waits_for: String,
    /// The command to type next.
    pub(super) next: String,
    /// What to know, or to do before.
    pub(super) hint: Option<String>,
}

fn advice(waits_for: impl Into<String>, next: impl Into<String>) -> Advice {
    Advice { waits_for: waits_for.into(), next: next.into(), hint: None }
}

impl Advice {
    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What is said of a node of that class.
pub(super) fn advise(class: Class, cause: Option<Cause>, at: &Situation<'_>) -> Advice {
    let Situation { node, deployment: id, detail, .. } = at;
    let watch = || format!("dcos deploy watch {id}");
    let retry = || format!("dcos deploy retry {id}");
    let waits = |next: String| advice(waited_for(detail), next);
    match class {
        Class::Well => advice("nothing", "dcos deploy status"),
        Class::Drift => advice("somebody to say which of the two sets it shall have", "dcos deploy desired")
            .hint("the next deployment of its group brings it in line; `dcos-pkg history` on it says who changed it"),
        Class::Unreachable => advice("its endpoints to answer", "dcos doctor")
            .hint(format!("type it on {node} itself: it says whether Mesos runs there, and what to fix")),
        Class::Unregistered => advice("its registration with the leading master", "dcos doctor")
            .hint(format!("type it on {node} itself; until then its tasks are not under anybody's control")),
        Class::RestartedByOther => {
            advice("the end of a restart that somebody began there", "dcos-restart-helper watch")
                .hint(format!("type it on {node} itself; no deployment of this cluster asked for it"))
        }
        Class::Skipped => advice("nothing: the deployment leaves it as it is", "dcos deploy status"),
        Class::Late => {
            advice("its return: it is brought up to its set when the master lists it again", "dcos deploy nodes")
                .hint("it neither blocks the deployment nor counts against its budget")
        }
        Class::NeverStarted => advice("nothing: its turn never came", retry()),
        Class::KeepsSet => advice("nothing: it was not started, and the others go back to what it has", watch()),
        Class::WaitsHalt => waits(match at.halt {
            Some(halt) => format!("dcos deploy resume {halt}"),
            None => watch(),
        })
        .hint("only an admin clears a halt, by its id; nodes under way are not interrupted by it"),
        Class::WaitsPaused | Class::WaitsStart => waits(format!("dcos deploy start {id}")),
        Class::WaitsStopping => waits(watch()),
        Class::WaitsInventory => waits("dcos deploy nodes".to_owned())
            .hint("the leading master's own list of agents is older than 30 s: does `/master/slaves` answer there?"),
        Class::WaitsPulse => waits("dcos deploy pulse".to_owned())
            .hint("find out first why the monitor is silent: without it nobody watches the cluster"),
        Class::WaitsWindow => waits(watch()).hint("windows are in UTC; `dcos deploy status --json` has them"),
        Class::WaitsSoak | Class::WaitsWave | Class::WaitsOthers | Class::WaitsNext => waits(watch()),
        Class::WaitsMaster => waits("dcos deploy nodes".to_owned())
            .hint("masters are never passed over: the deployment goes on when that one answers"),
        Class::WaitsListed => waits("dcos doctor".to_owned()).hint(format!("type it on {node} itself")),
        Class::WaitsAgain => {
            waits(watch()).hint("nothing was stopped there yet; it counts as failed after `node_timeout`")
        }
        Class::WaitsFetch | Class::WaitsValidation | Class::WaitsOther => waits(watch()),
        Class::Fetching => advice("its packages to arrive", watch()),
        Class::Validating => advice("its own word whether the set can work there", watch()),
        Class::Restarting => advice("its Mesos to come up", watch()),
        Class::RollingBack => advice("its old set to come up again", watch()),
        Class::Unconfirmed => advice("its checks to tell whether it is well", watch())
            .hint("the new set stays meanwhile; it is no target of a rollback until its checks say yes"),
        Class::Doubtful => advice("its checks to tell whether it is well, longer than it was given", retry())
            .hint("the new set runs; what could not be told is mostly not its fault: look at the check first"),
        Class::FetchFailed => advice("its packages", retry())
            .hint(format!("`dcos doctor` on {node} says whether its repositories answer and what they have signed")),
        Class::SetRefused => advice("a set that can work there", format!("{} --dry-run", at.again))
            .hint("every reason is above; the dry run shows them for all nodes, and changes nothing"),
        Class::ValidationSilent => advice("an answer from it", retry()).hint(format!("`dcos doctor` on {node} first")),
        Class::TaskLoss => {
            advice("leave to let these tasks die, or their end", format!("{} --allow-task-loss", at.again))
                .hint("their frameworks do not checkpoint, so no restart spares them; or wait until they have ended")
        }
        Class::FailedBefore => advice("leave to try a set again that failed there", retry())
            .hint("a retry tries it once more; if nothing is different it fails the same way"),
        Class::BeginRefused => advice("the cause to be gone", retry()).hint(format!("`dcos doctor` on {node} first")),
        Class::NoTicket => advice("its readiness to restart", retry()).hint(format!(
            "nothing was stopped there; `dcos-restart-helper status` on {node} says what it does instead"
        )),
        Class::Deadline => advice("its checks, longer than it was given", retry())
            .hint(format!("its helper goes on: look first, by `dcos-restart-helper watch` on {node}")),
        Class::Silent => advice("any word from it", "dcos doctor")
            .hint(format!("type it on {node} itself: its helper works without us, and its Mesos may well run")),
        Class::OtherSet => advice("somebody to say who restarted it meanwhile", "dcos deploy audit")
            .hint(format!("`dcos-pkg history` on {node} has what was active when; then `{}`", retry())),
        Class::FailedOther => advice("the cause to be gone", retry()),
        Class::RolledBack => rolled_back(cause.unwrap_or(Cause::Other), at),
        Class::PutBack => advice("nothing: the deployment was rolled back", "dcos deploy status"),
        Class::Lost => advice("a person on that machine: its helper tries the old set again and again", "dcos doctor")
            .hint(format!("type it on {node} itself; {}", mend(cause.unwrap_or(Cause::Other)))),
    }
}

/// What a waiting node's own sentence names, without the verb.
fn waited_for(detail: &str) -> String {
    match detail {
        "is next" => "its turn, which is next".to_owned(),
        "waits until the master lists it as active" => "the master to list it as active".to_owned(),
        _ => detail.strip_prefix("waits for ").unwrap_or(detail).to_owned(),
    }
}

/// What is said of a node that runs its old set again.
fn rolled_back(cause: Cause, at: &Situation<'_>) -> Advice {
    let id = at.deployment;
    let (waits_for, next) = match (cause.is_of_the_set(), id.is_empty(), at.others_changed) {
        // Begun by somebody at the node.
        (true, true, _) => ("another set", "dcos-restart-helper status".to_owned()),
        (false, true, _) => ("its cause to be gone", "dcos-restart-helper status".to_owned()),
        (true, false, true) => ("another set: this one will fail again", format!("dcos deploy rollback {id}")),
        (true, false, false) => ("another set: this one will fail again", format!("{} --dry-run", at.again)),
        (false, false, _) => ("its cause to be gone", format!("dcos deploy retry {id}")),
    };
    advice(waits_for, next).hint(mend(cause))
}

/// What helps against a cause.
pub(super) fn mend(cause: Cause) -> String {
    let text = match cause {
        Cause::Exited | Cause::Ended => {
            "the last lines of its log say why; a module that ends its Mesos is left out of the set"
        }
        Cause::Crashed => "it crashed: mostly a module's fault; the stack is in the log, and a set without it comes up",
        Cause::Killed => "look into the kernel's log (`journalctl -k`): was it for its memory? else somebody killed it",
        Cause::PortTaken => {
            "another process has its port (`ss -ltnp`): end that, or give `mesos.port` of the node file another"
        }
        Cause::DiskFull => "make room: `df -h` says where, `dcos-pkg gc` removes packages that nothing needs",
        Cause::TooManyFiles => "raise the limit of open files of its unit (`LimitNOFILE=`)",
        Cause::CheckpointRefused => {
            "its options do not go with the agent's checkpoint: `dcos config diff` says which; `--clean` would kill its tasks"
        }
        Cause::LibraryMissing => {
            "the set lacks a library: the log names it; the package that needs it must bring or require it"
        }
        Cause::FlagRefused => {
            "the config has a value that this Mesos refuses: the log names it, `dcos config options` explains it"
        }
        Cause::NotStarted => {
            "its program could not be executed; under systemd `systemctl status` of its unit says more"
        }
        Cause::NotSwitched => {
            "the store could not be changed: room and rights below `root`; `dcos doctor` there checks both"
        }
        Cause::NotWiped => "the work directory has what is not the agent's own: the sentence names it",
        Cause::NoAnswer => "it ran and did not answer in time: it hangs, or listens elsewhere than the node file says",
        Cause::WrongVersion => {
            "the package of Mesos has another version inside than its name says: publish the right one"
        }
        Cause::RecoveryErrors | Cause::NotRecovered => {
            "the agent could not recover its tasks; its log says of which executor"
        }
        Cause::NotRegistered => {
            "was its master reachable then? a deadline that is too short is `health.register_deadline`"
        }
        Cause::OtherAgent => {
            "it came back as another agent, so its tasks would have been lost: `dcos config diff` says by what"
        }
        Cause::NotLeading => {
            "do the other masters and ZooKeeper answer? `/registrar(1)/registry` of the leader tells more"
        }
        Cause::EndpointUnwell => "that module says itself that it is unwell: its own answer stands behind the check",
        Cause::NotSteady => "it was well and unwell in turn: the check that wavered stands above",
        Cause::Other => "the sentence above is all that the node said",
    };
    text.to_owned()
}
