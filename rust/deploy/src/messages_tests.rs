//! The messages of every way in which the controller can't start or keep its log, word by word in `tests/golden/refusals`:
//! they reach an operator in the log of the master, and as the details of `controller-failed` and of deployments.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use dcos_testkit::messages;

use super::wire::Code;
use crate::client::ClientError;
use crate::shell::ShellError;
use crate::store::{InvalidRecord, StoreError};
use crate::trust::InvalidCredentials;
use crate::zookeeper::ZooKeeperError;

const LOG: &str = "/mesos/dcos-bits/deployments";

#[test]
fn of_a_controller_that_does_not_start() {
    let client =
        reqwest::Client::builder().user_agent("\n").build().map(|_| ()).expect_err("that is no name of a client");
    let nowhere = tokio::runtime::Handle::try_current().map(|_| ()).expect_err("there is no runtime here");
    messages! { "controller", ShellError:
        ShellError::Client(_) => ShellError::Client(ClientError(client)),
        ShellError::Credentials(_) => ShellError::Credentials(InvalidCredentials::Open("/etc/dcos/credentials".into())),
        ShellError::Thread(_) => ShellError::Thread(std::io::Error::from(std::io::ErrorKind::WouldBlock)),
        ShellError::Runtime(_) => ShellError::Runtime(nowhere),
    }
}

#[test]
fn of_a_log_in_zookeeper() {
    messages! { "zookeeper", ZooKeeperError:
        ZooKeeperError::Unreachable { .. } => ZooKeeperError::Unreachable {
            servers: "10.0.0.1:2181,10.0.0.2:2181".into(), why: "connection refused".into() },
        ZooKeeperError::Broken { .. } => ZooKeeperError::Broken {
            server: "10.0.0.1:2181".into(), why: "it was closed".into() },
        ZooKeeperError::Refused { .. } => ZooKeeperError::Refused {
            what: "write", path: LOG.into(), code: Code(-102) },
        ZooKeeperError::Fenced { .. } => ZooKeeperError::Fenced { path: LOG.into() },
        ZooKeeperError::Foreign { .. } => ZooKeeperError::Foreign {
            path: LOG.into(), why: "its head is no document of ours".into() },
        ZooKeeperError::Missing { .. } => ZooKeeperError::Missing { path: LOG.into(), number: 7 },
    }
}

#[test]
fn of_the_log_of_deployments() {
    messages! { "deployments", StoreError:
        StoreError::Failed(_) => StoreError::Failed(Box::new(std::io::Error::from(std::io::ErrorKind::StorageFull))),
        StoreError::Fenced(_) => StoreError::Fenced(Box::new(ZooKeeperError::Fenced { path: LOG.into() })),
    }
    messages! { "deployments-record", InvalidRecord:
        InvalidRecord::Json { .. } => InvalidRecord::Json {
            number: 3, source: serde_json::from_str::<u8>("").expect_err("nothing is no number") },
        InvalidRecord::Format { .. } => InvalidRecord::Format { number: 3, format: 2 },
    }
}
