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
    let toml = "# ours\nmodules = [\"b\", \"a\"]\nrole = 'agent'\n[flags]\nacls = { b = 1, a = [true] }\nlogbufsecs = 1\n\
                [parameters.m]\ny = 2\nx = \"1\"\n";
    let json = r#"{"parameters": {"m": {"x": "1", "y": 2}}, "flags": {"logbufsecs": "1", "acls": "{\"a\":[true],\"b\":1}"},
                   "group": "agents", "modules": ["a", "b", "a"], "role": "agent", "format": 1}"#;
    let options = Options::parse(toml, Syntax::Toml).unwrap();
    assert_eq!(options, Options::parse(json, Syntax::Json).unwrap());
    assert_eq!(Options::parse(&options.to_json(), Syntax::Json).unwrap(), options);
    assert_eq!(
        options.to_json(),
        r#"{
  "flags": {
    "acls": "{\"a\":[true],\"b\":1}",
    "logbufsecs": "1"
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
fn every_mistake_is_reported_with_its_line_and_what_was_probably_meant() {
    let text = "roel = \"agent\"\ngroup = 5\nmodules = [\"fizzbuzz--1.2.0\", 7]\nextra = 1\n[flags]\nport = 5051\n\
                Quorum = 1\n[parameters]\nm = 3\n";
    assert_eq!(
        findings(text, Syntax::Toml),
        [
            "unknown-key: line 4: unknown key `extra` (known here: `format`, `role`, `group`, `modules`, `flags`, \
             `parameters`)",
            "unknown-flag: line 7: `flags.Quorum` is no flag of Mesos (did you mean `quorum`?)",
            "host-fact: line 6: `flags.port` is a fact of one host, and a config is shared by a group (set `mesos.port` \
             in the host's `node.toml`)",
            "wrong-type: line 2: `group` is `5`, and a name is needed",
            "wrong-type: line 3: `modules`: `fizzbuzz--1.2.0` is not a package name: it contains `--` (name the package \
             without its version: `fizzbuzz`; the set says which version)",
            "wrong-type: line 3: `modules` contains `7`, and names of packages are needed",
            "wrong-type: line 9: `parameters.m` is `3`, and a table is needed",
            "unknown-key: line 1: unknown key `roel` (did you mean `role`?)",
        ]
    );
}

#[test]
fn the_lines_of_json_are_known_too() {
    let text = "{\n  \"role\": \"agent\",\n  \"flags\": {\"acls\": {\"a\": [\"x\\\"\", {\"b\": 1}]},\n    \"quorum\": \"1\",\n\n\
                \"gc_delay\": \"5\"}, \"modules\": [1,\n 2], \"role\": \"agent\"\n}\n";
    assert_eq!(findings(text, Syntax::Json), ["duplicate-key: line 7: `role` is there twice"]);
    assert_eq!(
        findings(&text.replace(", \"role\"", ", \"rolle\""), Syntax::Json),
        [
            "flag-type: line 6: `flags.gc_delay` is \"5\", and a duration is needed, such as `10secs` (did you mean \
             `5secs`?)",
            "wrong-type: line 6: `modules` contains `1`, and names of packages are needed",
            "wrong-type: line 6: `modules` contains `2`, and names of packages are needed",
            "unknown-key: line 7: unknown key `rolle` (did you mean `role`?)",
        ]
    );
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
        "flags.cgroups_root=1.10",
        "flags.resources=cpus:2",
        "parameters.m.limit=5",
    ] {
        draft.set(assignment).unwrap();
    }
    let options = draft.clone().finish().unwrap();
    assert_eq!(options.flags["resources"], "cpus:2");
    assert_eq!(options.flags["cgroups_root"], "1.10");
    assert_eq!(options.parameters["m"]["limit"], 5);
    assert_eq!(options.modules.len(), 2);
    for wrong in
        ["role", "role=x", "flag.x=1", "flags=1", "flags.port=1", "flags.gc_delay=1", "parameters.m=1", "a.b.c.d=1"]
    {
        assert!(draft.set(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_document_for_operators_shows_options_that_work() {
    let page = include_str!("../../../docs/config.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let options = Options::parse(example, Syntax::Toml).unwrap();
    assert_eq!((options.modules.len(), options.flags.len(), options.parameters.len()), (2, 6, 1));

    let told = findings("role = \"agent\"\n\n\n[flags]\ngc_delay = \"3d\"\nresouces = 1\n", Syntax::Toml);
    for found in told {
        let (code, rest) = found.split_once(": ").unwrap();
        let (message, hint) = rest.rsplit_once(" (").unwrap();
        let hint = hint.trim_end_matches(')');
        assert!(page.contains(&format!("  - {message} [{code}]\n    hint: {hint}\n")), "{found}");
    }
}
