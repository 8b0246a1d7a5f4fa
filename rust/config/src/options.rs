//! The options document: what an operator says about a group's Mesos.
//!
//! It comes as TOML or JSON, may be completed by arguments, and ends as [`Options`], whose JSON form is canonical:
//! comments, order and format of the input leave no trace in it. It is checked by hand and not by serde's own
//! `deny_unknown_fields`, so that every mistake is reported at once, each with the name that was probably meant.

use std::collections::{BTreeMap, BTreeSet};

use dcos_core::validate::Finding;
use dcos_core::{ExitCode, PackageName, Problem, Role};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::document::{self, Findings, Places};
use crate::nearest::did_you_mean;
use crate::parameters::describe;
use crate::{contradictions, flags};

/// The format of the document that this release reads and writes.
pub const FORMAT: u32 = 1;

const KEYS: [&str; 6] = ["format", "role", "group", "modules", "flags", "parameters"];

/// What the Mesos of a group is to be configured with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Options {
    format: u32,
    /// Master or agent.
    pub role: Role,
    /// The group that it is for.
    pub group: String,
    /// The packages whose modules are enabled.
    pub modules: BTreeSet<PackageName>,
    /// Mesos's flags by name, as text.
    pub flags: BTreeMap<String, String>,
    /// Parameters by module (not package) and name.
    pub parameters: BTreeMap<String, BTreeMap<String, Value>>,
    #[serde(skip)]
    pub(crate) places: Places,
}

/// Options on their way: role and group may be missing still.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Master or agent.
    pub role: Option<Role>,
    /// The group; `masters` or `agents` if nothing is said.
    pub group: Option<String>,
    /// The packages whose modules are enabled.
    pub modules: BTreeSet<PackageName>,
    /// Mesos's flags by name, as text.
    pub flags: BTreeMap<String, String>,
    /// Parameters by module and name.
    pub parameters: BTreeMap<String, BTreeMap<String, Value>>,
    places: Places,
}

/// The language of an options document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

/// Options that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    /// The document is not of its language.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// It is, but says what can't be.
    #[error("the options can't be used")]
    Findings(Vec<Finding>),
}

impl InvalidOptions {
    /// The refusal to print, with every finding.
    pub fn problem(&self) -> Problem {
        let mut problem = Problem::new(ExitCode::Refused, "invalid-options", Problem::chain(self))
            .hint("`dcos config options` explains every key");
        if let Self::Findings(findings) = self {
            problem.problems.clone_from(findings);
        }
        problem
    }
}

pub(crate) fn finding(code: &str, message: String, hint: Option<String>) -> Finding {
    Finding { code: code.to_owned(), packages: Vec::new(), message, hint }
}

impl Options {
    /// No module, no flag.
    pub fn new(role: Role, group: impl Into<String>) -> Self {
        Self {
            format: FORMAT,
            role,
            group: group.into(),
            modules: BTreeSet::new(),
            flags: BTreeMap::new(),
            parameters: BTreeMap::new(),
            places: Places::default(),
        }
    }

    /// Reads a whole document, such as the `etc/options.json` of a config package.
    ///
    /// # Errors
    /// If it is not one, with everything that is wrong with it.
    pub fn parse(text: &str, syntax: Syntax) -> Result<Self, InvalidOptions> {
        Draft::parse(text, syntax)?.finish()
    }

    /// The canonical form: JSON with sorted keys, and a newline at its end.
    pub fn to_json(&self) -> String {
        crate::generate::json(self)
    }
}

impl Draft {
    /// Reads a document that may leave out anything.
    ///
    /// # Errors
    /// If it is malformed or says something unknown, with everything that is wrong with it.
    pub fn parse(text: &str, syntax: Syntax) -> Result<Self, InvalidOptions> {
        let (document, places) = document::read(text, syntax)?;
        let mut findings = Findings::of(&places);
        let mut draft = Self::read(&document, &mut findings);
        findings.none()?;
        draft.places = places;
        Ok(draft)
    }

    /// Takes an assignment from the command line: `flags.quorum=1`, `parameters.org_example_FizzBuzz.limit=5`.
    ///
    /// A value that reads as JSON is that, any other is text.
    ///
    /// # Errors
    /// If there is no such key or the value has the wrong type.
    pub fn set(&mut self, assignment: &str) -> Result<(), InvalidOptions> {
        let one = |code, message, hint| Err(InvalidOptions::Findings(vec![finding(code, message, hint)]));
        let Some((key, text)) = assignment.split_once('=') else {
            return one("not-an-assignment", format!("`{assignment}` is no assignment: `key=value` is needed"), None);
        };
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        let nowhere = Places::default();
        let mut findings = Findings::of(&nowhere);
        match key.split('.').collect::<Vec<_>>()[..] {
            ["role"] => self.role = read_role(&value, &mut findings),
            ["group"] => self.group = read_group(&value, &mut findings),
            ["modules"] => {
                let names = text.split(',').filter(|name| !name.is_empty()).map(|name| Value::String(name.to_owned()));
                self.modules = read_modules(&Value::Array(names.collect()), &mut findings);
            }
            ["flags", name] => {
                // A flag is text in the end: `1.10` must not become the number 1.1 on the way.
                self.flags.extend(read_flag(name, &Value::String(text.to_owned()), &mut findings));
            }
            ["parameters", module, name] => {
                self.parameters.entry(module.to_owned()).or_default().insert(name.to_owned(), value);
            }
            _ => {
                let known = ["role", "group", "modules", "flags.NAME", "parameters.MODULE.NAME"];
                return one("unknown-key", format!("`{key}` can't be set"), did_you_mean(key, known));
            }
        }
        findings.none()?;
        self.places.forget(key);
        Ok(())
    }

