//! Every pair of phase and event: the ones that lead somewhere are listed, all others are refused.

use dcos_restart::phase::{Action, Event, Phase, Step, Way, next};

/// Phase, event, where it leads, and what else is to be done; with a previous set.
const TABLE: &str = "\
planned               Staged     staged                ping
planned               Failed     cancelled             ping close
planned               Cancelled  cancelled             ping close
planned               Expired    cancelled             ping close
planned               Rebooted   cancelled             ping close
staged                Ordered    ordered
staged                Cancelled  cancelled             ping close
staged                Expired    cancelled             ping close
staged                Rebooted   cancelled             ping close
ordered               Ready      forward.stopping      ping
ordered               Expired    cancelled             ping close
ordered               Rebooted   cancelled             ping close
forward.stopping      Gone       forward.stopped       ping
forward.stopping      Failed     forward.stopping
forward.stopping      Rebooted   forward.stopping
forward.stopped       Switched   forward.switched      ping
forward.stopped       Failed     back.stopping         ping
forward.stopped       Rebooted   forward.stopped
forward.switched      Prepared   forward.starting      ping
forward.switched      Failed     back.stopping         ping
forward.switched      Rebooted   forward.switched
forward.starting      Started    forward.watching      ping
forward.starting      Failed     back.stopping         ping
forward.starting      Rebooted   forward.switched      ping
forward.watching      Well       confirmed             ping close
forward.watching      Undecided  unconfirmed           ping close
forward.watching      Failed     back.stopping         remember ping
forward.watching      Rebooted   forward.switched      ping
back.stopping         Gone       back.stopped
back.stopping         Failed     back.stopping
back.stopping         Rebooted   back.stopping
back.stopped          Switched   back.switched
back.stopped          Failed     lost                  ping close
back.stopped          Rebooted   back.stopped
back.switched         Prepared   back.starting
back.switched         Failed     lost                  ping close
back.switched         Rebooted   back.switched
back.starting         Started    back.watching
back.starting         Failed     lost                  ping close
back.starting         Rebooted   back.switched
back.watching         Well       rolled_back           ping close
back.watching         Undecided  rolled_back           ping close
back.watching         Failed     lost                  ping close
back.watching         Rebooted   back.switched
again.stopping        Gone       again.stopped
again.stopping        Failed     again.stopping
again.stopping        Rebooted   again.stopping
again.stopped         Switched   again.switched
again.stopped         Failed     lost
again.stopped         Rebooted   again.stopped
again.switched        Prepared   again.starting
again.switched        Failed     lost
again.switched        Rebooted   again.switched
again.starting        Started    again.watching
again.starting        Failed     lost
again.starting        Rebooted   again.switched
again.watching        Well       rolled_back           ping close
again.watching        Undecided  rolled_back           ping close
again.watching        Failed     lost
again.watching        Rebooted   again.switched
confirmed             Rebooted   confirmed
unconfirmed           Well       confirmed             ping close
unconfirmed           Undecided  unconfirmed
unconfirmed           Failed     back.stopping         remember ping
unconfirmed           Rebooted   unconfirmed
rolled_back           Rebooted   rolled_back
lost                  Well       rolled_back           ping close
lost                  Undecided  lost
lost                  Failed     lost
lost                  Rebooted   lost
lost                  RetryDue   again.stopping
cancelled             Rebooted   cancelled
";

/// The lines that differ on a first start, where there is nothing to go back to.
const FIRST_START: &str = "\
forward.stopped       Failed     lost                  ping close
forward.switched      Failed     lost                  ping close
forward.starting      Failed     lost                  ping close
forward.watching      Failed     lost                  remember ping close
back.watching         Well       confirmed             ping close
back.watching         Undecided  confirmed             ping close
again.watching        Well       confirmed             ping close
again.watching        Undecided  confirmed             ping close
unconfirmed           Failed     lost                  remember ping close
lost                  Well       confirmed             ping close
";

fn name(phase: Phase) -> String {
    match phase {
        Phase::Moving { way, step } => format!("{way:?}.{step:?}").to_lowercase(),
        Phase::RolledBack => "rolled_back".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn line(phase: Phase, event: Event, previous: bool) -> Option<String> {
    let (entered, actions) = next(phase, event, previous).ok()?;
    let actions: Vec<&str> = actions
        .iter()
        .map(|action| match action {
            Action::Ping => "ping",
            Action::RememberFailed => "remember",
            Action::Close => "close",
        })
        .collect();
    let line = format!("{:<21} {:<10} {:<21} {}", name(phase), format!("{event:?}"), name(entered), actions.join(" "));
    Some(line.trim_end().to_owned())
}

fn lines(previous: bool) -> Vec<String> {
    Phase::ALL
        .iter()
        .flat_map(|phase| Event::ALL.iter().filter_map(move |event| line(*phase, *event, previous)))
        .collect()
}

#[test]
fn every_pair_of_phase_and_event_is_as_listed() {
    let mut wanted: Vec<&str> = TABLE.lines().collect();
    let mut found = lines(true);
    wanted.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, wanted);
}

#[test]
fn a_first_start_differs_only_where_there_is_nothing_to_go_back_to() {
    let usual = lines(true);
    let mut different: Vec<String> = lines(false).into_iter().filter(|line| !usual.contains(line)).collect();
    let mut wanted: Vec<&str> = FIRST_START.lines().collect();
    wanted.sort_unstable();
    different.sort_unstable();
    assert_eq!(different, wanted);
}

#[test]
fn each_phase_is_in_the_list_of_all_once() {
    for (place, phase) in Phase::ALL.iter().enumerate() {
        assert!(!Phase::ALL[..place].contains(phase), "{phase:?}");
        let text = serde_json::to_string(phase).unwrap();
        assert_eq!(serde_json::from_str::<Phase>(&text).unwrap(), *phase, "{text}");
    }
    assert!(Phase::ALL.contains(&Phase::Moving { way: Way::Again, step: Step::Watching }));
}

#[test]
fn nothing_is_remembered_against_a_set_of_which_nothing_ran() {
    for phase in Phase::ALL {
        for event in Event::ALL {
            let Ok((_, actions)) = next(phase, event, true) else { continue };
            let ran = matches!(phase, Phase::Moving { way: Way::Forward, step: Step::Watching } | Phase::Unconfirmed);
            assert!(ran || !actions.contains(&Action::RememberFailed), "{phase:?} {event:?}");
        }
    }
}
