//! `dcos-node`: a node's endpoints without Mesos. The server is in [`dcos_cli::node`], the node behind it in
//! [`dcos_bits::compose`], as inside Mesos.

use dcos_core::{ExitCode, Problem};

fn main() -> std::process::ExitCode {
    dcos_cli::node::main(|parameters| match dcos_bits::compose::open(parameters) {
        Ok(opened) => Ok(opened.router),
        Err(error) => Err(Problem::new(ExitCode::Usage, "invalid-node", Problem::chain(&error))),
    })
}
