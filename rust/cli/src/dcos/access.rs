//! Who calls, and whose servers are believed.
//!
//! A secret comes from a file (`--credentials`), from the environment (`DCOS_SECRET` beside `--principal`), or from whoever
//! sits at the terminal; never from the command line, which everybody on the machine can read.

use std::io::IsTerminal as _;
use std::path::Path;

use dcos_core::credentials::Credential;
use dcos_core::{ExitCode, Problem};
use dcos_deploy::trust::InvalidCredentials;

use super::profile::Profile;
use crate::client::Access;

/// Where the secret of `--principal` is looked for.
const SECRET: &str = "DCOS_SECRET";

/// The access that a profile, or a command line, comes to.
///
/// # Errors
/// If a file can't be used, or a secret is nowhere.
pub(super) fn access(profile: &Profile) -> Result<Access, Problem> {
    let credential = match (&profile.credentials, &profile.principal) {
        (Some(file), _) => Some(from_file(file)?),
        (None, Some(principal)) => Some(named(principal)?),
        (None, None) => None,
    };
    Ok(Access { credential, ca: profile.ca.as_deref().map(certificates).transpose()? })
}

fn certificates(file: &Path) -> Result<Vec<u8>, Problem> {
    let unusable = |why: &str| {
        let detail = format!("can't use the certificates in `{}`: {why}", file.display());
        Problem::new(ExitCode::Usage, "bad-ca", detail).hint("`--ca` or `DCOS_CA` names a file in PEM")
    };
    let bytes = std::fs::read(file).map_err(|error| unusable(&error.to_string()))?;
    // A file without any would be taken for a list of nobody, and every server be refused for what is our mistake.
    match String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----") {
        true => Ok(bytes),
        false => Err(unusable("there are none in it")),
    }
}

fn from_file(file: &Path) -> Result<Credential, Problem> {
    dcos_deploy::trust::credential(file).map_err(|error| bad_credentials(&error))
}

pub(crate) fn bad_credentials(error: &InvalidCredentials) -> Problem {
    let hint = error.hint().unwrap_or_else(|| match error {
        InvalidCredentials::Malformed { .. } => "such as `alice correct-horse`, on one line".to_owned(),
        InvalidCredentials::Unreadable { .. } | InvalidCredentials::Open(_) => {
            "`--credentials` or `DCOS_CREDENTIALS` names the file".to_owned()
        }
    });
    Problem::new(ExitCode::Usage, "bad-credentials", Problem::chain(error)).hint(hint)
}

/// A colon would end the name in HTTP's Basic.
fn named(principal: &str) -> Result<Credential, Problem> {
    if principal.is_empty() || principal.contains(':') {
        let detail = format!("`{principal}` is no principal: it is empty, or has a colon");
        return Err(Problem::new(ExitCode::Usage, "bad-credentials", detail)
            .hint("`--principal` or `DCOS_PRINCIPAL` is the name that the masters know you by"));
    }
    Ok(Credential { principal: principal.to_owned(), secret: secret(principal)? })
}

fn secret(principal: &str) -> Result<String, Problem> {
    let missing = |why: &str| {
        let detail = format!("there is no secret for `{principal}`: {why}");
        Problem::new(ExitCode::Usage, "no-secret", detail)
            .hint(format!("set `{SECRET}`, or name a file with both by `--credentials FILE`"))
    };
    if let Some(secret) = std::env::var_os(SECRET) {
        return secret.into_string().map_err(|_| missing(&format!("`{SECRET}` is not UTF-8")));
    }
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(missing(&format!("`{SECRET}` is not set, and nobody is there to be asked")));
    }
    rpassword::prompt_password(format!("secret of {principal}: ")).map_err(|error| missing(&error.to_string()))
}
