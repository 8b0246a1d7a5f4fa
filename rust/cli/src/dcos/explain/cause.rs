//! Why an attempt did not come to its set, told from the node's report of it.
//!
//! The protocol between nodes carries sentences, not causes: whoever reads a report may be of another release than whoever
//! wrote it. So a cause is recognised by how its sentence begins, a dead Mesos's by what it said last, and what is not
//! recognised is shown as it is. A test holds the beginnings to the sources that write them.

use dcos_core::attempt::AttemptReport;

use super::listed::listed;

listed! {
    /// Why an attempt failed.
    Cause {
        /// Mesos ended by itself, with a status.
        Exited = "exited",
        /// A signal of its own making ended it.
        Crashed = "crashed",
        /// It was killed: by the kernel for its memory, or by somebody.
        Killed = "killed",
        /// It ended, and nobody saw how.
        Ended = "ended",
        /// Its port was taken.
        PortTaken = "port-taken",
        /// There was no room left.
        DiskFull = "disk-full",
        /// It had more files to open than it may.
        TooManyFiles = "too-many-files",
        /// The agent refused the checkpoint that it found.
        CheckpointRefused = "checkpoint-refused",
        /// A library is missing.
        LibraryMissing = "library-missing",
        /// It refused a flag.
        FlagRefused = "flag-refused",
        /// It could not be started at all.
        NotStarted = "not-started",
        /// `active` could not be moved.
        NotSwitched = "not-switched",
        /// The work directory was to be wiped, and was not.
        NotWiped = "not-wiped",
        /// It runs and does not answer.
        NoAnswer = "no-answer",
        /// It is another version than its set says.
        WrongVersion = "wrong-version",
        /// The agent's recovery met errors.
        RecoveryErrors = "recovery-errors",
        /// The agent did not recover in time.
        NotRecovered = "not-recovered",
        /// The agent did not register in time.
        NotRegistered = "not-registered",
        /// The agent came back as another one.
        OtherAgent = "other-agent",
        /// The master neither leads nor follows.
        NotLeading = "not-leading",
        /// An endpoint does not answer 200: a module says that it is unwell.
        EndpointUnwell = "endpoint-unwell",
        /// It was well and unwell in turn.
        NotSteady = "not-steady",
        /// Something else.
        Other = "other",
    }
}

/// How the sentence of a Mesos that ended by itself begins.
pub(super) const ENDED: &str = "Mesos has ended: ";

/// How the other sentences begin.
pub(super) const BEGINNINGS: [(&str, Cause); 5] = [
    ("can't make the set active: ", Cause::NotSwitched),
    ("the work directory was not wiped: ", Cause::NotWiped),
    ("it does not stay well: ", Cause::NotSteady),
    ("can't prepare the start: ", Cause::NotStarted),
    ("can't ", Cause::NotStarted),
];

/// What a Mesos that dies says last, in its own words or its loader's.
const LAST_WORDS: [(&str, Cause); 9] = [
    ("Address already in use", Cause::PortTaken),
    ("No space left on device", Cause::DiskFull),
    ("Too many open files", Cause::TooManyFiles),
    ("Incompatible agent info", Cause::CheckpointRefused),
    ("Failed to perform recovery", Cause::CheckpointRefused),
    ("error while loading shared libraries", Cause::LibraryMissing),
    ("cannot open shared object file", Cause::LibraryMissing),
    ("Failed to load unknown flag", Cause::FlagRefused),
    ("Failed to load flag", Cause::FlagRefused),
];

impl Cause {
    /// The cause in a report.
    pub(super) fn of(report: &AttemptReport) -> Self {
        Self::told(first(&report.detail), &report.log)
    }

    fn told(detail: &str, log: &[String]) -> Self {
        if let Some(how) = detail.strip_prefix(ENDED) {
            let said = |(words, _): &&(&str, Self)| log.iter().any(|line| line.contains(words));
            return match LAST_WORDS.iter().find(said) {
                Some((_, cause)) => *cause,
                None if how.contains("by signal 9") => Self::Killed,
                None if how.contains("by signal") => Self::Crashed,
                None if how.contains("exited with status") => Self::Exited,
                None => Self::Ended,
            };
        }
        if let Some((check, said)) = detail.strip_prefix('`').and_then(|rest| rest.split_once("`: ")) {
            return Self::of_check(check, said);
        }
        BEGINNINGS.iter().find(|(words, _)| detail.starts_with(words)).map_or(Self::Other, |(_, cause)| *cause)
    }

    fn of_check(check: &str, said: &str) -> Self {
        match check {
            _ if said.contains("does not answer") || said.contains("it takes too long") => Self::NoAnswer,
            "version" if said.starts_with("it is Mesos ") => Self::WrongVersion,
            "version" => Self::NoAnswer,
            "recovered" if said.contains(" errors") => Self::RecoveryErrors,
            "recovered" => Self::NotRecovered,
            "registered" if said.starts_with("it registered as ") => Self::OtherAgent,
            "registered" => Self::NotRegistered,
            "leading" => Self::NotLeading,
            path if path.starts_with('/') => Self::EndpointUnwell,
            _ => Self::Other,
        }
    }

