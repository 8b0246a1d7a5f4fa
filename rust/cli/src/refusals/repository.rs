//! Refusals of repositories: of those who fetch from them, and of those who publish.

use dcos_core::{Kind, Problem};
use dcos_repo::RepoError;
use dcos_repo::credentials::InvalidCredentials;
use dcos_repo::signing::SigningError;
use dcos_repo::trust::Refusal;
use dcos_store::StoreError;
use tough::schema::RoleType;

use super::{because, denied, digest, examples, id};

const ARCHIVE: &str = "http://10.0.0.1/repository/fizzbuzz--1.2.0.tar.zst";
const INDEX: &str = "http://10.0.0.1/repository/index.json";

fn http_error() -> reqwest::Error {
    reqwest::Client::new().get("no address").build().map(|_| ()).expect_err("that is no address")
}

fn thread_error() -> tokio::task::JoinError {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let task = tokio::spawn(std::future::pending::<()>());
        task.abort();
        task.await.expect_err("it was aborted")
    })
}

#[test]
fn of_those_who_fetch_and_mirror() {
    let url = || ARCHIVE.to_owned();
    let refused = |status: u16| reqwest::StatusCode::from_u16(status).expect("a status");
    examples! { "repository", RepoError:
        RepoError::Url { .. } => RepoError::Url {
            url: "ftp://10.0.0.1".into(), what: "the release repository".into(), why: "`http` or `https` is needed".into() },
        RepoError::Authority { .. } => RepoError::Authority { path: "/etc/dcos/ca.pem".into(), source: Box::new(denied()) },
        RepoError::Credentials(_) => RepoError::Credentials(InvalidCredentials::Open {
            path: "/etc/dcos/repository.json".into(), mode: 0o644 }),
        RepoError::Setup(_) => RepoError::Setup(http_error()),
        RepoError::Unreachable { .. } => RepoError::Unreachable {
            url: url(), attempts: 5, source: because("connection refused") },
        RepoError::Status { .. } => RepoError::Status { url: url(), status: refused(403) },
        RepoError::Certificate { .. } => RepoError::Certificate { url: url(), source: because("unknown issuer") },
        RepoError::Changed(_) => RepoError::Changed(url()),
        RepoError::NoRanges(_) => RepoError::NoRanges(url()),
        RepoError::NotSigned { .. } => RepoError::NotSigned { url: url() },
        RepoError::Revoked { .. } => RepoError::Revoked { id: id("fizzbuzz--1.2.0"), repository: "release".into() },
        RepoError::TooLong { .. } => RepoError::TooLong { url: url(), limit: 1024 },
        RepoError::OtherSize { .. } => RepoError::OtherSize { url: url(), expected: 1024, found: 2048 },
        RepoError::Index { .. } => RepoError::Index {
            url: INDEX.into(), source: serde_json::from_str::<u8>("{").expect_err("that is no index") },
        RepoError::IndexFormat { .. } => RepoError::IndexFormat { url: INDEX.into(), found: 2 },
        RepoError::Untrusted { .. } => RepoError::Untrusted {
            repository: "release".into(), refusal: Refusal::Expired, why: "its `timestamp` expired yesterday".into() },
        RepoError::NotFound { .. } => RepoError::NotFound {
            id: id("fizzbuzz--1.2.0"), asked: vec!["release".into(), "site".into()] },
        RepoError::WrongRepository { .. } => RepoError::WrongRepository {
            id: id("fizzbuzz--1.2.0"), kind: Kind::Module },
        RepoError::OtherPkgInfo { .. } => RepoError::OtherPkgInfo {
            id: id("fizzbuzz--1.2.0"), repository: "site".into() },
        RepoError::NoRepository(_) => RepoError::NoRepository(id("fizzbuzz--1.2.0")),
        RepoError::UntrustedSource(_) => RepoError::UntrustedSource(id("fizzbuzz--1.2.0")),
        RepoError::HalfSource(_) => RepoError::HalfSource(id("fizzbuzz--1.2.0")),
        RepoError::Store(_) => RepoError::Store(StoreError::NotLocal(id("fizzbuzz--1.2.0"))),
        RepoError::Io { .. } => RepoError::Io {
            action: "write the index", path: "/srv/repository/index.json".into(), source: denied() },
        RepoError::NoIndex(_) => RepoError::NoIndex("/srv/repository".into()),
        RepoError::Differs { .. } => RepoError::Differs {
            id: id("fizzbuzz--1.2.0"), published: digest(1), offered: digest(2) },
        RepoError::Signing(_) => RepoError::Signing(SigningError::Signed("/srv/repository".into())),
        RepoError::SignedSource(_) => RepoError::SignedSource("http://10.0.0.1/repository".into()),
        RepoError::Publishing(_) => RepoError::Publishing("/srv/repository".into()),
        RepoError::NoJob(_) => RepoError::NoJob("j1".into()),
        RepoError::BadJob { .. } => RepoError::BadJob { id: "j1".into(), why: "EOF while parsing a value".into() },
        RepoError::JobTaken { .. } => RepoError::JobTaken { id: "j1".into(), pid: 4711 },
        RepoError::Problem(_) => RepoError::Problem(
            Problem::new(dcos_core::ExitCode::Refused, "somebody-elses", "what somebody else refused").hint("their hint")),
        RepoError::Thread(_) => RepoError::Thread(thread_error()),
    }
}

