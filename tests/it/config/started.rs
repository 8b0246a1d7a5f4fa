//! Generated configs start master and agent of both versions, with our modules and fizzbuzz, and the running process
//! says that it has the flags that were asked for.

use std::path::{Path, PathBuf};

use dcos_config::flags::{self, Kind};
use dcos_config::{ConfigPackage, Options, Syntax, generate, same_value};
use dcos_core::config::MesosConfig;
use dcos_core::pkginfo::ParameterKind;
use dcos_core::{PkgInfo, Role};
use serde_json::{Value, json};

use super::VERSIONS;
use super::process::{Process, free_port, host, program};
use crate::harness::{archive, http, id, target};

const MASTER: &str = r#"
role = "master"
modules = ["dcos-bits"]
[flags]
registry = "in_memory"
agent_ping_timeout = "2000ms"
max_agent_ping_timeouts = 3
offer_timeout = "1.5mins"
min_allocatable_resources = "cpus:0.1|mem:64;disk:1"
recovery_agent_removal_limit = "10%"
root_submissions = false
cluster = "a b \"c\" $d"
weights = "web=2,batch=0.5"
logging_level = "WARNING"
http_authenticators = "basic"
[flags.acls]
permissive = true
register_frameworks = [{ principals = { values = ["a"] }, roles = { type = "ANY" } }]
[flags.rate_limits]
limits = [{ principal = "a", qps = 5.5 }]
[flags.domain.fault_domain]
region = { name = "eu" }
zone = { name = "a" }
"#;

const AGENT: &str = r#"
role = "agent"
modules = ["dcos-bits", "fizzbuzz"]
[flags]
launcher = "posix"
isolation = "posix/cpu,posix/mem"
systemd_enable_support = false
resources = "cpus:1.5;mem:256;disk:100;ports(web):[80-90,443-443];colours:{red,blue}"
registration_backoff_factor = "10ms"
fetcher_cache_size = "64MB"
gc_delay = "36hrs"
gc_disk_headroom = 0.25
max_completed_executors_per_framework = 7
reconfiguration_policy = "additive"
hostname_lookup = false
strict = true
executor_environment_variables = { PATH = "/usr/bin", QUOTED = "a \"b\" 'c'" }
[parameters.org_example_FizzBuzz]
limit = 15
"#;

/// The packages that provide modules, as they were built for a version: their pkginfo and their folder.
fn packages(version: &str) -> Vec<(PkgInfo, PathBuf)> {
    let bound = format!("+mesos{version}");
    let of = |beginning: &str| {
        let folder = target().join("packages/trees").join(id(&archive(beginning, &bound)));
        let text = std::fs::read_to_string(folder.join("pkginfo.json")).expect("a package has a pkginfo.json");
        (PkgInfo::parse(&text).expect("a pkginfo"), folder)
    };
    vec![of("dcos-bits--"), of("fizzbuzz--1.2.0")]
}

fn config(package: &ConfigPackage) -> MesosConfig {
    serde_json::from_slice(&package.files[dcos_core::config::FILE_NAME]).expect("a config")
}

