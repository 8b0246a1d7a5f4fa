use std::time::Duration;

use dcos_core::attempt::{Answer, CheckReport};

use super::super::{Check, Finding, Question, Verdict};
use super::{Outcome, Watch};
use crate::moment::Moment;

const HOLD: Duration = Duration::from_secs(5);

fn at(seconds: u64) -> Moment {
    Moment { boot: "b".to_owned(), ms: seconds * 1000 }
}

fn check(name: &str, deadline: u64, excusable: bool) -> Check {
    let question = Question::Path(name.to_owned());
    Check { name: name.to_owned(), question, deadline: Duration::from_secs(deadline), excusable }
}

/// A watch of a fast check and a slow one that depends on others, from second 100 on.
fn watch(baseline: &[CheckReport]) -> Watch {
    Watch::new(vec![check("fast", 10, false), check("slow", 30, true)], HOLD, &at(100), baseline)
}

fn round(watch: &mut Watch, second: u64, verdicts: [Verdict; 2]) -> &'static str {
    let findings = verdicts.into_iter().map(|verdict| Finding::new(verdict, "so")).collect();
    match watch.round(findings, &at(second)) {
        Outcome::Pending(_) => "pending",
        Outcome::Well => "well",
        Outcome::Undecided(_) => "undecided",
        Outcome::Failed(_) => "failed",
    }
}

use Verdict::{CannotTell, No, NotYet, Yes};

#[test]
fn yes_has_to_hold() {
    let mut watch = watch(&[]);
    assert_eq!(round(&mut watch, 101, [Yes, Yes]), "pending");
    assert_eq!(round(&mut watch, 105, [Yes, Yes]), "pending");
    assert_eq!(round(&mut watch, 106, [Yes, Yes]), "well");
}

#[test]
fn a_relapse_begins_the_hold_anew_and_has_its_own_deadline() {
    let mut watch = watch(&[]);
    round(&mut watch, 101, [Yes, Yes]);
    assert_eq!(round(&mut watch, 104, [NotYet, Yes]), "pending");
    assert_eq!(round(&mut watch, 113, [NotYet, Yes]), "pending");
    assert_eq!(round(&mut watch, 113, [Yes, Yes]), "pending");
    assert_eq!(round(&mut watch, 117, [Yes, Yes]), "pending");
    assert_eq!(round(&mut watch, 118, [Yes, Yes]), "well");
}

#[test]
fn not_yet_turns_into_no_at_its_own_deadline() {
    let mut watch = watch(&[]);
    assert_eq!(round(&mut watch, 109, [NotYet, NotYet]), "pending");
    assert_eq!(round(&mut watch, 110, [NotYet, NotYet]), "failed");
    let mut watch = self::watch(&[]);
    assert_eq!(round(&mut watch, 129, [Yes, NotYet]), "pending");
    assert_eq!(round(&mut watch, 130, [Yes, NotYet]), "failed");
}

#[test]
fn no_is_believed_at_once() {
    assert_eq!(round(&mut watch(&[]), 100, [No, Yes]), "failed");
}

#[test]
fn what_can_not_be_told_is_never_a_no() {
    let mut watch = watch(&[]);
    assert_eq!(round(&mut watch, 101, [Yes, CannotTell]), "pending");
    assert_eq!(round(&mut watch, 130, [Yes, CannotTell]), "pending", "the others have to hold too");
    assert_eq!(round(&mut watch, 135, [Yes, CannotTell]), "undecided");
    assert_eq!(round(&mut watch, 500, [Yes, CannotTell]), "undecided");
}

