//! Ids, requirements, pkginfo, manifests and configurations: what breaks a rule of theirs, beside what does not.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use dcos_core::config::MesosConfig;
use dcos_core::formats::Formats;
use dcos_core::id::InvalidId;
use dcos_core::requirement::Requirement;
use dcos_core::{PackageId, PackageName, PkgInfo, Problem, Version};

use super::say;
use crate::fixture::Node;

/// Why something is refused: the rule, in words.
type Why = Option<String>;

fn told<T, E: std::error::Error>(parsed: Result<T, E>) -> Why {
    parsed.err().map(|error| Problem::chain(&error))
}

/// What is broken, and what is not.
struct Pair {
    /// A part of the reason.
    rule: &'static str,
    broken: Vec<String>,
    sound: String,
}

fn pair(rule: &'static str, broken: &[&str], sound: &str) -> Pair {
    Pair { rule, broken: broken.iter().map(|text| (*text).to_owned()).collect(), sound: sound.to_owned() }
}

fn check(what: &str, pairs: &[Pair], judge: impl Fn(&str) -> Why) {
    let (mut rules, mut cases) = (BTreeSet::new(), 0);
    for Pair { rule, broken, sound } in pairs {
        for text in broken {
            let why = judge(text).unwrap_or_else(|| panic!("{what} {text:?} is accepted"));
            assert!(why.contains(rule), "{what} {text:?}: {why}, where `{rule}` was expected");
        }
        assert_eq!(judge(sound), None, "the twin {sound:?}");
        rules.insert(rule);
        cases += broken.len();
    }
    say(&format!("hostile {what}: {cases} cases of {} rules", rules.len()));
}

#[test]
fn ids() {
    let long = "x".repeat(201);
    let just = format!("a--{}", "1".repeat(197));
    check(
        "names",
        &[
            pair("it is empty", &[""], "a"),
            pair("longer than an id", &[&long], &"x".repeat(150)),
            pair("may start with", &["-a", ".a", " a", "/a", "é", "~a"], "@a"),
            pair("may contain", &["a b", "a/b", "a:b", "a~b", "aé", "a\n", "a\0"], "a.b"),
            pair("contains `--`", &["a--b", "a---b"], "a-b"),
            pair("ends in `-`", &["a-"], "a-a"),
        ],
        |text| told(text.parse::<PackageName>()),
    );
    check(
        "versions",
        &[
            pair("it is empty", &[""], "1"),
            pair("longer than an id", &[&long], &"1".repeat(150)),
            pair("may contain", &["1 ", "1/2", "../1", "1é", "1\n", "1\0", "1%2e"], "1~rc1"),
            pair("contains `--`", &["1--2"], "1-2"),
            pair("starts with `-`", &["-1"], "1-"),
            pair("ends like a file name", &["1.json", "1.tar.gz", "1.tar.zst", "1.tar.x"], "1.jsonx"),
        ],
        |text| told(text.parse::<Version>()),
    );
    let over = format!("{just}1");
    check(
        "ids",
        &[
            pair("is needed", &["a", "", "a-1", "a—1"], "a--1"),
            pair("200 bytes", &[&over], &just),
            pair("name", &["--1", "../x--1", "a/b--1"], "a--1"),
            pair("version", &["a--", "a--1--2", "a--../1"], "a--..1"),
        ],
        |text| text.parse::<PackageId>().err().map(|InvalidId { what, why, .. }| format!("{what}: {why}")),
    );
    check(
        "requirements",
        &[
            pair("is not a requirement", &["", "a b", "a --", "../a", "a >= 1 2", "a ~1", "a 1", "a == >1"], "a"),
            pair("does not start with one of", &["a >= 1, 2", "a >= 1, ~ 2"], "a >= 1, < 2"),
        ],
        |text| told(text.parse::<Requirement>()),
    );
}

const MODULE: &str = r#"{"format":1,"name":"x","version":"1+mesos1.11.0","kind":"module","roles":["agent"],"requires":["mesos"],"mesos":{"version":"1.11.0"},"modules":[{"library":"lib/x.so","name":"X","parameters":{"p":{"type":"integer"}}}]}"#;

