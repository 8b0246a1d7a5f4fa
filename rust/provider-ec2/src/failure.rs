//! What EC2's error codes mean here. Codes are those of the EC2 API Reference, "Error codes".

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use dcos_core::provider::{Failure, Reason};

/// The reason that a code stands for; by the HTTP status where it is none that matters.
pub(crate) fn reason(code: &str, status: u16) -> Reason {
    match code {
        "InsufficientInstanceCapacity" | "InsufficientHostCapacity" | "InsufficientReservedInstanceCapacity"
        | "InsufficientCapacity" | "InsufficientFreeAddressesInSubnet" | "SpotMaxPriceTooLow"
        // The type is not offered in that zone.
        | "Unsupported" => Reason::NoCapacity,
        "RequestLimitExceeded" | "Throttling" | "ThrottlingException" | "EC2ThrottledException" => Reason::Throttled,
        "UnauthorizedOperation" | "AuthFailure" | "AccessDenied" | "Blocked" | "OptInRequired" | "PendingVerification"
        | "InvalidClientTokenId" | "SignatureDoesNotMatch" | "ExpiredToken" | "RequestExpired"
        | "UnrecognizedClientException" | "MissingAuthenticationToken" => Reason::Denied,
        // A call with this client token was carried out before, with another join token: the machine will be listed.
        "IdempotentParameterMismatch" => Reason::Unknown,
        // Too new to be found everywhere.
        "InvalidInstanceID.NotFound" => Reason::Unknown,
        _ if (400..500).contains(&status) && status != 408 && status != 429 => Reason::Invalid,
        _ => Reason::Unknown,
    }
}

/// A failed call.
pub(crate) fn failed<E>(what: &str, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let (code, message) = (answer.err().code().unwrap_or(""), answer.err().message().unwrap_or(""));
            let status = answer.raw().status().as_u16();
            Failure { reason: reason(code, status), detail: format!("{what}: {status} {code}: {message}") }
        }
        error => {
            let text = DisplayErrorContext(error).to_string();
            // Without credentials no request is sent at all.
            let denied =
                ["no providers in chain provided credentials", "CredentialsNotLoaded", "failed to load credentials"]
                    .iter()
                    .any(|sign| text.contains(sign));
            if denied {
                let detail =
                    format!("{what}: there are no credentials: neither environment, profile nor instance role has any");
                return Failure { reason: Reason::Denied, detail };
            }
            Failure { reason: Reason::Unknown, detail: format!("{what}: {text}") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::reason;
    use dcos_core::provider::Reason;

    #[test]
    fn only_what_may_have_been_done_is_unknown() {
        for (code, status, expected) in [
            ("InsufficientInstanceCapacity", 500, Reason::NoCapacity),
            ("Unsupported", 400, Reason::NoCapacity),
            ("RequestLimitExceeded", 503, Reason::Throttled),
            ("UnauthorizedOperation", 403, Reason::Denied),
            ("VcpuLimitExceeded", 400, Reason::Invalid),
            ("InvalidAMIID.NotFound", 400, Reason::Invalid),
            ("IdempotentParameterMismatch", 400, Reason::Unknown),
            ("InternalError", 500, Reason::Unknown),
            ("", 503, Reason::Unknown),
            ("", 408, Reason::Unknown),
        ] {
            assert_eq!(reason(code, status), expected, "{code} {status}");
        }
    }
}
