//! What a strategy means for a number of agents, and whether it can work at all.

use dcos_api::types::deploy::{Amount, Day, Strategy, Window};
use dcos_core::validate::Finding;
use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// The longest duration in a strategy, in seconds: a week.
const LONGEST: u64 = 7 * 24 * 60 * 60;

const MINUTES_OF_A_DAY: u32 = 24 * 60;

fn bad(message: String) -> Finding {
    Finding { code: "bad-strategy".to_owned(), packages: Vec::new(), message, hint: None }
}

/// Everything that is wrong with a strategy, whatever the cluster: code `bad-strategy`.
pub fn check(strategy: &Strategy) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut amount = |what: &str, amount: Amount| match amount {
        Amount::Count(0) | Amount::Percent(0) => findings.push(bad(format!("{what} is `{amount}`: nothing"))),
        Amount::Percent(101..) => findings.push(bad(format!("{what} is `{amount}`: more than everything"))),
        Amount::Count(_) | Amount::Percent(_) => {}
    };
    amount("`max_unavailable`", strategy.max_unavailable);
    strategy.waves.iter().for_each(|wave| amount("a wave", *wave));
    if strategy.waves.is_empty() {
        findings.push(bad("there are no waves".to_owned()));
    }
    for pair in strategy.waves.windows(2) {
        let falls = match (pair[0], pair[1]) {
            (Amount::Count(first), Amount::Count(second)) | (Amount::Percent(first), Amount::Percent(second)) => {
                second <= first
            }
            (Amount::Count(_), Amount::Percent(_)) | (Amount::Percent(_), Amount::Count(_)) => false,
        };
        if falls {
            let message = "waves say how many agents have had their turn by their end, so they must rise";
            findings.push(bad(format!("wave `{}` follows on wave `{}`: {message}", pair[1], pair[0])));
        }
    }
    if let Some(Amount::Percent(last @ 1..=99)) = strategy.waves.last() {
        findings.push(bad(format!("the waves end at `{last}%` of the agents: the last one must be `100%`")));
    }
    if !(1..=100).contains(&strategy.fetch_share) {
        findings.push(bad(format!("`fetch_share` is {}: not from 1 to 100 percent", strategy.fetch_share)));
    }
    for (what, seconds, least) in [
        ("node_timeout", Some(strategy.node_timeout), 1),
        ("fetch_timeout", Some(strategy.fetch_timeout), 1),
        ("soak", Some(strategy.soak), 0),
        ("pulse", strategy.pulse, 1),
    ] {
        if let Some(seconds) = seconds.filter(|seconds| !(least..=LONGEST).contains(seconds)) {
            findings.push(bad(format!("`{what}` is {seconds}: not from {least} to {LONGEST} seconds")));
        }
    }
    for text in strategy.windows.iter().flat_map(|window| [&window.from, &window.to]) {
        if minute_of_day(text).is_none() {
            findings.push(bad(format!("`{text}` is not a time of the day: `HH:MM` is needed")));
        }
    }
    findings
}

/// How many agents have had their turn by the end of each wave: rising, the last one `agents`. Waves that would add
/// nobody in a cluster of this size are left out.
///
/// # Errors
/// If the waves end before all agents have had their turn.
pub fn wave_ends(waves: &[Amount], agents: usize) -> Result<Vec<usize>, Finding> {
    let mut ends = Vec::new();
    for wave in waves {
        let end = share(*wave, agents);
        if end > ends.last().copied().unwrap_or(0) {
            ends.push(end);
        }
    }
    match ends.last().copied().unwrap_or(0) {
        reached if reached < agents => {
            Err(bad(format!("the waves end at {reached} of {agents} agents: let the last one be `100%`")))
        }
        _ => Ok(ends),
    }
}

/// How many of `agents` may be away at once: at least one.
pub fn limit(amount: Amount, agents: usize) -> usize {
    match amount {
        Amount::Count(count) => usize::try_from(count).unwrap_or(usize::MAX).max(1),
        // Rounded down: `10%` of 19 agents is one, not two.
        Amount::Percent(percent) => (agents * usize::try_from(percent.min(100)).unwrap_or(100) / 100).max(1),
    }
}

/// That part of `agents`, rounded up, at most all.
pub fn share(amount: Amount, agents: usize) -> usize {
    match amount {
        Amount::Count(count) => usize::try_from(count).unwrap_or(usize::MAX).min(agents),
        Amount::Percent(percent) => (agents * usize::try_from(percent.min(100)).unwrap_or(100)).div_ceil(100),
    }
}

/// Whether restarts may begin at `at`.
pub fn is_open(windows: &[Window], at: Timestamp) -> bool {
    let time = at.to_zoned(TimeZone::UTC);
    let minute = u32::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).unwrap_or(0);
    let (today, yesterday) = (time.weekday(), time.weekday().previous());
    let on = |window: &Window, day: Weekday| window.days.is_empty() || window.days.iter().any(|it| weekday(*it) == day);
    windows.is_empty()
        || windows.iter().any(|window| match (minute_of_day(&window.from), minute_of_day(&window.to)) {
            (Some(from), Some(to)) if from < to => on(window, today) && (from..to).contains(&minute),
            (Some(from), Some(to)) => (on(window, today) && minute >= from) || (on(window, yesterday) && minute < to),
            _ => false,
        })
}