/// [`MODULE`] with one thing changed.
fn changed(from: &str, to: &str) -> String {
    assert!(MODULE.contains(from), "{from}");
    MODULE.replacen(from, to, 1)
}

#[test]
fn pkginfos() {
    let all = |rule, changes: &[(&str, &str)], (from, to): (&str, &str)| Pair {
        rule,
        broken: changes.iter().map(|(from, to)| changed(from, to)).collect(),
        sound: changed(from, to),
    };
    let mut pairs = vec![
        all(
            "unknown field",
            &[
                ("\"roles\"", "\"role\""),
                ("\"library\"", "\"libary\":\"x\",\"library\""),
                ("{\"version\"", "{\"vendor\":\"x\",\"version\""),
            ],
            ("\"roles\"", "\"roles\""),
        ),
        all(
            "missing field",
            &[
                ("\"format\":1,", ""),
                ("\"name\":\"x\",", ""),
                ("\"kind\":\"module\",", ""),
                ("\"library\":\"lib/x.so\",", ""),
            ],
            ("\"roles\":[\"agent\"],", ""),
        ),
        all(
            "duplicate field",
            &[("\"name\":\"x\"", "\"name\":\"x\",\"name\":\"y\"")],
            ("\"requires\"", "\"conflicts\":[],\"requires\""),
        ),
        all(
            "knows format 1 only",
            &[("\"format\":1", "\"format\":2"), ("\"format\":1", "\"format\":0")],
            ("\"format\":1", "\"format\": 1"),
        ),
        all(
            "invalid type",
            &[("\"format\":1", "\"format\":\"1\""), ("[\"agent\"]", "\"agent\""), ("\"name\":\"x\"", "\"name\":1")],
            ("[\"agent\"]", "[]"),
        ),
        all(
            "unknown variant",
            &[("\"module\",", "\"modul\","), ("\"agent\"", "\"slave\""), ("\"integer\"", "\"int\"")],
            ("\"integer\"", "\"node-file\""),
        ),
        all(
            "needs `mesos.version`",
            &[("\"mesos\":{\"version\":\"1.11.0\"},", "")],
            ("\"mesos\":", "\"state_directory\":true,\"mesos\":"),
        ),
        all(
            "needs at least one module",
            &[("[{\"library\":\"lib/x.so\",\"name\":\"X\",\"parameters\":{\"p\":{\"type\":\"integer\"}}}]", "[]")],
            ("\"parameters\":{\"p\":{\"type\":\"integer\"}}", "\"parameters\":{}"),
        ),
        all(
            "can't provide modules",
            &[("\"module\",", "\"plain\","), ("\"module\",", "\"mesos-config\",")],
            ("\"module\",", "\"module\", "),
        ),
        all(
            "has its own version",
            &[("\"module\",", "\"mesos\",")],
            ("1+mesos1.11.0\",\"kind\":\"module\"", "1.11.0\",\"kind\":\"mesos\""),
        ),
        all(
            "another in `mesos.version`",
            &[("{\"version\":\"1.11.0\"}", "{\"version\":\"1.10.0\"}")],
            ("1+mesos1.11.0", "1"),
        ),
        all(
            "not a path within",
            &[
                ("lib/x.so", "/x.so"),
                ("lib/x.so", "../x.so"),
                ("lib/x.so", "lib/../../x.so"),
                ("lib/x.so", ""),
                ("lib/x.so", "lib//x.so"),
                ("lib/x.so", "./x.so"),
                ("lib/x.so", "lib/x.so\\u0000"),
            ],
            ("lib/x.so", "lib/..x.so"),
        ),
        all(
            "is not a requirement",
            &[
                ("\"requires\":[\"mesos\"]", "\"requires\":[\"mesos 1\"]"),
                ("\"requires\":[\"mesos\"]", "\"conflicts\":[\"\"]"),
            ],
            ("\"requires\":[\"mesos\"]", "\"requires\":[\"mesos >= 1\"]"),
        ),
        all(
            "is not a package",
            &[
                ("\"name\":\"x\"", "\"name\":\"x--y\""),
                ("\"name\":\"x\"", "\"name\":\"../x\""),
                ("1+mesos1.11.0", "1/2"),
            ],
            ("\"name\":\"x\"", "\"name\":\"y\""),
        ),
        pair(
            "not a pkginfo",
            &["", "null", "[]", "{", "{}", "{\"format\":1}{", "\u{feff}{}", "{\"format\":1e0}"],
            MODULE,
        ),
    ];
    // The deepest nesting that is looked into is the parser's own bound; what is deeper is no stack that overflows.
    pairs.push(Pair { rule: "not a pkginfo", broken: vec!["[".repeat(100_000)], sound: MODULE.to_owned() });
    check("pkginfos", &pairs, |text| told(PkgInfo::parse(text)));
}

