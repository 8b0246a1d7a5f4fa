//! One repository over HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dcos_core::index::{self, Index, IndexEntry};
use dcos_core::node::RepositoryFacts;
use dcos_core::{PackageId, Sha256};
use dcos_store::Store;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Certificate, StatusCode, Url};

use crate::backoff::{Patience, Retry};
use crate::credentials::Credentials;
use crate::download::{Failure, Source};
use crate::error::RepoError;
use crate::files::{self, FileIndex, FileIndexAt};
use crate::layout;
use crate::trust::{Loaded, Trust};

/// The longest index that is read: about 100,000 packages.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// How often an index is asked for in vain: somebody waits for the answer, and nothing is lost by asking again later.
const INDEX_ATTEMPTS: u32 = 4;

/// How often a server may send us elsewhere: a repository that has moved, and a web server that likes another host name.
const MAX_REDIRECTS: usize = 5;

/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may be silent in the middle of an answer.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// A repository as a client sees it. Cloning is cheap and shares connections.
#[derive(Clone, Debug)]
pub struct Client {
    name: String,
    pub(crate) base: Url,
    http: reqwest::Client,
    credentials: Option<Credentials>,
    retry: Retry,
    patience: Patience,
    trust: Option<Trust>,
}

/// What a repository says.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// What it offers.
    pub index: Index,
    /// What it has revoked, as its signed metadata says.
    pub revoked: BTreeSet<PackageId>,
    /// Where its signed metadata says that the per-file indexes are.
    pub(crate) files: BTreeMap<PackageId, FileIndexAt>,
}

impl Catalogue {
    /// Where the per-file index of `entry` is, if there is one. Without signed metadata only asking tells.
    pub(crate) fn files_of(&self, entry: &IndexEntry, signed: bool) -> Option<FileIndexAt> {
        match signed {
            true => self.files.get(&entry.id).cloned(),
            false => Some(FileIndexAt { url: layout::escape(&layout::files(&entry.id)), signed: None }),
        }
    }
}

/// Whether an answer means that there is no such file. S3 answers 403 to whoever may not list.
pub(crate) fn is_absence(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN)
}

impl Client {
    /// A client of the repository that `facts` describe; `name` is what messages call it. With a root of trust, what is
    /// learned of it is kept in `store`. Asks nothing yet.
    ///
    /// # Errors
    /// If the URL is none, or a named file can't be used.
    pub fn new(name: &str, facts: &RepositoryFacts, store: &Store) -> Result<Self, RepoError> {
        let trust = facts.root_json.as_deref().map(|root_json| Trust::new(name, root_json, store));
        Ok(Self { trust, ..Self::unsigned(name, facts)? })
    }

