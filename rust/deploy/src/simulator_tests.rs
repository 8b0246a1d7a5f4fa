#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{Failover, Report, Sabotage, Scenario, run};

/// As many as `make test` runs.
const RUNS: u64 = 2_000;

const THREADS: usize = 2;

/// The reports of all scenarios, made on as many threads as help.
fn reports(scenarios: &[Scenario]) -> Vec<Report> {
    std::thread::scope(|scope| {
        let part = |first: usize| scenarios.iter().skip(first).step_by(THREADS).cloned().map(run).collect();
        let parts: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || -> Vec<_> { part(first) })).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

fn violations(reports: &[Report]) -> Vec<String> {
    let of = |report: &Report| {
        let (seed, failover) = (report.scenario.seed, report.scenario.failover);
        report.violations.iter().map(|violation| format!("seed {seed} {failover:?}: {violation}")).collect::<Vec<_>>()
    };
    reports.iter().flat_map(of).collect()
}

#[test]
fn the_rules_hold_in_many_runs() {
    let reports = reports(&(1..=RUNS).map(Scenario::of).collect::<Vec<_>>());
    let violations = violations(&reports);
    assert_eq!(violations, [""; 0], "{} violations in {RUNS} runs", violations.len());
    // The runs must be worth something: many deployments went through, many did not, and much came in their way.
    let sum = |count: fn(&Report) -> usize| reports.iter().map(count).sum::<usize>();
    let done = sum(|report| usize::from(report.ending.starts_with("Done")));
    let (started, halts, failovers) = (sum(|it| it.started), sum(|it| it.halts), sum(|it| it.failovers));
    let caught_up = sum(|report| report.caught_up);
    assert!((400..1_600).contains(&done), "{done} of {RUNS} runs ended well");
    assert!(
        started > 3_000 && halts > 500 && failovers > 1_000 && caught_up > 20,
        "{started} starts, {halts} halts, {failovers} failovers, {caught_up} caught up"
    );
}

#[test]
fn the_rules_hold_where_they_once_did_not() {
    // What longer campaigns found. The same seed is another run after any change of what is drawn: these guard little by
    // themselves, and cost nothing.
    let scenarios: Vec<Scenario> = [2_668, 4_447, 5_626, 14_828, 14_966, 64_126].map(Scenario::of).to_vec();
    assert_eq!(violations(&reports(&scenarios)), [""; 0]);
}

#[test]
fn the_rules_hold_when_the_controller_dies_at_any_write() {
    // One of each sort: a master alone, three masters, a canary that breaks, a way back.
    let scenarios: Vec<Scenario> = (1..).map(Scenario::of).filter(|it| it.agents < 6).take(8).collect();
    let at_every_write = |scenario: &Scenario| {
        let calm = Scenario { crashes: 0, bad_writes: 0, lost: 0, ..scenario.clone() };
        let writes = run(calm.clone()).writes;
        let at = move |write: usize| {
            let calm = calm.clone();
            [0, 1, 1_000].map(move |actions| Scenario { failover: Some(Failover { write, actions }), ..calm.clone() })
        };
        (1..=writes).flat_map(at).collect::<Vec<_>>()
    };
    let reports = reports(&scenarios.iter().flat_map(at_every_write).collect::<Vec<_>>());
    assert!(reports.len() > 500, "{} runs", reports.len());
    assert_eq!(violations(&reports), [""; 0]);
}

#[test]
fn a_run_follows_from_its_seed() {
    for seed in 1..20 {
        assert_eq!(format!("{:?}", run(Scenario::of(seed))), format!("{:?}", run(Scenario::of(seed))));
    }
}

#[test]
fn the_rules_hold_over_many_nodes() {
    let scenarios: Vec<Scenario> = (0..6).map(|seed| Scenario::large(seed, 300)).collect();
    assert_eq!(violations(&reports(&scenarios)), [""; 0]);
}

#[test]
fn every_rule_can_be_broken_and_that_shows() {
    for (sabotage, shows) in [
        (Sabotage::NoLimit, "are under way and"),
        (Sabotage::NoCanary, "were touched, and the canary is"),
        (Sabotage::ForgetsHalts, "though halt"),
        (Sabotage::HaltsTooSoon, "though halt"),
        (Sabotage::WaitsForTheDead, "was dead"),
        (Sabotage::SkipsMasters, "was passed over"),
        (Sabotage::ForgetsStarts, "is done twice"),
        (Sabotage::AgentsFirst, "starts before the master"),
        (Sabotage::IgnoresRegistry, "goes back below what its registry demands"),
        (Sabotage::StandsStill, "does not end"),
    ] {
        let broken = |seed| {
            let mut scenario = Scenario { sabotage: Some(sabotage), ..Scenario::of(seed) };
            if sabotage == Sabotage::IgnoresRegistry {
                // Few runs take masters back: each of them shall have something to ignore.
                scenario.demands = vec!["SOMETHING_NEW".to_owned()];
            }
            run(scenario)
        };
        let noticed = |report: &Report| report.violations.iter().any(|violation| violation.contains(shows));
        assert!((1..=400).map(broken).any(|report| noticed(&report)), "{sabotage:?} goes unnoticed");
    }
    assert_eq!(Sabotage::ALL.len(), 10, "each has its line above");
}
