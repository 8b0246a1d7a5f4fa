//! The dashboard in a real Chromium.
//!
//! - [`browser`]: the browser, as a person uses it
//! - [`fake`]: a master that is fake, with more nodes than fit on a machine
//! - [`large`]: ten thousand nodes, hostile ones, and everything that goes wrong, over the fake
//! - [`leader`]: three real masters, and a page that follows the one that leads
//! - [`roles`]: who sees and does what, over `dcos-node`, by keyboard
//! - [`upgrade`]: a real cluster is upgraded, and somebody watches

mod browser;
mod fake;
mod large;
mod leader;
mod roles;
mod upgrade;

use std::path::PathBuf;

use browser::Browser;

/// Pictures for docs/dashboard.md are taken where this is set.
const PICTURES: &str = "DCOS_BITS_PICTURES";

/// Takes a picture for the documents, dark or light, if somebody wants some.
fn picture(browser: &Browser, name: &str, scheme: &str) {
    let Some(folder) = std::env::var_os(PICTURES).map(PathBuf::from) else { return };
    browser.prefer(scheme);
    browser.picture(&folder.join(format!("{name}-{scheme}.png")));
}
