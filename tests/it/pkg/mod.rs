//! `dcos-pkg` and `dcos repo` as an operator uses them.

mod convert;
mod life;
mod machine;
mod probe;
mod refusals;
mod server;
mod shapes;
mod travel;