#[test]
fn of_metadata_that_is_not_believed() {
    struct Told(Refusal);
    impl std::fmt::Debug for Told {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fmt(formatter)
        }
    }
    impl From<Told> for Problem {
        fn from(Told(refusal): Told) -> Self {
            let why = "its `targets` is not what it was announced as".to_owned();
            RepoError::Untrusted { repository: "release".into(), refusal, why }.into()
        }
    }
    examples! { "metadata", Told:
        Told(Refusal::Expired) => Told(Refusal::Expired),
        Told(Refusal::Clock) => Told(Refusal::Clock),
        Told(Refusal::Rollback) => Told(Refusal::Rollback),
        Told(Refusal::Signature) => Told(Refusal::Signature),
        Told(Refusal::Threshold) => Told(Refusal::Threshold),
        Told(Refusal::Mix) => Told(Refusal::Mix),
        Told(Refusal::Endless) => Told(Refusal::Endless),
        Told(Refusal::Malformed) => Told(Refusal::Malformed),
        Told(Refusal::Root) => Told(Refusal::Root),
    }
}

#[derive(Debug)]
struct Signing(SigningError);

impl From<Signing> for Problem {
    fn from(Signing(error): Signing) -> Self {
        RepoError::Signing(error).into()
    }
}

#[test]
fn of_those_who_sign() {
    use SigningError as E;
    let folder = || "/srv/repository".into();
    examples! { "signing", Signing:
        Signing(E::KeysServed { .. }) => Signing(E::KeysServed { keys: "/srv/repository/keys".into(), folder: folder() }),
        Signing(E::KeysThere(_)) => Signing(E::KeysThere("/root/keys".into())),
        Signing(E::Key { .. }) => Signing(E::Key { path: "/root/keys/root-1".into(), why: "it is no key".into() }),
        Signing(E::OpenKey { .. }) => Signing(E::OpenKey { path: "/root/keys/root-1".into(), mode: 0o644 }),
        Signing(E::KeysMissing { .. }) => Signing(E::KeysMissing {
            folder: "/root/keys".into(), role: RoleType::Targets, needed: 2, found: 1 }),
        Signing(E::NoRoot(_)) => Signing(E::NoRoot("/root/keys".into())),
        Signing(E::Root { .. }) => Signing(E::Root {
            path: "/srv/repository/metadata/3.root.json".into(),
            why: "it is missing, and the newest there is version 999".into() }),
        Signing(E::Signed(_)) => Signing(E::Signed(folder())),
        Signing(E::Unsigned(_)) => Signing(E::Unsigned(folder())),
        Signing(E::Metadata { .. }) => Signing(E::Metadata {
            path: "/srv/repository/metadata/1.root.json".into(), why: "it is no root".into() }),
        Signing(E::Unsignable { .. }) => Signing(E::Unsignable { role: RoleType::Root, why: "no random numbers".into() }),
        Signing(E::Revoked(_)) => Signing(E::Revoked(id("fizzbuzz--1.2.0"))),
        Signing(E::LongId(_)) => Signing(E::LongId(id("fizzbuzz--1.2.0"))),
        Signing(E::NotPublished(_)) => Signing(E::NotPublished(id("fizzbuzz--1.2.0"))),
        Signing(E::NoRole(_)) => Signing(E::NoRole("everything".into())),
    }
}
