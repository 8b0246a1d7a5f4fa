//! The repositories of a cluster, as one node sees them: release for packages of any kind, site for what a site makes
//! itself.

use std::collections::BTreeMap;

use dcos_core::index::IndexEntry;
use dcos_core::node;
use dcos_core::{Kind, PackageId, Problem};
use dcos_store::Store;

use crate::arrival::{Origin, Promised};
use crate::backoff::{Patience, Retry};
use crate::client::{Catalogue, Client};
use crate::error::RepoError;
use crate::files::{FileIndex, FileIndexAt};

/// Which of the two a repository is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Release,
    Site,
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Site => "site",
        }
    }

    /// Whoever holds a site's keys may configure Mesos, but not replace it.
    const fn may_offer(self, kind: Kind) -> bool {
        match self {
            Self::Release => true,
            Self::Site => kind.is_for_sites(),
        }
    }
}

/// The configured repositories, in the order in which they are asked.
#[derive(Clone, Debug, Default)]
pub struct Repositories {
    clients: Vec<(Place, Client)>,
    trusts_roots: bool,
}

/// A package that a repository offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Available {
    /// `release` or `site`.
    pub repository: String,
    /// What its index says.
    pub entry: IndexEntry,
}

/// A package that was found, and the repository that has it.
#[derive(Clone, Debug)]
pub struct Located<'a> {
    /// The repository.
    pub client: &'a Client,
    /// What its index says.
    pub entry: IndexEntry,
    files: Option<FileIndexAt>,
}

impl Located<'_> {
    /// Where its archive is, and what it has to be.
    pub(crate) fn origin(&self) -> Result<Origin, RepoError> {
        let source = self.client.archive(&self.entry)?;
        let promised = Promised { repository: self.client.name().to_owned(), pkginfo: self.entry.pkginfo.clone() };
        Ok(Origin { source, sha256: self.entry.sha256, promised: Some(promised) })
    }

    /// Where each file is in the archive; `None` if the repository does not say.
    pub(crate) async fn file_index(&self) -> Result<Option<FileIndex>, RepoError> {
        match &self.files {
            Some(at) => self.client.file_index(at).await,
            None => Ok(None),
        }
    }
}

impl Repositories {
    /// The repositories that a `node.toml` names; what is learned of whom to trust is kept in `store`. Asks nothing yet.
    ///
    /// # Errors
    /// If a URL or a file that it names can't be used.
    pub fn new(facts: &node::Repositories, store: &Store) -> Result<Self, RepoError> {
        let mut clients = Vec::new();
        for (place, facts) in [(Place::Release, &facts.release), (Place::Site, &facts.site)] {
            if let Some(facts) = facts {
                clients.push((place, Client::new(place.name(), facts, store)?));
            }
        }
        let trusts_roots = [&facts.release, &facts.site].into_iter().flatten().any(|facts| facts.root_json.is_some());
        Ok(Self { clients, trusts_roots })
    }

    /// The same repositories with other bounds on trying again.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.clients = self.clients.into_iter().map(|(place, client)| (place, client.with_retry(retry))).collect();
        self
    }

    /// The same repositories with other bounds on slowness.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.clients =
            self.clients.into_iter().map(|(place, client)| (place, client.with_patience(patience))).collect();
        self
    }

    /// Whether none is configured.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Whether a root of trust is configured, so that nothing from elsewhere is taken.
    pub const fn trusts_roots(&self) -> bool {
        self.trusts_roots
    }

    /// Everything on offer, by id.
    ///
    /// # Errors
    /// If a repository can't be asked: half an answer would look like packages that do not exist.
    pub async fn available(&self) -> Result<Vec<Available>, RepoError> {
        let mut available: BTreeMap<PackageId, Available> = BTreeMap::new();
        for (place, client, catalogue) in self.catalogues().await {
            for entry in catalogue?.index.packages {
                if !place.may_offer(entry.pkginfo.kind) {
                    tracing::warn!(id = %entry.id, kind = %entry.pkginfo.kind, "the site repository may not offer this");
                    continue;
                }
                let repository = client.name().to_owned();
                let known =
                    available.entry(entry.id.clone()).or_insert_with(|| Available { repository, entry: entry.clone() });
                if known.entry.sha256 != entry.sha256 {
                    tracing::warn!(id = %entry.id, "the repositories differ about this package; that of release counts");
                }
            }
        }
        Ok(available.into_values().collect())
    }

    /// Where each of `ids` is to be had, each with its own answer: a repository that can't be asked matters only to the
    /// packages that no other one has.
    pub async fn locate(&self, ids: &[PackageId]) -> Vec<Result<Located<'_>, RepoError>> {
        let catalogues: Vec<(Place, &Client, Result<Catalogue, Problem>)> = self
            .catalogues()
            .await
            .into_iter()
            .map(|(place, client, catalogue)| (place, client, catalogue.map_err(Problem::from)))
            .collect();
        ids.iter().map(|id| self.find(id, &catalogues)).collect()
    }

    fn find<'a>(
        &'a self,
        id: &PackageId,
        catalogues: &[(Place, &'a Client, Result<Catalogue, Problem>)],
    ) -> Result<Located<'a>, RepoError> {
        if self.is_empty() {
            return Err(RepoError::NoRepository(id.clone()));
        }
        let mut otherwise = None;
        for (place, client, catalogue) in catalogues {
            match catalogue {
                Ok(catalogue) if catalogue.revoked.contains(id) => {
                    return Err(RepoError::Revoked { id: id.clone(), repository: client.name().to_owned() });
                }
                Ok(catalogue) => match catalogue.index.packages.iter().find(|entry| entry.id == *id) {
                    Some(entry) if place.may_offer(entry.pkginfo.kind) => {
                        let files = catalogue.files_of(entry, client.is_signed());
                        return Ok(Located { client, entry: entry.clone(), files });
                    }
                    Some(entry) => {
                        otherwise = Some(RepoError::WrongRepository { id: id.clone(), kind: entry.pkginfo.kind });
                    }
                    None => {}
                },
                Err(problem) => otherwise = otherwise.or_else(|| Some(RepoError::Problem(problem.clone()))),
            }
        }
        let asked = || self.clients.iter().map(|(place, _)| place.name().to_owned()).collect();
        Err(otherwise.unwrap_or_else(|| RepoError::NotFound { id: id.clone(), asked: asked() }))
    }

    /// What each repository says, asked for at the same time.
    async fn catalogues(&self) -> Vec<(Place, &Client, Result<Catalogue, RepoError>)> {
        let asked: Vec<_> = self
            .clients
            .iter()
            .map(|(place, client)| {
                let asking = client.clone();
                (*place, client, tokio::spawn(async move { asking.catalogue().await }))
            })
            .collect();
        let mut catalogues = Vec::new();
        for (place, client, answer) in asked {
            catalogues.push((place, client, answer.await.unwrap_or_else(|error| Err(RepoError::Thread(error)))));
        }
        catalogues
    }
}
