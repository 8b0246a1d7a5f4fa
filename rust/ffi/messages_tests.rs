//! The messages of every way in which a module can't serve, word by word in `tests/golden/refusals`. All of them reach an
//! operator as the detail of `module-refused`, and in the log of Mesos.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use dcos_core::node::NodeConfig;
use dcos_store::StoreError;
use dcos_testkit::messages;

use crate::compose::OpenError;
use crate::guard::catch;
use crate::host::Refusal;
use crate::parameters::{ParameterError, decode};

fn denied() -> std::io::Error {
    std::io::Error::from(std::io::ErrorKind::PermissionDenied)
}

#[test]
fn of_a_module_that_does_not_serve() {
    let repeated = decode(b"\x0a\x06\x0a\x01a\x12\x011\x0a\x06\x0a\x01a\x12\x012").expect_err("`a` is given twice");
    messages! { "module", Refusal:
        Refusal::Parameters { .. } => Refusal::Parameters { module: "pkg", source: repeated },
        Refusal::Differ { .. } => Refusal::Differ {
            module: "deploy", given: "`node=/etc/dcos/b.toml`".into(), first: "pkg", expected: "`node=/etc/dcos/a.toml`".into() },
        Refusal::Open(_) => Refusal::Open(OpenError::Relative("node.toml".into()).into()),
        Refusal::Runtime(_) => Refusal::Runtime(std::io::Error::from(std::io::ErrorKind::WouldBlock)),
        Refusal::Panicked(_) => Refusal::Panicked(
            catch(|| std::panic::resume_unwind(Box::new("the index is out of range"))).expect_err("it panics")),
    }
}

#[test]
fn of_parameters() {
    messages! { "parameters", ParameterError:
        ParameterError::Malformed(_) => decode(&[0x0a, 0x7f]).expect_err("it is cut off"),
        ParameterError::NotText => decode(b"\x0a\x03\x0a\x01\xff").expect_err("that is no UTF-8"),
        ParameterError::Repeated(_) => ParameterError::Repeated("node".into()),
    }
}

#[test]
fn of_a_node_that_can_not_be_opened() {
    let typo = NodeConfig::parse("rolle = \"agent\"\n").map(|_| ()).expect_err("that is no node file");
    messages! { "module-node", OpenError:
        OpenError::Parameter(_) => OpenError::Parameter("nodes".into()),
        OpenError::Relative(_) => OpenError::Relative("node.toml".into()),
        OpenError::Read { .. } => OpenError::Read { path: "/etc/dcos/node.toml".into(), source: denied() },
        OpenError::Parse { .. } => OpenError::Parse { path: "/etc/dcos/node.toml".into(), source: typo },
        OpenError::Root { .. } => OpenError::Root { root: "/opt/dcos".into(), source: denied() },
        OpenError::Store(_) => OpenError::Store(StoreError::Io {
            action: "open", path: "/opt/dcos/state".into(), to: None, source: denied() }),
    }
}
