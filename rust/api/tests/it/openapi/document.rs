//! The OpenAPI document of a part: the rows of the table, each with what [`super::operations`] says of it.

use dcos_api::authorization::Needs;
use dcos_api::routes::{Operation, ROUTES, Route, Verb};
use dcos_core::Problem;
use dcos_core::problem::MEDIA_TYPE;
use dcos_core::schema::ID_PATTERN;
use schemars::generate::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::operations::{About, Content, Query, Refusal, about, refusals};
use super::schemas;
use crate::examples::text;

/// The parts that have a document.
pub(crate) const PARTS: [&str; 4] = ["pkg", "restart", "deploy", "provision"];

/// The method of a row as HTTP spells it.
pub(crate) fn method(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "GET",
        Verb::Post => "POST",
        Verb::Delete => "DELETE",
    }
}

/// The document of a part.
pub(crate) fn document(part: &str) -> Value {
    let mut writer = Writer { schemas: schemas::generator(), examples: Map::new(), responses: Map::new() };
    let mut paths = Map::new();
    for route in ROUTES.iter().filter(|route| route.part() == part) {
        let operation = writer.operation(route);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[method(route.verb).to_lowercase()] = operation;
    }
    let description = "Roles: `reader` < `monitor` < `operator` < `admin`; `node` stands apart. Where the node's \
        configuration lets callers without a name read, or do everything, no credentials are needed. Answers may gain \
        fields in later releases, so readers ignore what they don't know.";
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("dcos-bits: /{part}"),
            "version": env!("CARGO_PKG_VERSION"),
            "description": description,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
            "responses": writer.responses,
            "examples": writer.examples,
            "schemas": schemas::taken(writer.schemas),
        },
    })
}

/// What a document collects while its operations are written.
struct Writer {
    schemas: SchemaGenerator,
    examples: Map<String, Value>,
    /// Refusals, by status and names: most endpoints share most of them.
    responses: Map<String, Value>,
}

impl Writer {
    fn operation(&mut self, route: &Route) -> Value {
        let About { summary, query, takes, gives, .. } = about(route.operation);
        let mut responses = Map::new();
        for (status, words, content) in gives {
            let mut response = json!({"description": words});
            match content {
                Content::Json(schema, examples) => {
                    response["content"] = json!({"application/json": self.json(schema, examples)});
                }
                Content::Text(media_type) => {
                    response["content"] = json!({media_type: {"schema": {"type": "string"}}});
                }
                Content::Document => {
                    response["content"] = json!({"application/json": {"schema": {"type": "object"}}});
                }
            }
            if status == 201 && route.operation != Operation::Deploy(dcos_api::routes::Deploy::Token) {
                response["headers"] = header("Location", "Where it is");
            }
            responses.insert(status.to_string(), response);
        }
        for refusal in refusals(route) {
            responses.insert(refusal.status.to_string(), self.refusal(&refusal));
        }
        let mut operation = json!({
            "operationId": id(route),
            "summary": summary,
            "security": security(route.needs),
            "responses": responses,
        });
        let parameters: Vec<Value> = in_path(route).chain(query.map(in_query)).collect();
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let Some((schema, examples)) = takes {
            operation["requestBody"] =
                json!({"required": true, "content": {"application/json": self.json(schema, examples)}});
        }
        operation
    }

    /// A body in JSON, with the examples that are files beside the document.
    fn json(&mut self, schema: schemas::Of, examples: &[&str]) -> Value {
        let mut named = Map::new();
        for file in examples {
            let name = file.replace('/', ".");
            let value: Value = serde_json::from_str(&text(&format!("{file}.json"))).unwrap();
            named.insert(name.clone(), json!({"$ref": format!("#/components/examples/{name}")}));
            self.examples.insert(name, json!({"value": value}));
        }
        let schema = schema(&mut self.schemas);
        if named.is_empty() { json!({"schema": schema}) } else { json!({"schema": schema, "examples": named}) }
    }

    fn refusal(&mut self, refusal: &Refusal) -> Value {
        let mut content = json!({MEDIA_TYPE: self.json(schemas::of::<Problem>, refusal.examples())});
        // libprocess refuses a name by itself, before we are asked.
        if refusal.status == 401 {
            content["text/plain"] = json!({"schema": {"type": "string"}});
        }
        let mut response = json!({"description": refusal.words(), "content": content});
        match refusal.status {
            307 => response["headers"] = header("Location", "The master to ask"),
            401 => response["headers"] = header("WWW-Authenticate", "How to say who one is"),
            405 => response["headers"] = header("Allow", "The methods that the endpoint takes"),
            _ => {}
        }
        let name = refusal.name();
        let reference = json!({"$ref": format!("#/components/responses/{name}")});
        self.responses.insert(name, response);
        reference
    }
}

fn header(name: &str, words: &str) -> Value {
    json!({name: {"description": words, "schema": {"type": "string"}}})
}

/// `pkgActive`, `deployList`.
fn id(route: &Route) -> String {
    let operation = format!("{:?}", route.operation);
    let (_, last) = operation.split_once('(').unwrap_or(("", &operation));
    format!("{}{}", route.part(), last.trim_end_matches(')'))
}

/// Since 3.1 a requirement may name roles also where the scheme is no OAuth.
fn security(needs: Needs) -> Value {
    match needs {
        Needs::Nothing => json!([]),
        Needs::Role(role) => json!([{"basic": [role]}]),
    }
}

/// The variable segments of a row's path.
fn in_path(route: &Route) -> impl Iterator<Item = Value> {
    let (part, path) = (route.part(), route.path);
    path.split('/').filter_map(move |segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        let schema = match name {
            "command" => json!({"type": "string", "enum": ["pause", "start", "abort", "retry", "rollback"]}),
            "package" => json!({"type": "string", "pattern": ID_PATTERN, "maxLength": 200}),
            _ if path.starts_with("/pkg/packages/") => {
                json!({"type": "string", "pattern": ID_PATTERN, "maxLength": 200})
            }
            _ => json!({"type": "string", "minLength": 1}),
        };
        let words = match (name, part, path.split('/').nth(2)) {
            ("command", ..) => "What the deployment is told",
            ("package", ..) => "The package's id",
            (_, "deploy", Some("nodes")) => "The node's name, `host:port`",
            (_, "provision", Some("slaves")) => "The agent's id or name, or the name of its machine",
            _ => "Its id",
        };
        Some(json!({"in": "path", "name": name, "required": true, "description": words, "schema": schema}))
    })
}

fn in_query(query: Query) -> Value {
    let (name, words, schema) = match query {
        Query::After(words) => {
            let number =
                json!({"type": "integer", "format": "uint64", "minimum": 0, "maximum": u64::MAX, "default": 0});
            ("after", words, number)
        }
        Query::Deployment(words) => ("deployment", words, json!({"type": "string"})),
    };
    json!({"in": "query", "name": name, "required": false, "description": words, "schema": schema})
}
