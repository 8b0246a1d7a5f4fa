//! The schemas of the wire types, as the documents refer to them.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// How a type's schema is asked for.
pub(crate) type Of = fn(&mut SchemaGenerator) -> Schema;

/// A reference to the schema of `T`.
pub(crate) fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// What makes the schemas.
///
/// All of them say what is *read*, those of answers too: a field that a reader can do without is one that the release
/// before may not write yet, so nobody may count on it.
pub(crate) fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .for_deserialize()
        .with(|is| is.definitions_path = "/components/schemas".into())
        .into()
}

/// The schemas that were referred to, by name.
pub(crate) fn taken(mut generator: SchemaGenerator) -> Value {
    let mut schemas = Value::Object(generator.take_definitions(true));
    describe(&mut schemas);
    schemas
}

/// Makes sentences of what was written for rustdoc.
fn describe(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "description" => *text = without_links(text),
                    value => describe(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(describe),
        _ => {}
    }
}

/// `Job` of [`crate::types::Job`], in one line.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        let (target, after) = link.split_once("`]").unwrap_or((link, ""));
        let name = target.rsplit("::").next().unwrap_or(target);
        plain.push_str(&format!("{before}`{name}`"));
        rest = after;
    }
    (plain + rest).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn links_become_words() {
    assert_eq!(without_links("As in [`a::Job`],\nand [`Set`]: `x`"), "As in `Job`, and `Set`: `x`");
}
