#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{Draft, InvalidOptions, Options, Syntax};

fn findings(text: &str, syntax: Syntax) -> Vec<String> {
    match Options::parse(text, syntax).unwrap_err() {
        InvalidOptions::Findings(findings) => findings
            .into_iter()
            .map(|found| match found.hint {
                Some(hint) => format!("{}: {} ({hint})", found.code, found.message),
                None => format!("{}: {}", found.code, found.message),
            })
            .collect(),
        InvalidOptions::Syntax { line, message } => vec![format!("line {line}: {message}")],
    }
}

#[test]
fn comments_order_and_language_leave_no_trace() {
    let toml = "# ours\nmodules = [\"b\", \"a\"]\nrole = 'agent'\n[flags]\nacls = { b = 1, a = [true] }\nquorum = 1\n\
                [parameters.m]\ny = 2\nx = \"1\"\n";
    let json = r#"{"parameters": {"m": {"x": "1", "y": 2}}, "flags": {"quorum": "1", "acls": "{\"a\":[true],\"b\":1}"},
                   "group": "agents", "modules": ["a", "b", "a"], "role": "agent", "format": 1}"#;
    let options = Options::parse(toml, Syntax::Toml).unwrap();
    assert_eq!(options, Options::parse(json, Syntax::Json).unwrap());
    assert_eq!(Options::parse(&options.to_json(), Syntax::Json).unwrap(), options);
    assert_eq!(
        options.to_json(),
        r#"{
  "flags": {
    "acls": "{\"a\":[true],\"b\":1}",
    "quorum": "1"
  },
  "format": 1,
  "group": "agents",
  "modules": [
    "a",
    "b"
  ],
  "parameters": {
    "m": {
      "x": "1",
      "y": 2
    }
  },
  "role": "agent"
}
"#
    );
}

#[test]
fn every_mistake_is_reported_with_what_was_probably_meant() {
    let text = "roel = \"agent\"\ngroup = 5\nmodules = [\"fizzbuzz--1.2.0\", 7]\nextra = 1\n[flags]\nport = 5051\n\
                Quorum = 1\n[parameters]\nm = 3\n";
    assert_eq!(
        findings(text, Syntax::Toml),
        [
            "unknown-key: unknown key `extra` (known here: `format`, `role`, `group`, `modules`, `flags`, `parameters`)",
            "flag-name: `flags.Quorum` is not a flag of Mesos: lower-case letters and `_` make one (did you mean `quorum`?)",
            "host-fact: `flags.port` is a fact of one host, and a config is shared by a group (set `mesos.port` in the \
             host's `node.toml`)",
            "wrong-type: `group` is `5`, and a name is needed",
            "wrong-type: `modules`: `fizzbuzz--1.2.0` is not a package name: it contains `--` (name the package without \
             its version: `fizzbuzz`; the set says which version)",
            "wrong-type: `modules` contains `7`, and names of packages are needed",
            "wrong-type: `parameters.m` is `3`, and a table is needed",
            "unknown-key: unknown key `roel` (did you mean `role`?)",
        ]
    );
}

#[test]
fn single_mistakes() {
    for (text, expected) in [
        ("", "missing-role: the options name no `role` (say `role = \"agent\"` in the options, or `--role agent`)"),
        (
            "role = \"agnet\"",
            "wrong-type: `role` is the text \"agnet\", and `master` or `agent` is needed (did you mean `agent`?)",
        ),
        ("role = true", "wrong-type: `role` is `true`, and `master` or `agent` is needed"),
        ("format = 2", "unknown-format: `format` is `2`, and this release knows format 1 only"),
        ("modules = \"a\"", "wrong-type: `modules` is the text \"a\", and a list of package names is needed"),
        ("flags = 1", "wrong-type: `flags` is `1`, and a table is needed"),
        ("group = \"\"", "wrong-type: `group` is the text \"\", and a name is needed"),
        ("[flags]\nx = 2026-01-01", "wrong-type: `flags.x` is a date, which no option is"),
        ("[flags]\nx = inf", "wrong-type: `flags.x` is not a finite number, which no option is"),
    ] {
        assert_eq!(findings(text, Syntax::Toml), [expected], "{text}");
    }
    assert_eq!(
        findings(r#"{"flags": {"x": null}}"#, Syntax::Json),
        ["wrong-type: `flags.x` is null, and a value is needed (leave it out for Mesos's own default)"]
    );
    assert_eq!(findings("[]", Syntax::Json), ["wrong-type: the document is a list, and a table is needed"]);
}

#[test]
fn malformed_documents_say_where() {
    assert!(findings("role = \"agent\"\n\n[flags\n", Syntax::Toml)[0].starts_with("line 3: not TOML: "));
    assert!(findings("{\n\"role\": }", Syntax::Json)[0].starts_with("line 2: not JSON: "));
    assert!(findings("a = 1\na = 2\n", Syntax::Toml)[0].starts_with("line 2: not TOML: "));
}

#[test]
fn assignments_complete_a_document() {
    let mut draft = Draft::parse("[flags]\nresources = \"cpus:1\"\n", Syntax::Toml).unwrap();
    for assignment in [
        "role=agent",
        "group=gpu",
        "modules=a,b",
        "flags.version_like=1.10",
        "flags.resources=cpus:2=x",
        "parameters.m.limit=5",
    ] {
        draft.set(assignment).unwrap();
    }
    let options = draft.clone().finish().unwrap();
    assert_eq!(options.flags["resources"], "cpus:2=x");
    assert_eq!(options.flags["version_like"], "1.10");
    assert_eq!(options.parameters["m"]["limit"], 5);
    assert_eq!(options.modules.len(), 2);
    for wrong in ["role", "role=x", "flag.x=1", "flags=1", "flags.port=1", "parameters.m=1", "a.b.c.d=1"] {
        assert!(draft.set(wrong).is_err(), "{wrong}");
    }
}
