//! The OpenAPI documents under `docs/http-api/openapi/`, which the server hands out as they are.
//!
//! They are made here, from the table of routes, the schemas of the wire types and the examples, and checked in: so the
//! module inside Mesos carries the text and nothing of what makes it, and a change of the interface is seen in a diff.
//! `DCOS_BITS_BLESS=1 cargo test -p dcos-api openapi` writes them anew.

mod document;
mod operations;
mod schemas;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use dcos_api::authorization::Needs;
use dcos_api::routes::{Deploy, Operation, ROUTES, Route};
use serde::Serialize as _;
use serde_json::{Map, Value};

use crate::examples::{self, text};
use crate::fake::{ask, master, request};
use document::{PARTS, document, method};
use operations::about;

fn file(part: &str) -> PathBuf {
    examples::directory().join(format!("openapi/{part}.json"))
}

fn checked_in(part: &str) -> Value {
    serde_json::from_str(&text(&format!("openapi/{part}.json"))).unwrap()
}

/// With names in order, whatever the features of serde_json are in this build.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> =
                fields.into_iter().map(|(name, field)| (name, sorted(field))).collect();
            Value::Object(fields.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// As it is checked in: a space for each level, since Mesos carries every byte.
fn written(document: Value) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    sorted(document).serialize(&mut serializer).unwrap();
    String::from_utf8(bytes).unwrap() + "\n"
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a file of this tree, and none of a node")]
fn the_documents_are_those_of_the_table_and_the_types() {
    for part in PARTS {
        let made = written(document(part));
        if std::env::var_os("DCOS_BITS_BLESS").is_some() {
            fs::write(file(part), &made).unwrap();
        }
        let hint = "`DCOS_BITS_BLESS=1 cargo test -p dcos-api openapi` writes them anew";
        assert!(text(&format!("openapi/{part}.json")) == made, "openapi/{part}.json is not as it is made: {hint}");
    }
}

#[tokio::test]
async fn each_part_hands_out_its_document_to_everybody() {
    for part in PARTS {
        let path = format!("/{part}/openapi.json");
        let (response, body) = ask(&master(), request("GET", &path, None, None)).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"application/json".parse().unwrap())
        );
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), checked_in(part));
    }
}

/// The documents' operations: method, path, and what is said of them.
fn operations() -> BTreeMap<(String, String), Value> {
    let mut all = BTreeMap::new();
    for part in PARTS {
        for (path, methods) in checked_in(part)["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                all.insert((method.to_uppercase(), path.clone()), operation.clone());
            }
        }
    }
    all
}

#[test]
fn the_documents_have_every_endpoint_and_no_other() {
    let table: BTreeSet<_> =
        ROUTES.iter().map(|route| (method(route.verb).to_owned(), route.path.to_owned())).collect();
    assert_eq!(operations().into_keys().collect::<BTreeSet<_>>(), table);
}

#[test]
fn what_has_one_name_is_one_thing_over_all_parts() {
    let names: Vec<String> = operations().values().map(|is| is["operationId"].to_string()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    let mut known: BTreeMap<(String, String), Value> = BTreeMap::new();
    for part in PARTS {
        for (kind, components) in checked_in(part)["components"].as_object().unwrap() {
            for (name, component) in components.as_object().unwrap() {
                let before = known.insert((kind.clone(), name.clone()), component.clone());
                assert!(
                    before.is_none_or(|before| before == *component),
                    "{kind}/{name} of {part} is another one elsewhere"
                );
            }
        }
    }
}

/// Each example that a document has at `content`, judged by the schema there.
fn judge(document: &Value, content: &Value, place: &str, judged: &mut BTreeSet<String>) {
    for (media_type, body) in content.as_object().into_iter().flatten() {
        let Some(examples) = body["examples"].as_object() else { continue };
        let mut schema = body["schema"].clone();
        schema["components"] = document["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{place}: {error}"));
        for name in examples.keys() {
            let example = &document["components"]["examples"][name]["value"];
            let wrong: Vec<String> = validator.iter_errors(example).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{place}, {media_type}: `{name}` does not fit its schema: {wrong:#?}");
            // A schema that lets everything pass would be of no use.
            assert!(!validator.is_valid(&Value::String("no".to_owned())), "{place}: a text passes for `{name}`");
            judged.insert(name.clone());
        }
    }
}

#[test]
fn every_example_fits_the_schema_at_its_place() {
    let mut judged = BTreeSet::new();
    for part in PARTS {
        let document = checked_in(part);
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                judge(&document, &operation["requestBody"]["content"], &format!("{method} {path}"), &mut judged);
                for (status, response) in operation["responses"].as_object().unwrap() {
                    judge(&document, &response["content"], &format!("{method} {path} {status}"), &mut judged);
                }
            }
        }
        for (name, response) in document["components"]["responses"].as_object().unwrap() {
            judge(&document, &response["content"], name, &mut judged);
        }
    }
    let files: BTreeSet<String> =
        examples::names().map(|name| name.trim_end_matches(".json").replace('/', ".")).collect();
    assert_eq!(judged, files);
}

