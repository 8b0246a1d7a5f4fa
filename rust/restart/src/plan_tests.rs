#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dcos_core::attempt::AttemptState;
use dcos_core::node::NodeConfig;
use dcos_core::ports::Generation;
use dcos_core::validate::{Finding, Report};
use dcos_core::{PackageSet, Problem};

use super::{Doomed, Facts, LastAttempt, PlanStep, Refusal, Request, foresee, plan, refuse_all};
use crate::records::FailedSet;

fn set(ids: &[&str]) -> PackageSet {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

struct Situation {
    node: NodeConfig,
    active: Option<Generation>,
    last: Option<LastAttempt>,
    known: Vec<String>,
    term: u64,
    failed: Option<FailedSet>,
    report: Report,
    machine: Vec<Finding>,
    unclean: Vec<Finding>,
    doomed: Doomed,
}

impl Situation {
    fn calm() -> Self {
        let node = "role = 'agent'\ngroup = 'a'\n[mesos]\nip = '127.0.0.1'\nport = 5051\nmaster = '127.0.0.1:5050'\n\
                    work_dir = '/w'\n[deploy]\nmasters = ['http://10.0.0.1:5050']\n\
                    allowed_origins = ['https://watcher.example']";
        Self {
            node: NodeConfig::parse(node).unwrap(),
            active: Some(Generation {
                number: 3,
                set: set(&["mesos--1.10.0", "c--1"]),
                mesos_version: "1.10.0".to_owned(),
                modules: vec![],
            }),
            last: None,
            known: vec!["first".to_owned()],
            term: 7,
            failed: None,
            report: Report { valid: true, ..Report::default() },
            machine: vec![],
            unclean: vec![],
            doomed: Doomed::Known(vec![]),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            node: &self.node,
            active: self.active.as_ref(),
            last: self.last.as_ref(),
            known_attempts: &self.known,
            term: self.term,
            failed: self.failed.as_ref(),
            report: &self.report,
            machine: &self.machine,
            unclean: &self.unclean,
            doomed: &self.doomed,
            last_absence_ms: Some(900),
        }
    }

    fn plan(&self, request: &Request) -> Result<super::Plan, Refusal> {
        plan(request, self.facts())
    }

    fn foresee(&self, request: &Request) -> (super::Plan, Vec<Refusal>) {
        foresee(request, self.facts())
    }
}

fn request() -> Request {
    Request { set: set(&["mesos--1.11.0", "c--1"]), attempt: "d1-2".to_owned(), term: 7, ..Request::default() }
}

/// The stable name and the sentence of a refusal.
fn refused(situation: &Situation, request: &Request) -> (String, String) {
    let problem = Problem::from(situation.plan(request).unwrap_err());
    (problem.name().to_owned(), problem.detail)
}

#[test]
fn a_calm_node_is_planned_for() {
    let plan = Situation::calm().plan(&request()).unwrap();
    assert_eq!(plan.steps, [PlanStep::Stop, PlanStep::Switch, PlanStep::Start, PlanStep::Watch]);
    assert_eq!(plan.from, set(&["mesos--1.10.0", "c--1"]));
    assert_eq!(plan.absence_estimate_ms, Some(900));
    assert_eq!(serde_json::to_value(&plan).unwrap()["steps"][0], "stop");
}

#[test]
fn each_reason_against_it_has_its_name_and_its_sentence() {
    let calm = Situation::calm;
    let failed = FailedSet {
        digest: request().set.digest(),
        set: request().set,
        attempt: "d0".to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
        detail: "Mesos has ended".to_owned(),
    };
    let finding = Finding { code: "no-mesos".to_owned(), packages: vec![], message: "no".to_owned(), hint: None };
    let running = |over| Some(LastAttempt { attempt: "other".to_owned(), state: AttemptState::Watching, over });
    let cases = [
        (calm(), Request { attempt: "a b".to_owned(), ..request() }, "invalid-attempt", "`a b` can't name an attempt"),
        (calm(), Request { attempt: String::new(), ..request() }, "invalid-attempt", "`` can't name"),
        (
            calm(),
            Request { clean: true, ..request() },
            "clean-unconfirmed",
            "a clean restart wipes `/w`, 0 tasks would",
        ),
        (
            calm(),
            Request { report_to: Some("http://10.0.0.9:5050/x".to_owned()), ..request() },
            "origin-not-allowed",
            "`http://10.0.0.9:5050/x` is not an origin",
        ),
        (calm(), Request { term: 6, ..request() }, "old-term", "of term 6, and this node has followed term 7"),
        (Situation { last: running(false), ..calm() }, request(), "attempt-running", "`other` is under way (watching)"),
        (calm(), Request { attempt: "first".to_owned(), ..request() }, "attempt-known", "an attempt `first`"),
        (calm(), Request { set: set(&["mesos--1.10.0", "c--1"]), ..request() }, "already-active", "generation 3"),
        (
            Situation { report: Report { valid: false, problems: vec![finding], notes: vec![] }, ..calm() },
            request(),
            "invalid-set",
            "not valid on this node: one problem found",
        ),
        (
            Situation { failed: Some(failed), ..calm() },
            request(),
            "failed-before",
            "failed here in attempt `d0` at 1970-01-01T00:00:00Z: Mesos has ended",
        ),
        (
            Situation { doomed: Doomed::Known(vec!["f/t".to_owned()]), ..calm() },
            request(),
            "task-loss",
            "one task of frameworks that do not checkpoint would die: `f/t`",
        ),
    ];
    for (situation, request, name, sentence) in cases {
        let (kind, detail) = refused(&situation, &request);
        assert_eq!(kind, name, "{detail}");
        assert!(detail.contains(sentence), "{name}: {detail}");
    }
}

#[test]
fn what_may_be_overridden_can_be() {
    let mut situation = Situation::calm();
    situation.doomed = Doomed::Known(vec!["f/t".to_owned()]);
    let plan = situation.plan(&Request { allow_task_loss: true, ..request() }).unwrap();
    assert_eq!(plan.tasks_lost, ["f/t"]);
    situation.doomed = Doomed::Unknown("it sleeps".to_owned());
    let plan = situation.plan(&request()).unwrap();
    assert_eq!(plan.notes, ["it can't be told which tasks would die: it sleeps"]);
    situation.failed = Some(FailedSet {
        digest: request().set.digest(),
        set: request().set,
        attempt: "d0".to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
        detail: String::new(),
    });
    situation.plan(&Request { retry_failed: true, ..request() }).unwrap();
}

#[test]
fn an_attempt_that_is_over_and_a_person_without_a_term_stand_in_nobodys_way() {
    let mut situation = Situation::calm();
    situation.last = Some(LastAttempt { attempt: "other".to_owned(), state: AttemptState::Lost, over: true });
    situation.plan(&request()).unwrap();
    situation.plan(&Request { term: 0, ..request() }).unwrap();
    situation.plan(&Request { report_to: Some("https://watcher.example:443/cb".to_owned()), ..request() }).unwrap();
    situation.active = None;
    assert!(situation.plan(&request()).unwrap().from.is_empty());
}

#[test]
fn who_only_asks_is_told_everything_at_once() {
    let finding =
        |code: &str| Finding { code: code.to_owned(), packages: vec![], message: code.to_owned(), hint: None };
    let situation = Situation {
        report: Report { valid: false, problems: vec![finding("no-mesos"), finding("no-config")], notes: vec![] },
        machine: vec![finding("disk-space")],
        doomed: Doomed::Known(vec!["f/t".to_owned()]),
        ..Situation::calm()
    };
    let (plan, refusals) = situation.foresee(&request());
    assert_eq!(plan.tasks_lost, ["f/t"], "what would happen is told all the same");
    let problem = refuse_all(refusals).unwrap();
    assert_eq!(problem.name(), "invalid-set");
    let codes: Vec<&str> = problem.problems.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["no-mesos", "no-config", "disk-space", "task-loss"]);
    assert_eq!(refuse_all(vec![]), None);
}

#[test]
fn a_clean_restart_is_confirmed_safe_and_may_be_of_the_same_set() {
    let mut situation = Situation::calm();
    situation.doomed = Doomed::Known(vec!["f/t".to_owned()]);
    let clean = Request { clean: true, yes: true, set: set(&["mesos--1.10.0", "c--1"]), ..request() };
    let plan = situation.plan(&clean).unwrap();
    let steps = [PlanStep::Stop, PlanStep::Wipe, PlanStep::Switch, PlanStep::Start, PlanStep::Watch];
    assert_eq!((plan.steps.as_slice(), plan.tasks_lost.len()), (steps.as_slice(), 1));
    let (name, detail) = refused(&situation, &Request { yes: false, ..clean.clone() });
    assert_eq!((name.as_str(), detail.contains("one task would end")), ("clean-unconfirmed", true), "{detail}");
    situation.unclean =
        vec![Finding { code: "clean-unsafe".to_owned(), packages: vec![], message: "in use".to_owned(), hint: None }];
    assert_eq!(refused(&situation, &clean).0, "clean-unsafe");
}