    /// Whether the set is to blame, and not what is around it: then the same set will fail again.
    pub(super) const fn is_of_the_set(self) -> bool {
        match self {
            Self::Exited
            | Self::Crashed
            | Self::Ended
            | Self::TooManyFiles
            | Self::CheckpointRefused
            | Self::LibraryMissing
            | Self::FlagRefused
            | Self::NoAnswer
            | Self::WrongVersion
            | Self::RecoveryErrors
            | Self::NotRecovered
            | Self::OtherAgent
            | Self::EndpointUnwell
            | Self::NotSteady => true,
            Self::Killed
            | Self::PortTaken
            | Self::DiskFull
            | Self::NotStarted
            | Self::NotSwitched
            | Self::NotWiped
            | Self::NotRegistered
            | Self::NotLeading
            | Self::Other => false,
        }
    }
}

/// What happened to the wanted set; what happened to the previous one afterwards is said behind it.
pub(super) fn first(detail: &str) -> &str {
    let ends = ["; the previous set does not come up either: ", "; of the previous set it can't be told: "];
    ends.iter().fold(detail, |detail, end| detail.split(end).next().unwrap_or(detail))
}

#[cfg(test)]
mod tests {
    use super::{BEGINNINGS, Cause, ENDED, first};

    /// Who writes the sentences.
    const SOURCES: [&str; 5] = [
        include_str!("../../../../restart/src/execute/words.rs"),
        include_str!("../../../../restart/src/execute/steps.rs"),
        include_str!("../../../../restart/src/execute/watching.rs"),
        include_str!("../../../../restart/src/health/watch.rs"),
        include_str!("../../../../restart/src/health/judge.rs"),
    ];

    #[test]
    fn the_beginnings_are_those_that_are_written() {
        let ends = ["; the previous set does not come up either: ", "; of the previous set it can't be told: "];
        let checks = ["it is Mesos ", "it registered as ", " errors", "does not answer"];
        let beginnings = BEGINNINGS.iter().map(|(words, _)| *words);
        for words in beginnings.chain([ENDED]).chain(ends).chain(checks) {
            assert!(SOURCES.iter().any(|source| source.contains(words)), "nobody writes `{words}` any more");
        }
    }

    /// What the matrix of restarts has seen of real Mesos (`tests/matrix/ways.py`).
    #[test]
    fn what_real_restarts_say_is_recognised() {
        let in_use = "Failed to initialize: Failed to bind on 127.0.0.1:5051: Address already in use";
        for (detail, log, cause) in [
            ("Mesos has ended: it exited with status 1", "", Cause::Exited),
            ("Mesos has ended: it was ended by signal 11 (core dumped)", "", Cause::Crashed),
            ("Mesos has ended: it was ended by signal 9", "", Cause::Killed),
            ("Mesos has ended: it ended while no helper watched it", "", Cause::Ended),
            ("Mesos has ended: its status went to the helper that had started it", "", Cause::Ended),
            ("Mesos has ended: it exited with status 1", in_use, Cause::PortTaken),
            (
                "Mesos has ended: it exited with status 127",
                "x: error while loading shared libraries",
                Cause::LibraryMissing,
            ),
            ("`version`: it is Mesos 1.10.0, and the set's is 1.11.0", "", Cause::WrongVersion),
            ("`version`: `/version` does not answer: Connection refused (os error 111)", "", Cause::NoAnswer),
            ("`/deploy/health`: it does not answer", "", Cause::NoAnswer),
            ("`/saboteur/health`: it answers 503: it has a cold", "", Cause::EndpointUnwell),
            ("`/saboteur/health`: `/saboteur/health` does not answer: it takes too long", "", Cause::NoAnswer),
            ("`recovered`: it has not recovered yet", "", Cause::NotRecovered),
            ("`registered`: it has not registered yet", "", Cause::NotRegistered),
            ("`registered`: it registered as `a-S1` and was `a-S0` before", "", Cause::OtherAgent),
            ("`registered`: the leading master does not list it", "", Cause::NotRegistered),
            (
                "can't start `dcos-mesos-agent.service`: `systemctl start` ended with exit status: 1",
                "",
                Cause::NotStarted,
            ),
            ("it does not stay well: `/x/health`: it answers 503", "", Cause::NotSteady),
            ("something that a later release says", "", Cause::Other),
        ] {
            assert_eq!(Cause::told(detail, &[log.to_owned()]), cause, "{detail}");
        }
        let both = "`version`: it is Mesos 1; the previous set does not come up either: Mesos has ended: it exited";
        assert_eq!(first(both), "`version`: it is Mesos 1");
    }
}
