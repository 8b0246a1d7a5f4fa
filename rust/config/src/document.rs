//! An options document in TOML or JSON, and the line of each of its keys.
//!
//! Neither parser tells where the keys of a well-formed document stand in a way that both share, so the lines are
//! gathered beside the values: from TOML's spans, and for JSON by walking once more over a text that is known to be
//! well formed by then. That walk also finds what serde_json lets pass: a key that is there twice.

use std::collections::BTreeMap;

use dcos_core::validate::Finding;
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use crate::options::{InvalidOptions, Syntax, finding};

/// The line of every key of a document, by dotted path. It is no part of what a document says: two are always equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(BTreeMap<String, usize>);

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Places {}

impl Places {
    /// The line of a key, or of the nearest table around it.
    fn line(&self, key: &str) -> Option<usize> {
        let mut key = key;
        loop {
            if let Some(line) = self.0.get(key) {
                return Some(*line);
            }
            key = key.rsplit_once('.')?.0;
        }
    }

    /// What was said about a key on a line counts no more.
    pub(crate) fn forget(&mut self, key: &str) {
        self.0.remove(key);
    }
}

/// What is wrong with a document, each with its line.
pub(crate) struct Findings<'a> {
    places: &'a Places,
    list: Vec<Finding>,
}

impl<'a> Findings<'a> {
    pub(crate) fn of(places: &'a Places) -> Self {
        Self { places, list: Vec::new() }
    }

    /// Something is wrong with `key`.
    pub(crate) fn add(&mut self, key: &str, code: &str, message: impl Into<String>, hint: Option<String>) {
        self.push(key, finding(code, message.into(), hint));
    }

    /// Something is wrong with `key`.
    pub(crate) fn push(&mut self, key: &str, mut found: Finding) {
        if let Some(line) = self.places.line(key) {
            found.message = format!("line {line}: {}", found.message);
        }
        self.list.push(found);
    }

    /// All of it, as the reason for a refusal.
    pub(crate) fn none(self) -> Result<(), InvalidOptions> {
        if self.list.is_empty() { Ok(()) } else { Err(InvalidOptions::Findings(self.list)) }
    }
}

/// Reads a document.
pub(crate) fn read(text: &str, syntax: Syntax) -> Result<(Value, Places), InvalidOptions> {
    match syntax {
        Syntax::Json => from_json(text),
        Syntax::Toml => from_toml(text),
    }
}

fn from_json(text: &str) -> Result<(Value, Places), InvalidOptions> {
    let document = serde_json::from_str(text)
        .map_err(|error| InvalidOptions::Syntax { line: error.line(), message: format!("not JSON: {error}") })?;
    let mut walk = Walk { rest: text, line: 1, places: Places::default(), twice: Vec::new() };
    walk.value("");
    let (places, twice) = (walk.places, walk.twice);
    let mut findings = Findings::of(&places);
    for key in twice {
        findings.add(&key, "duplicate-key", format!("`{key}` is there twice"), None);
    }
    findings.none().map(|()| (document, places))
}

/// A walk over JSON that is well formed.
struct Walk<'a> {
    rest: &'a str,
    line: usize,
    places: Places,
    twice: Vec<String>,
}

impl<'a> Walk<'a> {
    /// Takes what is next, after white space.
    fn next(&mut self) -> Option<char> {
        loop {
            let next = self.rest.chars().next()?;
            self.rest = &self.rest[next.len_utf8()..];
            match next {
                '\n' => self.line += 1,
                next if next.is_whitespace() => {}
                next => return Some(next),
            }
        }
    }

    /// Takes a text whose first quotation mark was taken.
    fn text(&mut self) -> String {
        let start = self.rest;
        let mut escaped = false;
        let end = start.find(|character| {
            let closing = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            closing
        });
        let (inner, rest) = start.split_at(end.unwrap_or(start.len()));
        self.rest = rest.get(1..).unwrap_or_default();
        serde_json::from_str(&format!("\"{inner}\"")).unwrap_or_else(|_| inner.to_owned())
    }

    fn value(&mut self, path: &str) {
        match self.next() {
            Some('{') => self.members(path),
            Some('[') => self.items(path),
            Some('"') => {
                self.text();
            }
            _ => {
                let end = self.rest.find([',', ']', '}']).unwrap_or(self.rest.len());
                self.line += self.rest[..end].matches('\n').count();
                self.rest = &self.rest[end..];
            }
        }
    }

    fn members(&mut self, path: &str) {
        loop {
            match self.next() {
                Some('"') => {}
                Some(',') => continue,
                _ => return,
            }
            let line = self.line;
            let key = joined(path, &self.text());
            if self.places.0.insert(key.clone(), line).is_some() {
                self.twice.push(key.clone());
            }
            self.next();
            self.value(&key);
        }
    }

    fn items(&mut self, path: &str) {
        for place in 0.. {
            let before = (self.rest, self.line);
            match self.next() {
                Some(']') | None => return,
                Some(',') => {}
                Some(_) => (self.rest, self.line) = before,
            }
            // Numbered, so that two items may have the same keys.
            self.value(&joined(path, &place.to_string()));
        }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn from_toml(text: &str) -> Result<(Value, Places), InvalidOptions> {
    let line = |start: usize| text[..start].matches('\n').count() + 1;
    let syntax = |error: toml::de::Error| InvalidOptions::Syntax {
        line: error.span().map_or(1, |span| line(span.start)),
        message: format!("not TOML: {}", error.message()),
    };
    let table: toml::Table = toml::from_str(text).map_err(syntax)?;
    let mut places = Places::default();
    spans("", DeTable::parse(text).map_err(syntax)?.get_ref(), &line, &mut places);
    let mut findings = Findings::of(&places);
    let document = toml_to_json("", &toml::Value::Table(table), &mut findings);
    findings.none()?;
    Ok((document, places))
}

fn spans(path: &str, table: &DeTable<'_>, line: &impl Fn(usize) -> usize, places: &mut Places) {
    for (name, value) in table {
        let key = joined(path, name.get_ref());
        places.0.insert(key.clone(), line(name.span().start));
        if let DeValue::Table(table) = value.get_ref() {
            spans(&key, table, line, places);
        }
    }
}

fn toml_to_json(key: &str, value: &toml::Value, findings: &mut Findings<'_>) -> Value {
    let mut refuse = |what: &str| {
        findings.add(key, "wrong-type", format!("`{key}` is {what}, which no option is"), None);
        Value::Null
    };
    match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Boolean(value) => Value::Bool(*value),
        toml::Value::Float(number) => match serde_json::Number::from_f64(*number) {
            Some(number) => Value::Number(number),
            None => refuse("not a finite number"),
        },
        toml::Value::Datetime(_) => refuse("a date"),
        toml::Value::Array(items) => items.iter().map(|item| toml_to_json(key, item, findings)).collect(),
        toml::Value::Table(table) => {
            let mut document = Map::new();
            for (name, value) in table {
                document.insert(name.clone(), toml_to_json(&joined(key, name), value, findings));
            }
            Value::Object(document)
        }
    }
}
