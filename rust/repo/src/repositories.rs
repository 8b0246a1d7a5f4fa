//! The repositories of a cluster, as one node sees them: release for packages of any kind, site for what a site makes
//! itself.

use std::collections::BTreeMap;

use dcos_core::index::{Index, IndexEntry};
use dcos_core::node;
use dcos_core::{Kind, PackageId, Problem};
use dcos_store::Store;

use crate::backoff::Retry;
use crate::client::Client;
use crate::error::RepoError;

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
            Self::Site => matches!(kind, Kind::MesosConfig | Kind::Plain),
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
        for (place, client, index) in self.indexes().await {
            for entry in index?.packages {
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
        let indexes: Vec<(Place, &Client, Result<Index, Problem>)> = self
            .indexes()
            .await
            .into_iter()
            .map(|(place, client, index)| (place, client, index.map_err(Problem::from)))
            .collect();
        ids.iter().map(|id| self.find(id, &indexes)).collect()
    }

    fn find<'a>(
        &'a self,
        id: &PackageId,
        indexes: &[(Place, &'a Client, Result<Index, Problem>)],
    ) -> Result<Located<'a>, RepoError> {
        if self.is_empty() {
            return Err(RepoError::NoRepository(id.clone()));
        }
        let mut otherwise = None;
        for (place, client, index) in indexes {
            match index {
                Ok(index) => match index.packages.iter().find(|entry| entry.id == *id) {
                    Some(entry) if place.may_offer(entry.pkginfo.kind) => {
                        return Ok(Located { client, entry: entry.clone() });
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

    /// The index of each repository, asked for at the same time.
    async fn indexes(&self) -> Vec<(Place, &Client, Result<Index, RepoError>)> {
        let asked: Vec<_> = self
            .clients
            .iter()
            .map(|(place, client)| {
                let asking = client.clone();
                (*place, client, tokio::spawn(async move { asking.index().await }))
            })
            .collect();
        let mut indexes = Vec::new();
        for (place, client, answer) in asked {
            indexes.push((place, client, answer.await.unwrap_or_else(|error| Err(RepoError::Thread(error)))));
        }
        indexes
    }
}
