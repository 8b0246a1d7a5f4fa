//! `dcos doctor`: is this machine, or this cluster, well? Every check says yes, or what is wrong and what to do about it. It
//! changes nothing.
//!
//! - [`machine`]: the checks of a machine; [`cluster`]: those of a cluster
//! - [`bundle`]: what whoever helps wants to see of a machine; [`redact`]: what nobody else may see

mod bundle;
mod cluster;
mod machine;
mod redact;

use std::path::{Path, PathBuf};

use dcos_core::{ExitCode, Problem};
use serde::Serialize;

use super::args::Doctor;
use crate::client::Client;
use crate::output::{Format, say, table};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    check: String,
    ok: bool,
    /// What was found.
    detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Finding {
    fn ok(check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { check: check.into(), ok: true, detail: detail.into(), hint: None }
    }

    fn problem(check: impl Into<String>, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check: check.into(), ok: false, detail: detail.into(), hint: Some(hint.into()) }
    }
}

/// Runs the checks; the code is 7 if a person is needed, and 4 if there is no node to look at. `client` is asked for if it
/// is the cluster that is meant.
pub(super) async fn run(
    format: Format,
    doctor: &Doctor,
    named: bool,
    client: impl Fn() -> Result<Client, Problem>,
) -> Result<ExitCode, Problem> {
    let file = doctor.node.clone().unwrap_or_else(|| PathBuf::from(dcos_core::node::DEFAULT_PATH));
    // On an operator's own machine there is no node to look at.
    let no_node = doctor.node.is_none() && matches!(file.try_exists(), Ok(false));
    if doctor.cluster || (no_node && named && doctor.bundle.is_none()) {
        let findings = cluster::examine(&client()?).await?;
        format.print(&findings, |findings| text(findings));
        return Ok(code(&findings, ExitCode::NeedsPerson));
    }
    let findings = machine::examine(&file).await;
    if let Some(bundle) = &doctor.bundle {
        let packed = bundle::pack(&file, bundle, &findings)?;
        say(&format!("packed {packed} files into `{}`: look through it before you send it", bundle.display()));
    }
    format.print(&findings, |findings| text(findings));
    Ok(code(&findings, if exists(&file) { ExitCode::NeedsPerson } else { ExitCode::NotFound }))
}

fn exists(file: &Path) -> bool {
    !matches!(file.try_exists(), Ok(false))
}

fn code(findings: &[Finding], otherwise: ExitCode) -> ExitCode {
    if findings.iter().all(|finding| finding.ok) { ExitCode::Done } else { otherwise }
}

fn text(findings: &[Finding]) -> String {
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| {
            let word = if finding.ok { "ok" } else { "problem" };
            vec![word.to_owned(), finding.check.clone(), finding.detail.clone()]
        })
        .collect();
    let mut text = table(&["RESULT", "CHECK", "FOUND"], &rows);
    for finding in findings {
        if let Some(hint) = &finding.hint {
            text.push_str(&format!("hint: {}: {hint}\n", finding.check));
        }
    }
    text
}
