//! Generations: a set made ready to be started, before anything is stopped for it.
//!
//! - [`render`]: the environment and `modules.json` (pure)
//! - [`links`]: the link trees (pure)
//! - [`document`]: `set.json`, and the environment as a file
//! - [`facts`]: what validation needs to know of a set
//! - [`probe`]: asking a module library what it is
//! - [`stage`]: from a set to a generation, and the switch
//! - [`history`]: what was active when, and how it went
//! - [`helper`]: the helper, kept apart from the packages it came in

pub(crate) mod document;
pub(crate) mod facts;
pub(crate) mod helper;
pub(crate) mod history;
pub(crate) mod links;
pub(crate) mod probe;
pub(crate) mod render;
pub(crate) mod stage;
