//! `dcos-pkg` and `dcos repo` as an operator uses them.

mod bombs;
pub(crate) mod care;
mod convert;
mod life;
pub(crate) mod machine;
mod predecessor;
mod probe;
mod refusals;
pub(crate) mod server;
mod shapes;
mod together;
mod travel;