    /// The options, once nothing is missing.
    ///
    /// # Errors
    /// If the role is, or if flags are not those of the role's program or contradict each other.
    pub fn finish(self) -> Result<Options, InvalidOptions> {
        let Some(role) = self.role else {
            let hint = "say `role = \"agent\"` in the options, or `--role agent`".to_owned();
            let missing = finding("missing-role", "the options name no `role`".to_owned(), Some(hint));
            return Err(InvalidOptions::Findings(vec![missing]));
        };
        let group = self.group.unwrap_or_else(|| format!("{role}s"));
        let mut findings = Findings::of(&self.places);
        for (name, value) in &self.flags {
            if let Err(wrong) = flags::check(name, value, Some(role)) {
                findings.push(&format!("flags.{name}"), *wrong);
            }
        }
        contradictions::check(role, &self.flags, &mut findings);
        findings.none()?;
        let Self { modules, flags, parameters, places, .. } = self;
        Ok(Options { format: FORMAT, role, group, modules, flags, parameters, places })
    }

    fn read(document: &Value, findings: &mut Findings<'_>) -> Self {
        let mut draft = Self::default();
        let Some(document) = table("", document, findings) else { return draft };
        for (key, value) in document {
            match key.as_str() {
                "format" if value.as_u64() == Some(u64::from(FORMAT)) => {}
                "format" => findings.add(
                    key,
                    "unknown-format",
                    format!("`format` is {}, and this release knows format {FORMAT} only", describe(value)),
                    None,
                ),
                "role" => draft.role = read_role(value, findings),
                "group" => draft.group = read_group(value, findings),
                "modules" => draft.modules = read_modules(value, findings),
                "flags" => {
                    for (name, value) in table(key, value, findings).into_iter().flatten() {
                        draft.flags.extend(read_flag(name, value, findings));
                    }
                }
                "parameters" => {
                    for (module, value) in table(key, value, findings).into_iter().flatten() {
                        let key = format!("parameters.{module}");
                        let given = table(&key, value, findings).into_iter().flatten();
                        let given = given.map(|(name, value)| (name.clone(), value.clone())).collect();
                        draft.parameters.insert(module.clone(), given);
                    }
                }
                _ => findings.add(key, "unknown-key", format!("unknown key `{key}`"), unknown_key(key)),
            }
        }
        draft
    }
}

/// A flag may have been written where only keys are.
fn unknown_key(key: &str) -> Option<String> {
    let is_flag = flags::all().iter().any(|flag| flag.name == key);
    if is_flag { Some("flags of Mesos stand in the table `flags`".to_owned()) } else { did_you_mean(key, KEYS) }
}

/// The table that `key` is; the whole document if it is empty.
fn table<'a>(key: &str, value: &'a Value, findings: &mut Findings<'_>) -> Option<&'a Map<String, Value>> {
    let table = value.as_object();
    if table.is_none() {
        let what = if key.is_empty() { "the document".to_owned() } else { format!("`{key}`") };
        findings.add(key, "wrong-type", format!("{what} is {}, and a table is needed", describe(value)), None);
    }
    table
}

fn read_role(value: &Value, findings: &mut Findings<'_>) -> Option<Role> {
    let role = value.as_str().and_then(|text| text.parse().ok());
    if role.is_none() {
        let hint = value.as_str().and_then(|text| did_you_mean(text, ["master", "agent"]));
        let message = format!("`role` is {}, and `master` or `agent` is needed", describe(value));
        findings.add("role", "wrong-type", message, hint);
    }
    role
}

fn read_group(value: &Value, findings: &mut Findings<'_>) -> Option<String> {
    let group = value.as_str().filter(|text| !text.is_empty() && !text.chars().any(char::is_control));
    if group.is_none() {
        let message = format!("`group` is {}, and a name is needed", describe(value));
        findings.add("group", "wrong-type", message, None);
    }
    group.map(ToOwned::to_owned)
}

fn read_modules(value: &Value, findings: &mut Findings<'_>) -> BTreeSet<PackageName> {
    let Some(names) = value.as_array() else {
        let message = format!("`modules` is {}, and a list of package names is needed", describe(value));
        findings.add("modules", "wrong-type", message, None);
        return BTreeSet::new();
    };
    let mut modules = BTreeSet::new();
    for value in names {
        match value.as_str().map(str::parse::<PackageName>) {
            Some(Ok(name)) => {
                modules.insert(name);
            }
            Some(Err(error)) => {
                let hint = value.as_str().and_then(|text| text.split_once("--")).map(|(name, _)| {
                    format!("name the package without its version: `{name}`; the set says which version")
                });
                findings.add("modules", "wrong-type", format!("`modules`: {error}"), hint);
            }
            None => {
                let message = format!("`modules` contains {}, and names of packages are needed", describe(value));
                findings.add("modules", "wrong-type", message, None);
            }
        }
    }
    modules
}

fn read_flag(name: &str, value: &Value, findings: &mut Findings<'_>) -> Option<(String, String)> {
    let key = format!("flags.{name}");
    let text = match value {
        Value::Null => {
            let hint = Some("leave it out for Mesos's own default".to_owned());
            findings.add(&key, "wrong-type", format!("`{key}` is null, and a value is needed"), hint);
            return None;
        }
        Value::String(text) => text.clone(),
        // What Mesos takes as JSON may be written as a table.
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => sorted(value).to_string(),
    };
    match flags::check(name, &text, None) {
        Err(wrong) => {
            findings.push(&key, *wrong);
            None
        }
        Ok(text) => Some((name.to_owned(), text)),
    }
}

/// `value` with the keys of all its tables in order, whatever map type serde_json was built with.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Object(table) => {
            let ordered: BTreeMap<&String, &Value> = table.iter().collect();
            Value::Object(ordered.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
