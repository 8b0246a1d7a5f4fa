//! `rust/config/data/flags.toml` says what the programs say.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use dcos_config::flags::{self, Flag, Kind};
use dcos_core::{Role, Version};

use super::VERSIONS;
use super::process::{Environment, Process, free_port, host, parses, program};
use crate::harness::http;

/// What a program says of a flag by `--help`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    boolean: bool,
    alias: Option<String>,
    default: Option<String>,
}

/// The flags that `--help` lists.
fn told(version: &str, role: Role) -> BTreeMap<String, Told> {
    let output = Command::new(program(version, role)).arg("--help").output().expect("a real Mesos");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut flags = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("  --") {
            // `[no-]strict   …` or `name=VALUE, --old_name=VALUE   …`
            let words: Vec<&str> = head.split_whitespace().take(2).collect();
            let name = |word: &str| {
                let word = word.trim_start_matches("--").trim_start_matches("[no-]");
                word.split(['=', ',']).next().unwrap_or_default().to_owned()
            };
            let alias = words.get(1).filter(|_| words[0].ends_with(',')).map(|word| name(word));
            last = name(words[0]);
            flags.insert(last.clone(), Told { boolean: head.starts_with("[no-]"), alias, default: None });
        }
        // A default ends the text about its flag.
        if let (Some(flag), Some((_, rest))) = (flags.get_mut(&last), line.rsplit_once("(default: ")) {
            flag.default = rest.trim_end().strip_suffix(')').filter(|text| !text.is_empty()).map(str::to_owned);
        }
    }
    flags
}

/// The flags of the data that this program should have.
fn known(version: &str, role: Role) -> BTreeMap<&'static str, &'static Flag> {
    let version: Version = version.parse().expect("a version");
    let since = |flag: &Flag| flag.about.since.parse::<Version>().expect("a version");
    flags::of(Some(role)).filter(|flag| since(flag) <= version).map(|flag| (flag.name.as_str(), flag)).collect()
}

#[test]
#[ignore = "needs real Mesos: make test"]
fn none_is_missing_and_none_is_made_up() {
    for version in VERSIONS {
        for role in [Role::Master, Role::Agent] {
            let (told, known) = (told(version, role), known(version, role));
            assert!(told.len() > 70, "{told:?}");
            let names = |of: &mut dyn Iterator<Item = &str>| of.map(str::to_owned).collect::<BTreeSet<_>>();
            assert_eq!(
                names(&mut told.keys().map(String::as_str)),
                names(&mut known.keys().copied()),
                "{version} {role}"
            );
            for (name, flag) in known {
                let said = Told {
                    boolean: flag.about.kind == Kind::Bool,
                    alias: flag.about.alias.clone(),
                    default: flag.about.default.clone(),
                };
                assert_eq!(said, told[name], "{name} of the {role} of {version}");
            }
        }
    }
}

#[test]
#[ignore = "needs real Mesos: make test"]
fn running_programs_have_the_same_flags_and_defaults() {
    for version in VERSIONS {
        for role in [Role::Master, Role::Agent] {
            let folder = tempfile::tempdir().expect("a temporary directory");
            let port = free_port();
            let mut environment = host(role, folder.path(), port);
            let more: &[(&str, &str)] = match role {
                Role::Master => &[("MESOS_REGISTRY", "in_memory")],
                Role::Agent => &[("MESOS_LAUNCHER", "posix"), ("MESOS_SYSTEMD_ENABLE_SUPPORT", "false")],
            };
            environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            let mut process = Process::start(&program(version, role), &environment, &folder.path().join("log"));
            let url = format!("http://127.0.0.1:{port}/flags");
            let running = process.until("it answers", |_| http::json(&url)["flags"].as_object().cloned());
            let known = known(version, role);
            for (name, value) in &running {
                let flag = known.get(name.as_str()).unwrap_or_else(|| panic!("{name} of the {role} of {version}"));
                let set = environment.contains_key(&flags::variable(name));
                // The host of the tests finds the programs beside itself.
                if !set && name != "launcher_dir" && flag.about.default.is_some() {
                    assert_eq!(value.as_str(), flag.about.default.as_deref(), "{name} of the {role} of {version}");
                }
            }
            for (name, flag) in known.iter().filter(|(_, flag)| flag.about.default.is_some()) {
                assert!(running.contains_key(*name), "{name} ({:?}) of the {role} of {version}", flag.about.default);
            }
        }
    }
}

#[test]
#[ignore = "needs real Mesos: make test"]
fn the_programs_refuse_what_the_types_refuse() {
    for version in VERSIONS {
        for role in [Role::Master, Role::Agent] {
            for (name, flag) in known(version, role) {
                let wrong = match flag.about.kind {
                    Kind::Bool => "maybe",
                    Kind::Integer | Kind::Number if flag.is_option() => "many",
                    Kind::Duration => "10",
                    Kind::Bytes => "64",
                    Kind::Json if flag.is_option() => "{broken",
                    // Mesos takes these as text, and looks at them later or not at all.
                    _ => continue,
                };
                if name == "help" || name == "version" {
                    continue;
                }
                assert!(flags::check(name, wrong, Some(role)).is_err(), "{name}");
                let environment = Environment::from([(flags::variable(name), wrong.to_owned())]);
                let refused = parses(version, role, &environment).expect_err(name);
                assert!(refused.contains(&format!("flag '{name}'")), "{name} of the {role} of {version}: {refused}");
            }
        }
    }
}
