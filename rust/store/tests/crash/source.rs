//! A repository to fetch from, served by this process while its victims come and go.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use dcos_core::node::{Repositories, RepositoryFacts};
use dcos_core::{PackageId, Problem};
use dcos_repo::server::Server;
use dcos_repo::{Event, Progress, Signer, Wanted, publisher, signing};
use dcos_store::Store;

use crate::fixture::Node;

/// Publishes the package `x--1`, and `y--1`, which is then revoked, with signed metadata below `node`'s scratch directory.
/// Answers the arguments of the command `fetch`.
pub(crate) fn serve(node: &Node) -> Vec<String> {
    let (folder, keys, root) = (node.path("repository"), node.path("keys"), node.path("root.json"));
    let archives = ["x--1", "y--1"].map(|id| node.archive(id, r#""kind":"plain""#, &[("lib/a", id), ("bin/b!", "b")]));
    publisher::init(&folder).unwrap();
    signing::init(&folder, &keys, 1).unwrap();
    let signer = || Signer::open(&folder, &keys).unwrap();
    publisher::publish_signed(&folder, &archives, &signer()).unwrap();
    signing::revoke(&folder, &signer(), &["y--1".parse().unwrap()]).unwrap();
    fs::copy(folder.join("metadata/1.root.json"), &root).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::bind(&folder, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
            tell.send(server.url()).unwrap();
            server.run().await.unwrap();
        });
    });
    vec![told.recv().unwrap(), root.to_str().unwrap().to_owned()]
}

struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: &PackageId, _: Event) {}
}

/// Fetches `x--1` as `dcos-pkg fetch` does.
pub(crate) fn fetch(store: &Store, url: &str, root_json: &str) -> Result<(), Problem> {
    let release = RepositoryFacts {
        url: url.to_owned(),
        root_json: Some(Path::new(root_json).to_owned()),
        ca: None,
        credentials: None,
    };
    let facts = Repositories { release: Some(release), site: None };
    // One thread for the network and one for the disk, so that calls come in nearly the same order every time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let repositories = dcos_repo::Repositories::new(&facts, store)?;
        let wanted = [Wanted::from("x--1".parse::<PackageId>().unwrap())];
        let progress: Arc<dyn Progress> = Arc::new(Quiet);
        for answer in dcos_repo::fetch(&Arc::new(store.clone()), &repositories, &wanted, &progress).await {
            answer?;
        }
        Ok(())
    })
}
