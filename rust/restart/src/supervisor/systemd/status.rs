//! What systemd says of a unit, as values: pure.

/// The properties that are asked for.
pub(crate) const PROPERTIES: &str = "--property=LoadState,ActiveState,SubState,MainPID,ExecMainCode,ExecMainStatus,\
     Result,NRestarts,InvocationID";

/// A unit, as `systemctl show` describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnitStatus {
    /// Whether there is such a unit.
    pub(crate) load: String,
    /// `active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading`.
    pub(crate) active: String,
    /// Finer than `active`: `auto-restart`, for instance.
    pub(crate) sub: String,
    /// The main process; 0 if there is none.
    pub(crate) main_pid: u32,
    /// How the last main process ended: 1 exited, 2 killed, 3 killed and dumped; 0 if none has ended.
    exec_main_code: u32,
    /// With which exit status or signal.
    exec_main_status: u32,
    /// `success`, or why the unit counts as failed.
    result: String,
    /// How often systemd has started it again by itself, since it was last started by somebody.
    pub(crate) restarts: u32,
    /// The name of its last start.
    pub(crate) invocation: String,
}

/// What a unit amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UnitLife {
    /// Its main process runs, as far as systemd knows.
    Runs(u32),
    /// It is on its way from one state to another, by somebody's order.
    Changes,
    /// Its main process has ended by itself, and was perhaps not the last.
    Ended(String),
    /// It was not started, or it was stopped.
    Absent,
    /// There is no such unit.
    Unknown,
}

impl UnitStatus {
    /// Reads `NAME=VALUE` lines. What is missing or strange counts as empty: a newer systemd may say more.
    pub(crate) fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let number = || value.parse().unwrap_or_default();
            match name {
                "LoadState" => value.clone_into(&mut status.load),
                "ActiveState" => value.clone_into(&mut status.active),
                "SubState" => value.clone_into(&mut status.sub),
                "MainPID" => status.main_pid = number(),
                "ExecMainCode" => status.exec_main_code = number(),
                "ExecMainStatus" => status.exec_main_status = number(),
                "Result" => value.clone_into(&mut status.result),
                "NRestarts" => status.restarts = number(),
                "InvocationID" => value.clone_into(&mut status.invocation),
                _ => {}
            }
        }
        status
    }

    /// What it amounts to. Restarts up to `forgiven` are nobody's concern any more.
    pub(crate) fn life(&self, forgiven: u32) -> UnitLife {
        if !matches!(self.load.as_str(), "loaded" | "masked") {
            return UnitLife::Unknown;
        }
        match (self.active.as_str(), self.main_pid) {
            ("activating", _) if self.sub.starts_with("auto-restart") => UnitLife::Ended(self.end()),
            ("failed", _) => UnitLife::Ended(self.end()),
            ("active" | "activating" | "reloading", pid) if pid != 0 && self.restarts > forgiven => {
                let times = self.restarts - forgiven;
                let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
                UnitLife::Ended(format!("it ended by itself, and systemd has started it again {times}"))
            }
            ("active" | "activating" | "reloading", pid) if pid != 0 => UnitLife::Runs(pid),
            ("inactive", _) => UnitLife::Absent,
            _ => UnitLife::Changes,
        }
    }

    /// Whether the program was executed, and has ended: then it is the set that failed, and not the attempt to start it.
    pub(crate) fn has_run_and_ended(&self) -> bool {
        // With these statuses systemd's own child ends before it executes anything (systemd.exec(5)).
        const BEFORE_EXEC: std::ops::RangeInclusive<u32> = 200..=243;
        let executed = match self.exec_main_code {
            1 => !BEFORE_EXEC.contains(&self.exec_main_status),
            code => code != 0,
        };
        executed && matches!(self.result.as_str(), "exit-code" | "signal" | "core-dump" | "oom-kill" | "success")
    }

    /// How the main process ended.
    fn end(&self) -> String {
        let status = self.exec_main_status;
        let how = match self.exec_main_code {
            1 => format!("it exited with status {status}"),
            2 => format!("it was ended by signal {status}"),
            3 => format!("it was ended by signal {status} (core dumped)"),
            _ => "it did not start".to_owned(),
        };
        match self.result.as_str() {
            "" | "success" | "exit-code" | "signal" | "core-dump" => how,
            result => format!("{how} ({result})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{UnitLife, UnitStatus};

    fn life(text: &str, forgiven: u32) -> UnitLife {
        UnitStatus::parse(&text.replace(' ', "\n")).life(forgiven)
    }

    #[test]
    fn each_answer_of_systemd_has_its_meaning() {
        let loaded = |rest: &str| life(&format!("LoadState=loaded {rest}"), 0);
        let ended = |how: &str| UnitLife::Ended(how.to_owned());
        for (text, meaning) in [
            ("ActiveState=active SubState=running MainPID=7 NRestarts=0", UnitLife::Runs(7)),
            // A main process runs already while ExecStartPost does.
            ("ActiveState=activating SubState=start-post MainPID=7 NRestarts=0", UnitLife::Runs(7)),
            ("ActiveState=deactivating SubState=stop-sigterm MainPID=7", UnitLife::Changes),
            ("ActiveState=inactive SubState=dead MainPID=0 Result=success", UnitLife::Absent),
            (
                "ActiveState=activating SubState=auto-restart MainPID=0 ExecMainCode=1 ExecMainStatus=1 Result=exit-code",
                ended("it exited with status 1"),
            ),
            (
                "ActiveState=failed SubState=failed ExecMainCode=3 ExecMainStatus=11 Result=core-dump",
                ended("it was ended by signal 11 (core dumped)"),
            ),
            (
                "ActiveState=failed SubState=failed ExecMainCode=2 ExecMainStatus=9 Result=oom-kill",
                ended("it was ended by signal 9 (oom-kill)"),
            ),
            ("ActiveState=failed SubState=failed Result=resources", ended("it did not start (resources)")),
        ] {
            assert_eq!(loaded(text), meaning, "{text}");
        }
        assert_eq!(life("LoadState=not-found ActiveState=inactive", 0), UnitLife::Unknown);
        assert_eq!(life("", 0), UnitLife::Unknown);
    }

    #[test]
    fn a_program_that_ended_at_once_has_run_and_one_that_is_missing_has_not() {
        let ran = |text: &str| UnitStatus::parse(&text.replace(' ', "\n")).has_run_and_ended();
        assert!(ran("ExecMainCode=1 ExecMainStatus=1 Result=exit-code"));
        assert!(ran("ExecMainCode=2 ExecMainStatus=11 Result=signal"));
        assert!(ran("ExecMainCode=1 ExecMainStatus=0 Result=success"));
        assert!(!ran("ExecMainCode=1 ExecMainStatus=203 Result=exit-code"));
        assert!(!ran("ExecMainCode=1 ExecMainStatus=1 Result=start-limit-hit"));
        assert!(!ran("ExecMainCode=0 ExecMainStatus=0 Result=resources"));
    }

    #[test]
    fn a_restart_by_systemd_is_an_end_unless_it_was_forgiven() {
        let text = "LoadState=loaded ActiveState=active SubState=running MainPID=9 NRestarts=2";
        assert_eq!(
            life(text, 0),
            UnitLife::Ended("it ended by itself, and systemd has started it again 2 times".to_owned())
        );
        assert_eq!(life(text, 2), UnitLife::Runs(9));
    }
}
