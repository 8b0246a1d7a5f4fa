//! What is said of every way in which a provider can fail, word by word in `tests/golden/refusals`: when something is asked
//! for, and later of a machine that is on its way.

use dcos_core::{ExitCode, Problem};
use dcos_testkit::golden::Messages;
use dcos_testkit::messages;

use super::refused_by;
use crate::provider::{Failure, LaunchError, Reason};

/// A provider's own words for a reason, as that of EC2 has them: a new reason has to be given an example here.
const fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::NoCapacity => {
            "RunInstances: 500 InsufficientInstanceCapacity: there is none of m5.large in eu-central-1a"
        }
        Reason::NoMoreChoices => "the class has 2 choices",
        Reason::Denied => "RunInstances: 403 UnauthorizedOperation: you are not authorized to perform this operation",
        Reason::Invalid => "RunInstances: 400 InvalidAMIID.NotFound: the image `ami-1` does not exist",
        Reason::Throttled => "RunInstances: 503 RequestLimitExceeded: request limit exceeded",
        Reason::Unknown => "`dcos-provider-ec2` did not answer within 60 s",
    }
}

const REASONS: [Reason; 6] =
    [Reason::NoCapacity, Reason::NoMoreChoices, Reason::Denied, Reason::Invalid, Reason::Throttled, Reason::Unknown];

#[test]
fn of_a_provider_that_refuses() {
    let mut messages = Messages::new("provider");
    for reason in REASONS {
        let problem: Problem = refused_by("ec2", &Failure { reason, detail: words(reason).to_owned() });
        assert!(!problem.hints.is_empty() && problem.exit_code() != ExitCode::Unexpected, "{problem:?}");
        let mut text = format!("{}, exit code {}: {}", problem.name(), problem.exit_code().number(), problem.detail);
        problem.hints.iter().for_each(|hint| text.push_str(&format!("\nhint: {hint}")));
        messages.say(&format!("{reason:?}"), &text);
    }
    messages.compare();
}

#[test]
fn of_a_machine_that_was_not_made() {
    messages! { "launch", LaunchError:
        LaunchError::NoCapacity(_) => LaunchError::NoCapacity(words(Reason::NoCapacity).into()),
        LaunchError::NoMoreChoices => LaunchError::NoMoreChoices,
        LaunchError::Refused(_) => LaunchError::Refused(words(Reason::Invalid).into()),
        LaunchError::Throttled(_) => LaunchError::Throttled(words(Reason::Throttled).into()),
        LaunchError::Unknown(_) => LaunchError::Unknown(words(Reason::Unknown).into()),
    }
    for reason in REASONS {
        let error = LaunchError::from(Failure { reason, detail: words(reason).to_owned() });
        assert!(matches!(error, LaunchError::NoMoreChoices) || error.to_string().contains(words(reason)), "{error}");
    }
}
