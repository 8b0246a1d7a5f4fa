//! The file that says who we are to a server: the JSON that Mesos itself takes, `{"principal": "…", "secret": "…"}`.

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A name and the secret that proves it; sent by HTTP Basic.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The name.
    pub principal: String,
    /// The secret.
    pub secret: String,
}

/// A credentials file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCredentials {
    /// It can't be read.
    #[error("could not read the credentials file `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Anybody on the machine can read it.
    #[error("the credentials file `{}` is open to everybody on this machine (mode {mode:o})", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not the JSON that is needed. The cause is left out: it may quote the secret.
    #[error("the credentials file `{}` is not `{{\"principal\": \"…\", \"secret\": \"…\"}}`", .0.display())]
    Malformed(PathBuf),
}

impl Credentials {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// If it can't be read, others than owner and group can read it, or it is not of that form.
    pub fn read(path: &Path) -> Result<Self, InvalidCredentials> {
        let unreadable = |source| InvalidCredentials::Unreadable { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
        if mode & 0o007 != 0 {
            return Err(InvalidCredentials::Open { path: path.to_owned(), mode });
        }
        let text = std::io::read_to_string(file).map_err(unreadable)?;
        serde_json::from_str(&text).map_err(|_| InvalidCredentials::Malformed(path.to_owned()))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("principal", &self.principal).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and writes where it likes"
)]
mod tests {
    use super::{Credentials, InvalidCredentials};
    use std::os::unix::fs::PermissionsExt as _;

    fn read(text: &str, mode: u32) -> Result<Credentials, InvalidCredentials> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials.json");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Credentials::read(&path)
    }

    #[test]
    fn the_secret_is_read_and_never_shown() {
        let credentials = read(r#"{"principal": "node", "secret": "hidden"}"#, 0o640).unwrap();
        assert_eq!((credentials.principal.as_str(), credentials.secret.as_str()), ("node", "hidden"));
        assert!(!format!("{credentials:?}").contains("hidden"));
    }

    #[test]
    fn files_that_cannot_be_used_say_why() {
        assert!(matches!(read("{}", 0o600), Err(InvalidCredentials::Malformed(_))));
        assert!(matches!(read("{}", 0o604), Err(InvalidCredentials::Open { mode: 0o604, .. })));
        let missing = Credentials::read(std::path::Path::new("/nowhere/credentials.json"));
        assert!(matches!(missing, Err(InvalidCredentials::Unreadable { .. })));
    }
}