#[test]
fn an_undecided_set_is_confirmed_when_the_master_is_back() {
    let mut watch = watch(&[]);
    round(&mut watch, 101, [Yes, CannotTell]);
    round(&mut watch, 130, [Yes, CannotTell]);
    assert_eq!(round(&mut watch, 135, [Yes, CannotTell]), "undecided");
    // The agent needs time to register: its deadline begins when there is somebody to register with.
    assert_eq!(round(&mut watch, 1000, [Yes, NotYet]), "pending");
    assert_eq!(round(&mut watch, 1089, [Yes, NotYet]), "pending", "its next try may be a minute away");
    assert_eq!(round(&mut watch, 1089, [Yes, Yes]), "pending");
    assert_eq!(round(&mut watch, 1094, [Yes, Yes]), "well");
    // From here on nobody else is to blame.
    assert_eq!(round(&mut watch, 1100, [Yes, NotYet]), "pending");
    assert_eq!(round(&mut watch, 1130, [Yes, NotYet]), "failed");
}

#[test]
fn a_new_helper_does_not_blame_an_unconfirmed_set_for_a_master_that_is_just_back() {
    let mut watch = watch(&[]).without_end();
    assert_eq!(round(&mut watch, 189, [Yes, NotYet]), "pending");
    assert_eq!(round(&mut watch, 190, [Yes, NotYet]), "failed");
    let mut watch = self::watch(&[]);
    assert_eq!(round(&mut watch, 130, [Yes, NotYet]), "failed", "while it is tried there is less time");
}

#[test]
fn a_master_that_has_come_back_is_found_in_time_or_the_set_is_to_blame() {
    let mut watch = watch(&[]).without_end();
    assert_eq!(round(&mut watch, 101, [Yes, CannotTell]), "pending");
    assert_eq!(round(&mut watch, 200, [Yes, NotYet]), "pending");
    assert_eq!(round(&mut watch, 289, [Yes, NotYet]), "pending");
    assert_eq!(round(&mut watch, 290, [Yes, NotYet]), "failed");
}

#[test]
fn a_set_whose_master_comes_and_goes_is_not_blamed_for_it() {
    let mut watch = watch(&[]);
    let mut outcome = |second: u64| {
        round(&mut watch, second, [Yes, if (second / 10).is_multiple_of(2) { CannotTell } else { NotYet }])
    };
    assert!((100..205).all(|second| outcome(second) == "pending"));
    assert_eq!((205..210).map(outcome).find(|outcome| *outcome != "pending"), Some("undecided"));
}

#[test]
fn what_the_old_set_did_not_say_yes_to_is_not_held_against_the_new_one() {
    let baseline =
        |answer| ["slow", "fast"].map(|name| CheckReport { name: name.into(), answer, detail: String::new() });
    for answer in [Answer::CannotTell, Answer::No] {
        let mut excused = watch(&baseline(answer));
        assert_eq!(round(&mut excused, 101, [Yes, No]), "pending");
        round(&mut excused, 130, [Yes, No]);
        assert_eq!(round(&mut excused, 135, [Yes, No]), "undecided");
        let mut own = watch(&baseline(answer));
        assert_eq!(round(&mut own, 101, [No, Yes]), "failed", "what depends on nobody else has no excuse");
    }
    assert_eq!(round(&mut watch(&baseline(Answer::Yes)), 101, [Yes, No]), "failed");
}

#[test]
fn what_never_stays_well_is_a_no_in_the_end() {
    let mut watch = watch(&[]);
    let mut outcome =
        |second: u64| round(&mut watch, second, if second.is_multiple_of(3) { [NotYet, Yes] } else { [Yes, Yes] });
    // Three times the longest deadline and the hold: 105 s.
    assert!((100..205).all(|second| outcome(second) == "pending"));
    assert_eq!((205..210).map(outcome).find(|outcome| *outcome != "pending"), Some("failed"));
}

#[test]
fn a_watch_without_end_gives_as_much_time_as_is_needed() {
    let mut watch = watch(&[]).without_end();
    for second in (1000..3000).step_by(3) {
        assert_ne!(
            round(&mut watch, second, [Yes, if second.is_multiple_of(2) { CannotTell } else { NotYet }]),
            "failed"
        );
    }
}