/// `modules.json`, as a generation would have it.
fn manifest(config: &MesosConfig, packages: &[(PkgInfo, PathBuf)], node: &Path) -> Value {
    let of = |(info, folder): &(PkgInfo, PathBuf)| {
        let library = folder.join(&info.modules.first()?.library);
        let enabled = config.modules.iter().filter_map(|module| {
            let declared = info.modules.iter().find(|declared| declared.name == module.name)?;
            let node_files = declared.parameters.iter().filter(|(_, about)| about.kind == ParameterKind::NodeFile);
            let node_files = node_files.map(|(key, _)| json!({"key": key, "value": node}));
            let given = module.parameters.iter().map(|(key, value)| json!({"key": key, "value": value}));
            Some(json!({"name": module.name, "parameters": given.chain(node_files).collect::<Vec<_>>()}))
        });
        let enabled: Vec<Value> = enabled.collect();
        (!enabled.is_empty()).then(|| json!({"file": library, "modules": enabled}))
    };
    json!({"libraries": packages.iter().filter_map(of).collect::<Vec<_>>()})
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn generated_configs_start_mesos_and_flags_says_what_was_asked_for() {
    for version in VERSIONS {
        for (role, text) in [(Role::Master, MASTER), (Role::Agent, AGENT)] {
            let options = Options::parse(text, Syntax::Toml).expect("options");
            let packages = packages(version);
            let known: Vec<PkgInfo> = packages.iter().map(|(info, _)| info.clone()).collect();
            let config = config(&generate(&options, &known).expect("a config"));

            let folder = tempfile::tempdir().expect("a temporary directory");
            let path = |name: &str| folder.path().join(name);
            let port = free_port();
            let mut environment = host(role, folder.path(), port);
            environment.extend(config.environment.clone());
            std::fs::write(path("node.toml"), node(role, folder.path(), port)).expect("the node's file");
            let modules = manifest(&config, &packages, &path("node.toml"));
            std::fs::write(path("modules.json"), modules.to_string()).expect("the manifest");
            environment.insert("MESOS_MODULES".to_owned(), format!("file://{}", path("modules.json").display()));

            let mut mesos = Process::start(&program(version, role), &environment, &path("log"));
            let url = format!("http://127.0.0.1:{port}");
            let running =
                mesos.until("it answers", |_| http::json(&format!("{url}/flags"))["flags"].as_object().cloned());
            for (name, asked) in &options.flags {
                let flag = flags::of(Some(role)).find(|flag| flag.name == *name).expect("a known flag");
                let has = running.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("{name}: {running:?}"));
                let same = same_value(flag.about.kind, asked, has) || is_printed(asked, has);
                assert!(same, "{name} of the {role} of {version}: {asked} {has}");
            }
            assert!(options.flags.len() > 12 && options.flags.keys().any(|name| is_document(role, name)));
            let answer = http::json(&format!("{url}/version"));
            assert_eq!(answer["version"].as_str(), Some(version));
            if role == Role::Agent {
                let fizzbuzz = http::get(&format!("{url}/fizzbuzz/health")).expect("an answer");
                assert_eq!(fizzbuzz.status, 200);
            }
            assert_eq!(http::get(&format!("{url}/pkg/health")).expect("an answer").status, 200);
            assert!(mesos.ended().is_none(), "{}", mesos.log());
        }
    }
}

/// Whether `has` is the document `asked` as protocol buffers print it, which is how Mesos shows some flags: the same
/// fields with the same values, in the order of the fields' numbers.
fn is_printed(asked: &str, has: &str) -> bool {
    fn lines(name: &str, value: &Value, all: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| lines(name, item, all)),
            Value::Object(fields) => {
                all.push(format!("{name} {{"));
                fields.iter().for_each(|(name, value)| lines(name, value, all));
                all.push("}".to_owned());
            }
            Value::String(text) => all.push(format!("{name}: {text}")),
            scalar => all.push(format!("{name}: {scalar}")),
        }
    }
    let Ok(Value::Object(fields)) = serde_json::from_str(asked) else { return false };
    let mut expected = Vec::new();
    fields.iter().for_each(|(name, value)| lines(name, value, &mut expected));
    let mut printed: Vec<String> = has.lines().map(|line| line.trim().replace('"', "")).collect();
    expected.sort_unstable();
    printed.sort_unstable();
    expected == printed
}

fn is_document(role: Role, name: &str) -> bool {
    flags::of(Some(role)).any(|flag| flag.name == name && flag.about.kind == Kind::Json)
}

fn node(role: Role, folder: &Path, port: u16) -> String {
    let master = if role == Role::Agent { "master = \"127.0.0.1:1\"\n" } else { "" };
    format!(
        "root = {:?}\nrole = \"{role}\"\ngroup = \"all\"\n[mesos]\nip = \"127.0.0.1\"\nport = {port}\nwork_dir = {:?}\n\
         {master}[supervisor]\nkind = \"process\"\n",
        folder.join("root"),
        folder.join("work"),
    )
}
