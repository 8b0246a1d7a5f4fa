//! Exit codes, the same in every program of dcos-bits. They are an interface: scripts branch on them.

/// How a command ended. The number is the process's exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// What was asked for is done.
    Done = 0,
    /// Something failed that no other code describes; the message says what.
    Unexpected = 1,
    /// The command line was not understood, or a precondition of running at all is missing.
    Usage = 2,
    /// Refused; nothing changed.
    Refused = 3,
    /// What was named exists nowhere.
    NotFound = 4,
    /// Somebody else is at work there, or the state has moved on.
    Conflict = 5,
    /// It failed and the previous set is running again.
    RolledBack = 6,
    /// It failed and a person is needed.
    NeedsPerson = 7,
    /// A halt stands.
    Halted = 8,
    /// Unreachable, or not answered in time.
    Unreachable = 9,
}

impl ExitCode {
    /// Every code, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Unexpected,
        Self::Usage,
        Self::Refused,
        Self::NotFound,
        Self::Conflict,
        Self::RolledBack,
        Self::NeedsPerson,
        Self::Halted,
        Self::Unreachable,
    ];

    /// The number that the process exits with.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The HTTP status that means the same (RFC 9110).
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Done => 200,
            Self::Unexpected | Self::NeedsPerson | Self::RolledBack => 500,
            Self::Usage => 400,
            Self::Refused => 422,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Halted => 423,
            Self::Unreachable => 503,
        }
    }

    /// The code that a client reports for an HTTP status.
    pub const fn from_http_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Done,
            400 | 405 | 413 | 415 => Self::Usage,
            401 | 403 | 422 => Self::Refused,
            404 => Self::NotFound,
            409 => Self::Conflict,
            423 => Self::Halted,
            502..=504 => Self::Unreachable,
            _ => Self::Unexpected,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode;

    #[test]
    fn numbers_are_their_places_in_the_list() {
        for (place, code) in ExitCode::ALL.iter().enumerate() {
            assert_eq!(usize::from(code.number()), place);
        }
    }

    #[test]
    fn a_status_that_we_send_comes_back_as_the_same_code() {
        for code in ExitCode::ALL {
            if matches!(code, ExitCode::RolledBack | ExitCode::NeedsPerson) {
                continue; // both are a plain 500 to a client; the body tells them apart
            }
            assert_eq!(ExitCode::from_http_status(code.http_status()), code);
        }
    }
}
