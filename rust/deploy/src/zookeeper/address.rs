//! `zk://[user:password@]host:port,…/path`, as Mesos writes it.

use std::fmt;

/// The port of a server that names none.
const PORT: u16 = 2181;

/// An ensemble, and where below it the cluster's masters meet.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// The servers, `host:port` each.
    pub servers: Vec<String>,
    /// The masters' znode, without a slash at its end; empty for the root.
    pub path: String,
    /// `user:password`, for the scheme `digest`.
    pub(super) auth: Option<String>,
}

/// An address that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`mesos.zk` is no `zk://host:port,…/path`: {0}")]
pub struct InvalidAddress(&'static str);

impl Address {
    /// Reads `zk://…`.
    ///
    /// # Errors
    /// If it is not of that form.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let rest = text.strip_prefix("zk://").ok_or(InvalidAddress("it does not begin with `zk://`"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (auth, servers) = match authority.rsplit_once('@') {
            Some((auth, servers)) if auth.contains(':') => (Some(auth.to_owned()), servers),
            Some(_) => return Err(InvalidAddress("what stands before `@` is not `user:password`")),
            None => (None, authority),
        };
        let servers: Vec<String> = servers
            .split(',')
            .map(with_port)
            .collect::<Option<_>>()
            .ok_or(InvalidAddress("a server is not `host:port`"))?;
        let path = path.trim_end_matches('/');
        if path.split('/').skip(1).any(|name| name.is_empty() || name == "." || name == "..") {
            return Err(InvalidAddress("its path is not one of a znode"));
        }
        Ok(Self { servers, path: path.to_owned(), auth })
    }
}

fn with_port(server: &str) -> Option<String> {
    // An address of IP version 6 stands in brackets, with colons of its own.
    let after = server.rfind(']').map_or(0, |end| end + 1);
    match server[after..].rsplit_once(':') {
        Some((_, port)) => (port.parse::<u16>().is_ok() && !server.starts_with(':')).then(|| server.to_owned()),
        None => (!server.is_empty()).then(|| format!("{server}:{PORT}")),
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password stays out of logs.
        formatter.debug_struct("Address").field("servers", &self.servers).field("path", &self.path).finish()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::Address;

    #[test]
    fn addresses_are_read_as_mesos_reads_them() {
        let address = Address::parse("zk://dcos:se:cr@et@10.0.0.1:2181,zk2,[fd00::1]:2182/dcos/mesos").unwrap();
        assert_eq!(address.servers, ["10.0.0.1:2181", "zk2:2181", "[fd00::1]:2182"]);
        assert_eq!((address.path.as_str(), address.auth.as_deref()), ("/dcos/mesos", Some("dcos:se:cr@et")));
        assert!(!format!("{address:?}").contains("se:cr"));
        assert_eq!(Address::parse("zk://a:1/").unwrap().path, "");
        assert_eq!(Address::parse("zk://a:1").unwrap().path, "");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "a:1/x",
            "file:///etc/zk",
            "zk://",
            "zk:///x",
            "zk://a:1,/x",
            "zk://a:x/x",
            "zk://u@a:1/x",
            "zk://a:1//x",
            "zk://a:1/x/../y",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