    /// A client that believes the repository's plain index, whatever root of trust `facts` name: to have a look.
    ///
    /// # Errors
    /// If the URL is none, or a named file can't be used.
    pub fn unsigned(name: &str, facts: &RepositoryFacts) -> Result<Self, RepoError> {
        let base = base_url(name, &facts.url)?;
        let credentials = facts.credentials.as_deref().map(Credentials::read).transpose()?;
        let http = if let Some(path) = &facts.ca {
            let failed = |source| RepoError::Authority { path: path.clone(), source };
            let pem = std::fs::read(path).map_err(|error| failed(error.into()))?;
            let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| failed(error.into()))?;
            if authorities.is_empty() {
                return Err(failed("it contains no certificate".into()));
            }
            // Only that one: a site that has an authority of its own does not mean everybody else's as well.
            builder().tls_certs_only(authorities).build()
        } else {
            built(builder)
        };
        let http = http.map_err(RepoError::Setup)?;
        let (name, retry, patience) = (name.to_owned(), Retry::default(), Patience::default());
        Ok(Self { name, base, http, credentials, retry, patience, trust: None })
    }

    /// The same client with other bounds on trying again.
    #[must_use]
    pub const fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The same client with other bounds on slowness.
    #[must_use]
    pub const fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Whether it is believed because of signatures.
    pub(crate) const fn is_signed(&self) -> bool {
        self.trust.is_some()
    }

    /// What messages call the repository: `release` or `site`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the repository offers.
    ///
    /// # Errors
    /// As [`Self::catalogue`].
    pub async fn index(&self) -> Result<Index, RepoError> {
        Ok(self.catalogue().await?.index)
    }

    /// What the repository says: by its signed metadata where there is a root of trust, by its plain index otherwise.
    ///
    /// # Errors
    /// If it can't be got, is not to be trusted, or is not one that this release reads.
    pub async fn catalogue(&self) -> Result<Catalogue, RepoError> {
        match &self.trust {
            Some(trust) => Ok(trust.load(&self.document("")?, false).await?.catalogue),
            None => {
                let source = self.document(index::FILE_NAME)?;
                let index = read_index(source.url.as_str(), &source.get(MAX_INDEX_BYTES).await?)?;
                Ok(Catalogue { index, ..Catalogue::default() })
            }
        }
    }

    /// All of its signed metadata, with the documents as they came. Only for a client with a root of trust.
    pub(crate) async fn load(&self) -> Result<Loaded, RepoError> {
        match &self.trust {
            Some(trust) => trust.load(&self.document("")?, true).await,
            None => Err(RepoError::NoIndex(self.base.path().into())),
        }
    }

    /// The per-file index at that place; `None` if there is none.
    pub(crate) async fn file_index(&self, at: &FileIndexAt) -> Result<Option<FileIndex>, RepoError> {
        let source = self.document(&at.url)?;
        let limit = at.signed.map_or(files::MAX_BYTES, |(_, length)| length.min(files::MAX_BYTES));
        let bytes = match source.get(limit).await {
            Err(RepoError::Status { status, .. }) if at.signed.is_none() && is_absence(status) => return Ok(None),
            bytes => bytes?,
        };
        if at.signed.is_some_and(|(sha256, _)| sha256 != Sha256::of(&bytes)) {
            return Err(RepoError::NotSigned { url: source.url.to_string() });
        }
        files::read(source.url.as_str(), &bytes).map(Some)
    }

    /// Where a document of the repository is to be had.
    pub(crate) fn document(&self, relative: &str) -> Result<Source, RepoError> {
        let mut source = self.source(relative, None)?;
        source.retry.attempts = source.retry.attempts.min(INDEX_ATTEMPTS);
        Ok(source)
    }

    /// Where the archive of `entry` is to be had.
    ///
    /// # Errors
    /// If the index names an address outside the repository.
    pub fn archive(&self, entry: &IndexEntry) -> Result<Source, RepoError> {
        self.source(&entry.url, Some(entry.size))
    }

    pub(crate) fn source(&self, relative: &str, size: Option<u64>) -> Result<Source, RepoError> {
        let refused = |why: &str| RepoError::Url {
            url: relative.to_owned(),
            what: format!("a file of the {} repository", self.name),
            why: why.to_owned(),
        };
        let url = self.base.join(relative).map_err(|error| refused(&error.to_string()))?;
        // An index says where below its repository an archive is; it can't send a node, with its credentials, elsewhere.
        if url.origin() != self.base.origin() || !url.path().starts_with(self.base.path()) {
            return Err(refused("it leads out of the repository"));
        }
        let (http, credentials) = (self.http.clone(), self.credentials.clone());
        Ok(Source { http, url, credentials, size, retry: self.retry, patience: self.patience })
    }
}

/// An archive at a named address, outside any repository.
///
/// # Errors
/// If `url` is not an `http` or `https` URL.
pub fn bare_source(url: &str) -> Result<Source, RepoError> {
    let refused = |why: String| RepoError::Url { url: url.to_owned(), what: "an archive".to_owned(), why };
    let url = Url::parse(url).map_err(|error| refused(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused("it is neither `http` nor `https`".to_owned()));
    }
    let http = built(builder).map_err(RepoError::Setup)?;
    let (retry, patience) = (Retry::default(), Patience::default());
    Ok(Source { http, url, credentials: None, size: None, retry, patience })
}

/// Reads the text of an `index.json`; `place` is its address, for messages.
pub(crate) fn read_index(place: &str, bytes: &[u8]) -> Result<Index, RepoError> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let wrong = |source| RepoError::Index { url: place.to_owned(), source };
    // The format first: a newer index may well have fields that look wrong here.
    let format: Format = serde_json::from_slice(bytes).map_err(wrong)?;
    if format.format != index::FORMAT {
        return Err(RepoError::IndexFormat { url: place.to_owned(), found: format.format });
    }
    serde_json::from_slice(bytes).map_err(wrong)
}

/// The client that `builder` makes. A machine without a list of authorities (no `ca-certificates`) speaks HTTP all the same,
/// and believes no server's certificate.
///
/// # Errors
/// If TLS can't be set up.
pub fn built(builder: impl Fn() -> reqwest::ClientBuilder) -> reqwest::Result<reqwest::Client> {
    builder().build().or_else(|_| builder().tls_certs_only([]).build())
}

