//! What an operator is told about wrong options: every input here with every word of the answer, in
//! `snapshots/refusals.snap`.

use std::fmt::Write as _;

use dcos_core::PkgInfo;

use crate::generate::generate;
use crate::options::{InvalidOptions, Options, Syntax};

/// Wrong documents. Those that begin with `{` are JSON, the others TOML; both kinds of line ends may be in them.
const INPUTS: [&str; 69] = [
    // Documents.
    "role = \"agent\"\n[flags\n",
    "role = \"agent\"\nrole = \"master\"\n",
    "{\"role\": \"agent\",}",
    "{\"role\": \"agent\",\n \"role\": \"agent\"}",
    "{\"role\": \"agent\", \"flags\": []}",
    "format = 2\nrole = \"agent\"",
    "",
    // Keys.
    "role = \"agnet\"",
    "rol = \"agent\"",
    "role = \"agent\"\nresources = \"cpus:1\"",
    "role = true",
    "role = \"agent\"\ngroup = \"\"",
    "role = \"agent\"\nmodules = \"fizzbuzz\"",
    "role = \"agent\"\nmodules = [\"fizzbuzz--1.2.0\"]",
    "role = \"agent\"\nmodules = [7]",
    "role = \"agent\"\nflags = 1",
    // Names of flags.
    "role = \"agent\"\n[flags]\n# a comment\nresouces = \"cpus:1\"",
    "role = \"agent\"\n[flags]\nslave_subsystems = \"cpu\"",
    "role = \"agent\"\n[flags]\nMESOS_GC_DELAY = \"1days\"",
    "role = \"agent\"\n[flags]\nno-switch_user = true",
    "role = \"agent\"\n[flags]\nquorum = 1",
    "role = \"master\"\n[flags]\nresources = \"cpus:1\"",
    "role = \"agent\"\n[flags]\nwhatever = 1",
    // What has another owner.
    "role = \"agent\"\n[flags]\nhostname = \"a\"\nport = 99999",
    "role = \"agent\"\n[flags]\nattributes = \"rack:a\"",
    "role = \"agent\"\n[flags]\nadvertise_ip = \"10.0.0.1\"",
    "role = \"agent\"\n[flags]\nmodules = \"/etc/modules.json\"\nmodules_dir = \"/etc/modules\"",
    "role = \"agent\"\n[flags]\nversion = true",
    // Types and units.
    "role = \"agent\"\n[flags]\nstrict = \"yes\"",
    "role = \"agent\"\n[flags]\nstrict = 3",
    "role = \"agent\"\n[flags]\ngc_delay = 10",
    "role = \"agent\"\n[flags]\ngc_delay = \"10s\"",
    "role = \"agent\"\n[flags]\ngc_delay = \"10 secs\"",
    "role = \"agent\"\n[flags]\ngc_delay = \"soon\"",
    "role = \"agent\"\n[flags]\ngc_delay = \"999999weeks\"",
    "role = \"agent\"\n[flags]\nfetcher_cache_size = \"2Gb\"",
    "role = \"agent\"\n[flags]\nfetcher_cache_size = \"1.5GB\"",
    "role = \"agent\"\n[flags]\nfetcher_cache_size = 1000",
    "role = \"agent\"\n[flags]\ncgroups_root = \"\"",
    "role = \"agent\"\n[flags]\ncgroups_root = \"a\\nb\"",
    "role = \"agent\"\n[flags]\ncgroups_root = 2026-01-01",
    "{\"role\": \"agent\", \"flags\": {\n\"strict\": null}}",
    "role = \"agent\"\n[flags]\nlog_dir = \"logs\"",
    "role = \"agent\"\n[flags]\nacls = \"{broken\"",
    "role = \"agent\"\n[flags]\nacls = 5",
    "role = \"master\"\n[flags]\nquorum = 1.5",
    "role = \"master\"\n[flags]\nrecovery_agent_removal_limit = \"10\"",
    "role = \"master\"\n[flags]\nmin_allocatable_resources = \"cpus\"",
    "role = \"master\"\n[flags]\nweights = \"web\"",
    // Ranges and choices.
    "role = \"master\"\n[flags]\nquorum = 0",
    "role = \"master\"\n[flags]\nmax_completed_frameworks = 99999999999",
    "role = \"master\"\n[flags]\nagent_ping_timeout = \"10ms\"",
    "role = \"agent\"\n[flags]\ngc_disk_headroom = 1.5",
    "role = \"agent\"\n[flags]\nlauncher = \"posx\"",
    "role = \"agent\"\n[flags]\ncontainerizers = \"mesos,dokcer\"",
    // Resources.
    "role = \"agent\"\n[flags]\nresources = \"cpus:four\"",
    "role = \"agent\"\n[flags]\nresources = \"cpus:4;ports:[32000-31000]\"",
    "role = \"agent\"\n[flags]\nresources = \"cpus=4\"",
    // Secrets.
    "role = \"agent\"\n[flags]\nhttp_credentials = \"{\\\"credentials\\\": []}\"",
    "role = \"master\"\n[flags]\ncredentials = \"/etc/mesos/credentials\"",
    "role = \"agent\"\nmodules = [\"fizzbuzz\"]\n[parameters.org_example_FizzBuzz]\napi_token = \"tomato\"",
    // Contradictions.
    "role = \"agent\"\n[flags]\nperf_duration = \"2mins\"",
    "role = \"master\"\n[flags]\nauthenticate_http_readwrite = true",
    "role = \"master\"\n[flags]\nregistry = \"in_memory\"\nquorum = 2",
    // Documents of a known shape.
    "role = \"agent\"\n[flags.domain]\nfault_domain = { region = \"eu\" }",
    "role = \"agent\"\n[flags.executor_environment_variables]\nPATH = \"/bin\"\nLIMIT = 5",
    "role = \"agent\"\n[flags]\nacls = []",
    // Modules.
    "role = \"agent\"\nmodules = [\"fizbuzz\"]",
    "role = \"agent\"\nmodules = [\"fizzbuzz\"]\n[parameters.org_example_FizzBuzz]\nlimt = 5\nlimit = \"5\"\nnode = \"/x\"",
];

