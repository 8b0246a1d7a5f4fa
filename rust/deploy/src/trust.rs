//! Whom a controller shows its credentials to.
//!
//! Agents are asked where the master lists them, and whoever registers with a master gets on that list. So an address is
//! trusted for what the configuration says of it: the masters, the origins and the networks that it names.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use dcos_core::credentials::{Credential, InvalidCredential};
use dcos_core::network::Network;
use dcos_core::node::NodeConfig;
use reqwest::Url;

/// Whom our credentials may be shown to.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    credential: Option<Credential>,
    origins: Vec<String>,
    networks: Vec<Network>,
}

/// A file of credentials that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCredentials {
    /// It can't be read.
    #[error("can't read the credentials in `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Anybody on the machine can read it.
    #[error("the credentials in `{}` can be read by everybody on this machine", .0.display())]
    Open(PathBuf),
    /// It has another form.
    #[error("`{}` has no credentials", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should have.
        #[source]
        source: InvalidCredential,
    },
}

impl InvalidCredentials {
    /// What to do about it, where that can be typed.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Open(path) => Some(format!("`chmod 600 {}` closes it", path.display())),
            Self::Unreadable { .. } | Self::Malformed { .. } => None,
        }
    }
}

/// Reads a file with secrets in it.
///
/// # Errors
/// If it can't be read, or everybody can read it.
pub fn secret(path: &Path) -> Result<String, InvalidCredentials> {
    const OTHERS: u32 = 0o007;
    let unreadable = |source| InvalidCredentials::Unreadable { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    if std::fs::metadata(path).map_err(unreadable)?.mode() & OTHERS != 0 {
        return Err(InvalidCredentials::Open(path.to_owned()));
    }
    Ok(text)
}

/// Reads a file that has a credential in it.
///
/// # Errors
/// If it can't be read, everybody can read it, or it has another form.
pub fn credential(path: &Path) -> Result<Credential, InvalidCredentials> {
    let text = secret(path)?;
    Credential::parse(&text).map_err(|source| InvalidCredentials::Malformed { path: path.to_owned(), source })
}

/// Scheme, host and port, with the scheme's own port filled in.
fn origin(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.origin().ascii_serialization())
}

impl Trust {
    /// What a master's configuration says.
    ///
    /// # Errors
    /// If it names a file of credentials that can't be used.
    pub fn of(node: &NodeConfig) -> Result<Self, InvalidCredentials> {
        let credential = node.deploy.credentials.as_deref().map(credential).transpose()?;
        let own = node.origin();
        let named = node.deploy.masters.iter().chain(&node.deploy.allowed_origins).chain(std::iter::once(&own));
        let origins = named.filter_map(|url| origin(url)).collect();
        Ok(Self { credential, origins, networks: node.deploy.networks.clone() })
    }

    /// The same credential for every address: for an operator who named the nodes.
    pub fn everywhere(credential: Option<Credential>) -> Self {
        let networks = ["0.0.0.0/0", "::/0"].iter().filter_map(|network| network.parse().ok()).collect();
        Self { credential, origins: Vec::new(), networks }
    }

    /// Whether there is no credential: then nobody is told apart from anybody.
    pub(crate) const fn is_open(&self) -> bool {
        self.credential.is_none()
    }

    /// The credential, if it may go to `address`.
    pub(crate) fn for_address(&self, address: &str) -> Option<&Credential> {
        let credential = self.credential.as_ref()?;
        let url = Url::parse(address).ok()?;
        let host: Option<IpAddr> = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        let in_network = host.is_some_and(|host| self.networks.iter().any(|network| network.contains(host)));
        let is_named = self.origins.contains(&url.origin().ascii_serialization());
        (is_named || in_network).then_some(credential)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use dcos_core::credentials::Credential;

    use super::Trust;

    #[test]
    fn credentials_go_where_the_configuration_says() {
        let trust = Trust {
            credential: Some(Credential::parse("deployer secret").unwrap()),
            origins: vec!["http://master1:5050".to_owned()],
            networks: vec!["10.1.0.0/16".parse().unwrap()],
        };
        for address in ["http://master1:5050/pkg/state", "http://10.1.2.3:5051/restart/begin"] {
            assert!(trust.for_address(address).is_some(), "{address}");
        }
        for address in [
            "http://master1:5051/x",
            "https://master1:5050/x",
            "http://10.2.0.1:5051/x",
            "http://master1:5050@evil.example/x",
            "http://10.1.2.3.evil.example/x",
            "nowhere",
        ] {
            assert!(trust.for_address(address).is_none(), "{address}");
        }
        assert!(Trust::default().for_address("http://master1:5050/x").is_none());
        assert!(Trust::everywhere(trust.credential).for_address("http://[fd00::1]:5051/x").is_some());
    }
}