#[test]
fn manifests() {
    let node = Node::new();
    let id = node.add("a--1", r#""kind":"plain""#, &[("lib/a", "x")]);
    let store = node.store();
    let path = store.root().join("packages/a--1.json");
    let whole = fs::read_to_string(&path).unwrap();
    let judge = |text: &str| {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&path, text).unwrap();
        let report = store.verify(&id).unwrap();
        (!report.ok).then(|| report.problems.join("; "))
    };
    let with = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from} in {whole}");
        whole.replacen(from, to, 1)
    };
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let case = |rule, broken: Vec<String>| Pair { rule, broken, sound: whole.clone() };
    check(
        "manifests",
        &[
            case("unknown field", vec![with("\"format\"", "\"x\":1,\"format\"")]),
            case("format 2", vec![with("\"format\":1", "\"format\":2")]),
            case("missing field", vec!["{}".to_owned(), with("\"format\":1,", "")]),
            case("unknown variant", vec![with("\"plain\"", "\"odd\""), with("\"directory\"", "\"pipe\"")]),
            case("EOF", vec![String::new(), whole[..whole.len() / 2].to_owned()]),
            case("invalid", vec![with("\"size\":1", "\"size\":-1")]),
            case("is not a sha256 digest", vec![with("\"sha256\":\"", "\"sha256\":\"g")]),
            case("is missing", vec![with("\"lib/a\"", "\"lib/b\"")]),
            case("is not of the package", vec![with("\"lib/a\"", "\"lib/c\"")]),
            case("bytes, not", vec![with("\"size\":1,", "\"size\":2,")]),
            case("has sha256", vec![replaced_digest(&whole, digest)]),
        ],
        judge,
    );
}

/// The manifest with another digest for `lib/a`.
fn replaced_digest(whole: &str, digest: &str) -> String {
    let place = whole.find("\"lib/a\"").unwrap();
    let start = place + whole[place..].find("\"sha256\":\"").unwrap() + "\"sha256\":\"".len();
    format!("{}{digest}{}", &whole[..start], &whole[start + digest.len()..])
}

#[test]
fn configurations_and_formats() {
    let config =
        r#"{"format":1,"role":"agent","environment":{"A":"b"},"modules":[{"name":"X","parameters":{"k":"v"}}]}"#;
    check(
        "configurations",
        &[
            pair(
                "unknown field",
                &[
                    &config.replace("\"role\"", "\"x\":1,\"role\""),
                    &config.replace("\"parameters\"", "\"parameter\":{},\"parameters\""),
                ],
                config,
            ),
            pair(
                "missing field",
                &[&config.replace("\"format\":1,", ""), &config.replace(",\"parameters\":{\"k\":\"v\"}", "")],
                config,
            ),
            pair("invalid type", &[&config.replace("\"v\"", "1"), &config.replace("\"b\"", "null")], config),
            pair("unknown variant", &[&config.replace("agent", "slave")], &config.replace("agent", "master")),
        ],
        |text| told(serde_json::from_str::<MesosConfig>(text)),
    );
    check(
        "formats",
        &[
            pair("format 2", &[r#"{"format":2,"reads":{}}"#], r#"{"format":1,"reads":{}}"#),
            pair(
                "missing field",
                &["{}", r#"{"format":1,"reads":{"a":{"oldest":1}}}"#],
                r#"{"format":1,"reads":{"a":{"oldest":1,"newest":1}}}"#,
            ),
            pair(
                "invalid",
                &["[]", r#"{"format":1,"reads":{"a":{"oldest":-1,"newest":1}}}"#],
                r#"{"format":1,"reads":{},"x":1}"#,
            ),
        ],
        |text| Formats::parse(text).err(),
    );
}
