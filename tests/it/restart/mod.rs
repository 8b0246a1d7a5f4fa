//! The helper as a program: real processes, a real store, kills in earnest, and a fake where Mesos would be.
//!
//! What a real Mesos does in a restart is tested with real ones; here it is a small server of our own (`mesos.py`) that can
//! be told to be bad.

mod kills;
mod machine;
mod outcomes;
mod starting;
