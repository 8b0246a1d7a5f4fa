//! Any options that are accepted make a config that the real Mesos can read.

use std::fmt::Write as _;

use dcos_config::flags::{self, Flag, Kind};
use dcos_config::{InvalidOptions, Options, Syntax, generate};
use dcos_core::{Role, Version};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::process::{Environment, parses};
use super::{VERSIONS, long};

/// Option files for each role and version; the long run takes many more.
const SAMPLES: u32 = 12;
const LONG_SAMPLES: u32 = 300;

/// What the host programs of the tests lack, and say so (see `tests/mesos/README.md`).
const NOT_SERVED: &str = "is not served by this build";

/// Documents that Mesos knows the shape of: what is in a document is for Mesos to judge.
const DOCUMENTS: [(&str, &str); 11] = [
    ("acls", r#"{"permissive": false, "run_tasks": [{"principals": {"type": "ANY"}, "users": {"values": ["a"]}}]}"#),
    ("agent_features", "file:///nonexistent"),
    ("allowed_devices", r#"{"allowed_devices": []}"#),
    ("bounding_capabilities", r#"{"capabilities": ["NET_RAW"]}"#),
    (
        "default_container_dns",
        r#"{"mesos": [{"network_mode": "CNI", "network_name": "x", "dns": {"nameservers": ["10.0.0.1"]}}]}"#,
    ),
    ("default_container_info", r#"{"type": "MESOS", "volumes": []}"#),
    ("domain", r#"{"fault_domain": {"region": {"name": "x"}, "zone": {"name": "y"}}}"#),
    ("effective_capabilities", r#"{"capabilities": []}"#),
    ("executor_environment_variables", r#"{"PATH": "/bin", "B": "\"$x'"}"#),
    ("image_gc_config", r#"{"image_disk_headroom": 0.1, "image_disk_watch_interval": {"nanoseconds": 3600000000000}}"#),
    ("rate_limits", r#"{"limits": [], "aggregate_default_qps": 33.3}"#),
];

/// A text for a flag: mostly right, now and then not.
fn text(flag: &'static Flag) -> BoxedStrategy<String> {
    let values = &flag.about.values;
    if !values.is_empty() {
        return select(values.clone()).boxed();
    }
    if flag.about.secret {
        return "file:///[a-z]{1,8}(/[a-z.]{1,8})?".boxed();
    }
    let decimal = "[0-9]{1,4}(\\.[0-9]{1,3})?";
    match flag.about.kind {
        Kind::Bool => select(vec!["true", "false", "yes"]).prop_map(str::to_owned).boxed(),
        Kind::Integer => "[0-9]{1,10}".boxed(),
        Kind::Number => select(vec!["0", "0.5", "1", "1e-1", "0.125", "2"]).prop_map(str::to_owned).boxed(),
        Kind::Duration => format!("{decimal}(ns|us|ms|secs|mins|hrs|days|weeks|s)").as_str().prop_ind(),
        Kind::Bytes => "[0-9]{1,4}(B|KB|MB|GB|TB|Kb)".boxed(),
        Kind::Path => "/[a-zA-Z0-9._ $'\"-]{1,12}".boxed(),
        Kind::Json => document(flag),
        Kind::Resources => format!(
            "cpus:{decimal};mem:{decimal};disk:{decimal}(;ports(\\(web\\))?:\\[[1-3]000-[4-6]000(, ?7000-700[0-9])?\\])?\
             (;(gpus|x_y):[0-9]{{1,2}})?(;s:\\{{a,b\\}})?"
        )
        .as_str()
        .prop_ind(),
        Kind::Attributes | Kind::String => "[a-zA-Z0-9][a-zA-Z0-9 ._/*:\"'$\\\\-]{0,12}".boxed(),
        Kind::List => "[a-z]{1,6}(, ?[a-z/]{1,6}){0,2}".boxed(),
        Kind::Numbers => "[0-9]{1,2}(, ?[0-9]{1,2}){0,2}".boxed(),
        Kind::Rate => format!("[0-9]{{1,2}}/{decimal}(secs|mins)").as_str().prop_ind(),
        Kind::Percent => "[0-9]{1,3}(\\.[0-9])?%".boxed(),
        Kind::Quantities => format!("[a-z]{{1,5}}:{decimal}(;mem:{decimal})?(\\|disk:{decimal})?").as_str().prop_ind(),
        Kind::Weights => format!("[a-z]{{1,5}}={decimal}(,b/c={decimal})?").as_str().prop_ind(),
        Kind::Ranges => "\\[[1-4]0000-[3-6]0000\\]".boxed(),
    }
}

fn document(flag: &Flag) -> BoxedStrategy<String> {
    let known = DOCUMENTS.iter().find(|(name, _)| *name == flag.name);
    known.map_or_else(|| Just("/nonexistent".to_owned()).boxed(), |(_, text)| Just((*text).to_owned()).boxed())
}

trait Indirect {
    fn prop_ind(self) -> BoxedStrategy<String>;
}

impl Indirect for &str {
    /// The texts of a pattern that was put together.
    fn prop_ind(self) -> BoxedStrategy<String> {
        proptest::string::string_regex(self).expect("a pattern").boxed()
    }
}

/// A file of options for a role: up to ten flags.
fn options(role: Role, version: &str) -> impl Strategy<Value = String> + use<> {
    let version: Version = version.parse().expect("a version");
    let usable = move |flag: &&Flag| {
        let since: Version = flag.about.since.parse().expect("a version");
        // A path would have to exist; `document` says for which flags there is no other value to try.
        let file = flag.about.kind == Kind::Json
            && !DOCUMENTS.iter().any(|(name, text)| *name == flag.name && text.starts_with('{'));
        // Mesos makes this folder, wherever it is: a test leaves nothing in `/`.
        let made = flag.name == "log_dir";
        flag.is_option() && since <= version && !file && !made && !flag.about.secret
    };
    let flags: Vec<&'static Flag> = flags::of(Some(role)).filter(usable).collect();
    subsequence(flags, 0..10).prop_flat_map(move |flags| {
        let texts: Vec<_> = flags.iter().map(|flag| text(flag)).collect();
        texts.prop_map(move |texts| {
            let mut file = format!("role = \"{role}\"\n[flags]\n");
            for (flag, text) in flags.iter().zip(texts) {
                // JSON's way to write a text is also one of TOML's.
                let quoted = serde_json::to_string(&text).expect("a text");
                writeln!(file, "{} = {quoted}", flag.name).expect("a text grows");
            }
            file
        })
    })
}

#[test]
#[ignore = "needs real Mesos: make test"]
fn what_is_accepted_can_be_read() {
    for version in VERSIONS {
        for role in [Role::Master, Role::Agent] {
            let cases = if long() { LONG_SAMPLES } else { SAMPLES };
            // The quick run is the same every time; the long one finds new cases.
            let rng_seed = if long() { RngSeed::Random } else { RngSeed::Fixed(6) };
            let config =
                Config { cases, rng_seed, failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
            let mut runner = TestRunner::new(config);
            let read = std::cell::Cell::new(0);
            let result = runner.run(&options(role, version), |file| {
                let environment = match config_of(&file) {
                    Ok(environment) => environment,
                    Err(_) => return Ok(()),
                };
                match parses(version, role, &environment) {
                    Ok(()) => read.set(read.get() + 1),
                    Err(log) if log.contains(NOT_SERVED) => {}
                    Err(log) => return Err(TestCaseError::fail(format!("{version} {role}\n{file}\n{log}"))),
                }
                Ok(())
            });
            result.unwrap_or_else(|error| panic!("{error}"));
            let read = read.get();
            assert!(read * 5 > cases, "only {read} of {cases} option files of the {role} were accepted and read");
        }
    }
}

/// The variables of the config that these options make.
fn config_of(file: &str) -> Result<Environment, InvalidOptions> {
    let package = generate(&Options::parse(file, Syntax::Toml)?, &[])?;
    let config: dcos_core::config::MesosConfig =
        serde_json::from_slice(&package.files[dcos_core::config::FILE_NAME]).expect("a config");
    Ok(config.environment)
}