pub(crate) fn builder() -> reqwest::ClientBuilder {
    // Bytes are hashed and counted as they are stored, so none may be packed on the way.
    let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    reqwest::Client::builder()
        .user_agent(concat!("dcos-bits/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SILENCE_TIMEOUT)
        .redirect(reqwest::redirect::Policy::custom(follow))
}

/// Whether to go where a server sends us: a few times, and never from a connection that is secret to one that is not.
fn follow(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let was_secret = attempt.previous().iter().any(|url| url.scheme() == "https");
    if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("it redirects without end")
    } else if was_secret && attempt.url().scheme() != "https" {
        attempt.error("it redirects from `https` to `http`")
    } else {
        attempt.follow()
    }
}

/// The URL that relative addresses are joined to: it ends in `/`, so that joining does not drop its last part.
fn base_url(name: &str, url: &str) -> Result<Url, RepoError> {
    let refused = |why: String| RepoError::Url { url: url.to_owned(), what: format!("the {name} repository"), why };
    let mut base = Url::parse(url).map_err(|error| refused(error.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(refused("it is neither `http` nor `https`".to_owned()));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(refused("secrets belong in the file that `credentials` names".to_owned()));
    }
    base.set_query(None);
    base.set_fragment(None);
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    Ok(base)
}

impl Source {
    /// The whole body, at most `limit` bytes.
    pub(crate) async fn get(&self, limit: u64) -> Result<Vec<u8>, RepoError> {
        let mut failures = 0;
        loop {
            let failure = match tokio::time::timeout(self.patience.document, self.try_get(limit)).await {
                Ok(Ok(bytes)) => return Ok(bytes),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::passing(format!("it did not come within {} s", self.patience.document.as_secs())),
            };
            failures += 1;
            match self.after(failure, failures) {
                Ok(delay) => tokio::time::sleep(delay).await,
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_get(&self, limit: u64) -> Result<Vec<u8>, Failure> {
        let mut response = self.request(0, None).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Failure::interrupted)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > limit {
                return Err(Failure::Final(RepoError::TooLong { url: self.url.to_string(), limit }));
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Client, bare_source, base_url, read_index};
    use crate::error::RepoError;
    use dcos_core::node::RepositoryFacts;

    fn facts(url: &str) -> RepositoryFacts {
        RepositoryFacts { url: url.to_owned(), root_json: None, ca: None, credentials: None }
    }

    #[test]
    fn a_base_ends_in_a_slash() {
        for (url, base) in [
            ("http://a/", "http://a/"),
            ("http://a", "http://a/"),
            ("https://a/b/c", "https://a/b/c/"),
            ("https://a/b/?q#f", "https://a/b/"),
        ] {
            assert_eq!(base_url("release", url).unwrap().as_str(), base);
        }
        for url in ["", "a/b", "ftp://a/", "file:///a", "http://user:secret@a/"] {
            assert!(base_url("release", url).is_err(), "{url}");
            assert!(Client::unsigned("release", &facts(url)).is_err(), "{url}");
        }
        assert!(bare_source("file:///etc/passwd").is_err());
    }

    #[test]
    fn an_index_cannot_lead_out_of_its_repository() {
        let client = Client::unsigned("release", &facts("https://host/repo")).unwrap();
        for inside in ["packages/a/a--1.tar.gz", "./a", "a/../b", "packages/a/a--1%2Bmesos1.tar.gz"] {
            assert!(client.source(inside, None).is_ok(), "{inside}");
        }
        for outside in [
            "../a",
            "/a",
            "//other/repo/a",
            "http://other/repo/a",
            "http://host/repo/a",
            "https://host:8443/repo/a",
            "%2e%2e/a",
            "..\\a",
        ] {
            assert!(matches!(client.source(outside, None), Err(RepoError::Url { .. })), "{outside}");
        }
    }

    #[test]
    fn an_index_of_another_format_is_refused_by_its_number() {
        assert!(read_index("x", br#"{"format": 1, "packages": []}"#).is_ok());
        assert!(matches!(
            read_index("x", br#"{"format": 2, "other": true}"#),
            Err(RepoError::IndexFormat { found: 2, .. })
        ));
        assert!(matches!(read_index("x", b"<html>"), Err(RepoError::Index { .. })));
        assert!(matches!(read_index("x", br#"{"format": 1, "package": []}"#), Err(RepoError::Index { .. })));
    }
}