fn refusal(text: &str) -> InvalidOptions {
    let available = PkgInfo::parse(
        r#"{ "format": 1, "name": "fizzbuzz", "version": "1.2.0", "kind": "module", "roles": ["agent"],
            "mesos": { "version": "1.11.0" },
            "modules": [ { "library": "lib/x.so", "name": "org_example_FizzBuzz", "parameters": {
                "limit": {"type": "integer"}, "api_token": {"type": "string"}, "node": {"type": "node-file"} } } ] }"#,
    );
    let syntax = if text.starts_with('{') { Syntax::Json } else { Syntax::Toml };
    let available = available.unwrap_or_else(|error| panic!("{error}"));
    match Options::parse(text, syntax).and_then(|options| generate(&options, &[available])) {
        Err(refusal) => refusal,
        Ok(package) => panic!("{text:?} became {}", package.id),
    }
}

#[test]
fn every_refusal_says_where_why_and_what_to_do() {
    let mut told = String::new();
    for input in INPUTS {
        writeln!(told, "{}", input.trim_end()).unwrap_or_default();
        match refusal(input) {
            InvalidOptions::Syntax { line, message } => {
                writeln!(told, "  => line {line}: {}", message.trim_end().replace('\n', "\n     ")).unwrap_or_default();
            }
            InvalidOptions::Findings(findings) => {
                for found in findings {
                    assert!(!found.message.is_empty() && !found.message.ends_with('.'), "{}", found.message);
                    writeln!(told, "  => {} [{}]", found.message, found.code).unwrap_or_default();
                    if let Some(hint) = found.hint {
                        writeln!(told, "     hint: {hint}").unwrap_or_default();
                    }
                }
            }
        }
        told.push('\n');
    }
    insta::assert_snapshot!("refusals", told);
}