fn minute_of_day(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str, below: u32| {
        let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        two.then(|| digits.parse::<u32>().ok()).flatten().filter(|number| *number < below)
    };
    Some(number(hour, 24)? * 60 + number(minute, 60)?).filter(|minutes| *minutes < MINUTES_OF_A_DAY)
}

const fn weekday(day: Day) -> Weekday {
    match day {
        Day::Mon => Weekday::Monday,
        Day::Tue => Weekday::Tuesday,
        Day::Wed => Weekday::Wednesday,
        Day::Thu => Weekday::Thursday,
        Day::Fri => Weekday::Friday,
        Day::Sat => Weekday::Saturday,
        Day::Sun => Weekday::Sunday,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use dcos_api::types::deploy::{Amount, Day, Strategy, Window};

    use super::{check, is_open, limit, wave_ends};

    fn amounts(texts: &[&str]) -> Vec<Amount> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_default_is_a_canary_and_then_everybody() {
        let strategy = Strategy::default();
        assert_eq!(check(&strategy), []);
        assert_eq!(wave_ends(&strategy.waves, 5).unwrap(), [1, 5]);
        assert_eq!(wave_ends(&strategy.waves, 1).unwrap(), [1]);
        assert_eq!(wave_ends(&strategy.waves, 0).unwrap(), [0_usize; 0]);
    }

    #[test]
    fn impossible_strategies_are_refused() {
        let with = |change: &dyn Fn(&mut Strategy)| {
            let mut strategy = Strategy::default();
            change(&mut strategy);
            check(&strategy)
        };
        let window = |from: &str, to: &str| Window { days: Vec::new(), from: from.to_owned(), to: to.to_owned() };
        let refused: [&dyn Fn(&mut Strategy); 16] = [
            &|it| it.waves = Vec::new(),
            &|it| it.waves = amounts(&["0%", "100%"]),
            &|it| it.waves = amounts(&["200%"]),
            &|it| it.waves = amounts(&["10%", "50%"]),
            &|it| it.waves = amounts(&["50%", "10%", "100%"]),
            &|it| it.waves = amounts(&["3", "3", "100%"]),
            &|it| it.max_unavailable = Amount::Count(0),
            &|it| it.max_unavailable = Amount::Percent(200),
            &|it| it.fetch_share = 0,
            &|it| it.fetch_share = 101,
            &|it| it.node_timeout = 0,
            &|it| it.soak = u64::MAX,
            &|it| it.pulse = Some(0),
            &|it| it.windows = vec![window("24:00", "04:00")],
            &|it| it.windows = vec![window("22:00", "4:00")],
            &|it| it.windows = vec![window("22:00", "+4:00")],
        ];
        for (place, change) in refused.iter().enumerate() {
            assert_eq!(with(change).len(), 1, "case {place}");
        }
    }

    #[test]
    fn a_week_is_the_longest_that_anything_may_take() {
        let week = 604_800;
        assert_eq!(check(&Strategy { soak: week, node_timeout: week, ..Strategy::default() }), []);
        assert_eq!(check(&Strategy { soak: week + 1, fetch_timeout: week + 1, ..Strategy::default() }).len(), 2);
    }

    #[test]
    fn waves_that_never_reach_the_end_are_refused_for_the_cluster_at_hand() {
        assert_eq!(wave_ends(&amounts(&["1", "3"]), 3).unwrap(), [1, 3]);
        assert!(wave_ends(&amounts(&["1", "3"]), 4).unwrap_err().message.contains("3 of 4 agents"));
    }

    #[test]
    fn percentages_round_up_for_waves_and_down_for_limits() {
        assert_eq!(wave_ends(&amounts(&["1", "10%", "50%", "100%"]), 19).unwrap(), [1, 2, 10, 19]);
        assert_eq!(wave_ends(&amounts(&["1", "10%", "50%", "100%"]), 2).unwrap(), [1, 2]);
        assert_eq!(limit(Amount::Percent(10), 19), 1);
        assert_eq!(limit(Amount::Percent(10), 3), 1);
        assert_eq!(limit(Amount::Percent(100), 3), 3);
    }

    #[test]
    fn windows_may_go_over_midnight() {
        let window = |days: &[Day], from: &str, to: &str| Window {
            days: days.to_vec(),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        // 2026-11-20 is a Friday.
        let night = [window(&[Day::Fri], "22:00", "04:00")];
        let day = [window(&[], "09:00", "17:00")];
        let all_day = [window(&[], "09:00", "09:00")];
        for (windows, at, open) in [
            (&night, "2026-11-20T21:59:00Z", false),
            (&night, "2026-11-20T22:00:00Z", true),
            (&night, "2026-11-21T03:59:00Z", true),
            (&night, "2026-11-21T04:00:00Z", false),
            (&night, "2026-11-21T22:30:00Z", false),
            (&night, "2026-11-20T03:00:00Z", false),
            (&day, "2026-11-20T09:00:00Z", true),
            (&day, "2026-11-20T17:00:00Z", false),
            // From a time to the same is all day, and not never.
            (&all_day, "2026-11-20T08:59:00Z", true),
            (&all_day, "2026-11-20T09:00:00Z", true),
        ] {
            assert_eq!(is_open(windows, at.parse().unwrap()), open, "{at}");
        }
        assert!(is_open(&[], "2026-11-20T17:00:00Z".parse().unwrap()));
    }
}