#[test]
fn a_schema_refuses_what_its_type_refuses() {
    let document = checked_in("deploy");
    let mut schema =
        document["paths"]["/deploy/deployments"]["post"]["requestBody"]["content"]["application/json"]["schema"]
            .clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let change = r#""change":{"upgrade":{"mesos":"1.11.0"}}"#;
    for (request, fits) in [
        (format!("{{{change}}}"), true),
        (format!(r#"{{{change},"strategy":{{"waves":[1,"50%"]}}}}"#), true),
        (format!(r#"{{{change},"strategy":{{"waves":["half"]}}}}"#), false),
        (format!(r#"{{{change},"dryrun":true}}"#), false),
        (r#"{"change":{"set":{"agents":["mesos--1.11.0","a-b--1:2~3-4"]}}}"#.to_owned(), true),
        (r#"{"change":{"set":{"agents":["mesos"]}}}"#.to_owned(), false),
        (r#"{"change":{"set":{"agents":["a--b--1"]}}}"#.to_owned(), false),
        (r#"{"change":{"set":{"agents":["a---1"]}}}"#.to_owned(), false),
    ] {
        assert_eq!(validator.is_valid(&serde_json::from_str(&request).unwrap()), fits, "{request}");
        let read = serde_json::from_str::<dcos_api::types::deploy::CreateDeployment>(&request);
        assert_eq!(read.is_ok(), fits, "the type, of {request}");
    }
}

/// The row of `docs/http-api/index.md` about an endpoint.
fn row(index: &str, route: &Route) -> Vec<String> {
    let start = format!("| `{} {}` |", method(route.verb), route.path);
    let line = index.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no row `{start}`"));
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn the_index_tells_the_same_roles_statuses_and_examples() {
    let index = text("index.md");
    let known = operations();
    for route in ROUTES {
        let cells = row(&index, route);
        let role = match route.needs {
            Needs::Nothing if route.operation == Operation::Deploy(Deploy::Join) => "the token".to_owned(),
            Needs::Nothing => "anybody".to_owned(),
            Needs::Role(role) => serde_json::to_value(role).unwrap().as_str().unwrap().to_owned(),
        };
        assert_eq!(cells[1], role, "{route:?}");
        let operation = &known[&(method(route.verb).to_owned(), route.path.to_owned())];
        let document = checked_in(route.part());
        let examples = document["components"]["examples"].as_object().unwrap().keys();
        let mut documented: BTreeSet<String> = examples.map(|name| name.replacen('.', "/", 1) + ".json").collect();
        documented.extend([format!("openapi/{}.json", route.part()), "health.json".to_owned()]);
        for (status, ..) in about(route.operation).gives {
            assert!(cells[3].contains(&status.to_string()), "{route:?}: the row does not tell of {status}");
        }
        for cell in &cells[2..] {
            let words = cell.split(|sign: char| !sign.is_ascii_digit());
            for status in words.filter(|word| word.len() == 3 && *word >= "200" && *word < "600") {
                assert!(operation["responses"].get(status).is_some(), "{route:?}: {status} is in the row only");
            }
            for link in cell.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                assert!(link.starts_with("../") || documented.contains(link), "{route:?}: `{link}` is in the row only");
            }
        }
    }
}
