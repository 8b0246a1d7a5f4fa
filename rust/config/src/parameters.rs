//! Parameters of modules, checked against what the modules' pkginfos declare and rendered as Mesos wants them: as text.

use std::collections::BTreeMap;

use dcos_core::pkginfo::{ModuleInfo, ParameterKind};
use serde_json::Value;

use crate::document::Findings;
use crate::nearest::did_you_mean;

/// The given parameters of `module` as text; what is wrong with them goes to `findings`.
///
/// A default is not written out: it belongs to the module's version, and the next version may have a better one.
pub(crate) fn render(
    module: &ModuleInfo,
    given: &BTreeMap<String, Value>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, String> {
    let mut rendered = BTreeMap::new();
    for (name, value) in given {
        let key = format!("parameters.{}.{name}", module.name);
        let Some(declared) = module.parameters.get(name) else {
            let hint = did_you_mean(name, module.parameters.keys().map(String::as_str));
            let message = format!("`{key}` is no parameter of module `{}`", module.name);
            findings.add(&key, "unknown-parameter", message, hint);
            continue;
        };
        match text(declared.kind, value) {
            Ok(text) if is_secret(name) && !text.starts_with("file:///") => {
                let message = format!("`{key}` is a secret by its name, and secrets stand in no package");
                let hint = "put it into a file on each host, and name that by `file:///…`".to_owned();
                findings.add(&key, "secret", message, Some(hint));
            }
            Ok(text) => {
                rendered.insert(name.clone(), text);
            }
            Err(needed) => {
                let message = format!("`{key}` is {}, and {needed}", describe(value));
                findings.add(&key, "parameter-type", message, hint(declared.kind, value));
            }
        }
    }
    rendered
}

/// Whether a parameter of that name holds what nobody may read in a repository.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "passphrase", "secret", "token", "private_key"].iter().any(|word| name.ends_with(word))
}

/// `value` as text, or what would be needed instead.
fn text(kind: ParameterKind, value: &Value) -> Result<String, &'static str> {
    match (kind, value) {
        (ParameterKind::Integer, Value::Number(number)) if !number.is_f64() => Ok(number.to_string()),
        (ParameterKind::Number, Value::Number(number)) => Ok(number.to_string()),
        (ParameterKind::Boolean, Value::Bool(value)) => Ok(value.to_string()),
        (ParameterKind::String, Value::String(text)) if !text.contains('\0') => Ok(text.clone()),
        (ParameterKind::Integer, _) => Err("a whole number is needed"),
        (ParameterKind::Number, _) => Err("a number is needed"),
        (ParameterKind::Boolean, _) => Err("`true` or `false` is needed"),
        (ParameterKind::String, _) => Err("a text without NUL is needed"),
        (ParameterKind::NodeFile, _) => Err("each node fills in the path of its own `node.toml` there"),
    }
}

/// A value as people call it.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::String(text) => format!("the text {text:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
    }
}

fn hint(kind: ParameterKind, value: &Value) -> Option<String> {
    match (kind, value) {
        (ParameterKind::NodeFile, _) => Some("leave it out".to_owned()),
        (ParameterKind::Integer | ParameterKind::Number | ParameterKind::Boolean, Value::String(text))
            if serde_json::from_str(text).is_ok_and(|value: Value| self::text(kind, &value).is_ok()) =>
        {
            Some(format!("write `{text}` without quotes"))
        }
        (ParameterKind::String, Value::Number(_) | Value::Bool(_)) => Some(format!("write `\"{value}\"`, with quotes")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::text;
    use dcos_core::pkginfo::ParameterKind::{Boolean, Integer, NodeFile, Number, String};
    use serde_json::json;

    #[test]
    fn values_become_the_text_that_mesos_passes_on() {
        for (kind, value, expected) in [
            (Integer, json!(100), "100"),
            (Integer, json!(-1), "-1"),
            (Number, json!(0.5), "0.5"),
            (Number, json!(2), "2"),
            (Boolean, json!(true), "true"),
            (String, json!("a b"), "a b"),
        ] {
            assert_eq!(text(kind, &value).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn other_types_are_refused() {
        for (kind, value) in [
            (Integer, json!("100")),
            (Integer, json!(1.5)),
            (Integer, json!(null)),
            (Number, json!("1")),
            (Boolean, json!(1)),
            (String, json!(1)),
            (String, json!("a\0b")),
            (String, json!(["a"])),
            (NodeFile, json!("/etc/dcos/node.toml")),
        ] {
            assert!(text(kind, &value).is_err(), "{kind:?} {value}");
        }
    }
}
