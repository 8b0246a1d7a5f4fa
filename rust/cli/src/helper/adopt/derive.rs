//! From a command line to a node file and the options of a config. Pure.
//!
//! What was said to Mesos, by flag or by variable, is what a config says; what it did not say, Mesos decides as before.
//! Facts of the host go into the node file instead. What ours replaces (the launcher's directory, the web pages) is left
//! out, and what ours can't say is a reason to refuse: an adopted Mesos must be the one that ran.

use std::collections::BTreeMap;
use std::path::PathBuf;

use dcos_config::{Draft, flags};
use dcos_core::node::{DEFAULT_ROOT, SupervisorKind};
use dcos_core::validate::Finding;
use dcos_core::{ExitCode, Problem, Role};

use super::super::args;
use super::super::bootstrap::facts::{Facts, Repository};
use super::process::{Answers, Found};

/// What an adopted Mesos becomes.
#[derive(Debug)]
pub(super) struct Derived {
    pub(super) facts: Facts,
    pub(super) options: Draft,
}

/// The flags that were given, by their names of today; the command line wins over the environment, as in Mesos.
pub(super) fn given(role: Role, arguments: &[String], environment: &[(String, String)]) -> BTreeMap<String, String> {
    let mut given = BTreeMap::new();
    for (name, value) in environment {
        let flag = name.strip_prefix(flags::PREFIX).map(str::to_ascii_lowercase);
        // Mesos passes over variables that are no flag of it.
        if let Some(name) = flag.and_then(|flag| canonical(role, &flag)) {
            given.insert(name, value.clone());
        }
    }
    for argument in arguments {
        let Some(flag) = argument.strip_prefix("--") else { continue };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => match flag.strip_prefix("no-") {
                Some(name) => (name, "false".to_owned()),
                None => (flag, "true".to_owned()),
            },
        };
        // One that is not known here stays as it is: the config generator says what it thinks of it.
        let name = canonical(role, name).unwrap_or_else(|| name.to_owned());
        given.insert(name, value);
    }
    given
}

fn canonical(role: Role, name: &str) -> Option<String> {
    let known = flags::of(Some(role)).find(|flag| flag.name == name || flag.about.alias.as_deref() == Some(name));
    known.map(|flag| flag.name.clone())
}

/// What `found` is as a node of ours.
///
/// # Errors
/// With everything that a node of ours could not be like.
pub(super) fn derive(found: &Found, answers: &Answers, arguments: &args::Adopt) -> Result<Derived, Problem> {
    let given = given(found.role, &found.arguments, &found.environment);
    let mut findings = Vec::new();
    let mut refuse = |code: &str, message: String, hint: &str| {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        findings.push(Finding { code: code.to_owned(), packages: Vec::new(), message, hint });
    };
    let flag = |name: &str| answers.flags.get(name).filter(|value| !value.is_empty()).or_else(|| given.get(name));
    let mut options = Draft::default();
    options.role = Some(found.role);
    options.group.clone_from(&arguments.group);
    if let Ok(name) = dcos_core::validate::SELF.parse() {
        options.modules.insert(name);
    }
    for (name, value) in &given {
        let owner = flags::of(Some(found.role))
            .find(|known| known.name == *name)
            .and_then(|known| known.about.owner.as_deref());
        match owner {
            None => {
                options.flags.insert(name.clone(), value.clone());
            }
            Some("generation") if name.starts_with("modules") => {
                if !arguments.without_modules {
                    let message = format!("it loads modules of its own (`--{name}`), which are in no package");
                    refuse(
                        "own-modules",
                        message,
                        "make packages of them first, or leave them out: `--without-modules`",
                    );
                }
            }
            // Ours has its own; the node file has the rest.
            Some("generation" | "nobody") => {}
            Some(owner) if owner.starts_with("node:") => {}
            Some(_) => refuse("host-flag", format!("it was given `--{name}`, which a node file has no key for"), ""),
        }
    }
    let (master, zk) = match (found.role, flag("master").or_else(|| flag("zk")).map(String::as_str)) {
        (_, Some(zk)) if zk.starts_with("zk://") => (None, Some(zk.to_owned())),
        (Role::Agent, Some(master)) if !master.contains('/') => (Some(master.to_owned()), None),
        (Role::Agent, Some(other)) => {
            refuse(
                "master-elsewhere",
                format!("it finds its master by `{other}`"),
                "a node file names `zk://…` or `HOST:PORT`",
            );
            (None, None)
        }
        (Role::Agent, None) => {
            refuse("no-master", "it was not told how to find a master".to_owned(), "");
            (None, None)
        }
        (Role::Master, _) => (None, None),
    };
    let (Some(work_dir), Some(address)) = (flag("work_dir").map(PathBuf::from), answers.address) else {
        let detail = "it does not say where it works and where it listens";
        return Err(Problem::new(ExitCode::Refused, "adopt-refused", detail));
    };
    if let Some(credential) =
        given.get("credential").filter(|path| !path.starts_with("file:///") && !path.starts_with('/'))
    {
        refuse("credential", format!("its credential `{credential}` is not the absolute path of a file"), "");
    }
    if !findings.is_empty() {
        let mut problem = Problem::new(ExitCode::Refused, "adopt-refused", "this Mesos can't be adopted as it is");
        problem.problems = findings;
        return Err(problem);
    }
    let read = |path: &Option<PathBuf>| path.as_deref().map(super::read).transpose();
    let ca = read(&arguments.ca)?;
    let repository = |url: &Option<String>, root: Option<String>| {
        url.clone().map(|url| Repository { url, root_json: root, ca: ca.clone() })
    };
    let facts = Facts {
        root: arguments.root.clone().unwrap_or_else(|| DEFAULT_ROOT.into()),
        role: found.role,
        group: arguments.group.clone().unwrap_or_else(|| format!("{}s", found.role)),
        ip: address.ip(),
        port: address.port(),
        // Ours advertises the address unless it is told a name, and another name is another agent.
        hostname: Some(answers.hostname.clone()).filter(|name| !name.is_empty() && *name != address.ip().to_string()),
        master,
        zk,
        work_dir,
        runtime_dir: flag("runtime_dir").map_or_else(|| "/var/run/mesos".into(), PathBuf::from),
        attributes: given.get("attributes").cloned(),
        credential: given.get("credential").map(|path| format!("file://{}", path.trim_start_matches("file://"))),
        release: repository(&arguments.release_url, read(&arguments.release_root)?),
        site: repository(&arguments.site_url, read(&arguments.site_root)?),
        masters: arguments.masters.clone(),
        credentials: false,
        // Whoever kept it before keeps it no more, and the original command line is no unit.
        supervisor: SupervisorKind::Process,
        hold: arguments.hold,
        roles: BTreeMap::new(),
        insecure_allow_anonymous: false,
    };
    Ok(Derived { facts, options })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{derive, given};
    use crate::helper::adopt::process::{Answers, Found};
    use crate::helper::args::Adopt;
    use crate::helper::bootstrap::files::put;
    use dcos_core::Role;

    fn found(arguments: &[&str]) -> Found {
        Found {
            pid: 7,
            start_time: 1,
            role: Role::Agent,
            program: "/usr/sbin/mesos-agent".into(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: [("MESOS_ISOLATION", "posix/cpu"), ("MESOS_RESOURCES", "cpus:1"), ("HOME", "/root")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            directory: "/".into(),
        }
    }

    fn answers() -> Answers {
        let flags = [("work_dir", "/w"), ("runtime_dir", "/r"), ("master", "10.0.0.1:5050"), ("port", "5051")];
        Answers {
            flags: flags.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            version: "1.10.0".to_owned(),
            hostname: "five".to_owned(),
            address: Some("10.0.0.5:5051".parse().unwrap()),
            agent_id: Some("S0".to_owned()),
        }
    }

    #[test]
    fn the_command_line_wins_over_the_environment() {
        let found = found(&["--resources=cpus:2;mem:64", "--no-hostname_lookup", "--quiet", "--slave_subsystems=cpu"]);
        let given = given(Role::Agent, &found.arguments, &found.environment);
        assert_eq!(given["resources"], "cpus:2;mem:64");
        assert_eq!(given["isolation"], "posix/cpu");
        assert_eq!((given["hostname_lookup"].as_str(), given["quiet"].as_str()), ("false", "true"));
        assert!(!given.contains_key("home"));
    }

    #[test]
    fn facts_of_the_host_go_into_the_node_file_and_the_rest_into_the_options() {
        let found = found(&[
            "--master=10.0.0.1:5050",
            "--work_dir=/w",
            "--attributes=rack:a",
            "--launcher_dir=/usr/libexec/mesos",
        ]);
        let derived = derive(&found, &answers(), &Adopt::default()).unwrap();
        assert_eq!(derived.facts.master.as_deref(), Some("10.0.0.1:5050"));
        assert_eq!(derived.facts.hostname.as_deref(), Some("five"));
        assert_eq!(derived.facts.attributes.as_deref(), Some("rack:a"));
        assert_eq!((derived.facts.work_dir.to_str(), derived.facts.runtime_dir.to_str()), (Some("/w"), Some("/r")));
        let flags: Vec<&str> = derived.options.flags.keys().map(String::as_str).collect();
        assert_eq!(flags, ["isolation", "resources"]);
    }

    #[test]
    fn repositories_over_tls_are_trusted_by_the_authority_that_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let (ca, root) = (folder.path().join("bits-ca.pem"), folder.path().join("1.root.json"));
        put(&ca, b"an authority", 0o644).unwrap();
        put(&root, b"a root", 0o644).unwrap();
        let arguments = Adopt {
            release_url: Some("https://bits.example.org/release".to_owned()),
            release_root: Some(root),
            site_url: Some("https://bits.example.org/site".to_owned()),
            ca: Some(ca),
            ..Adopt::default()
        };
        let facts = derive(&found(&["--master=10.0.0.1:5050"]), &answers(), &arguments).unwrap().facts;
        let release = facts.release.as_ref().unwrap();
        assert_eq!((release.ca.as_deref(), release.root_json.as_deref()), (Some("an authority"), Some("a root")));
        assert_eq!(facts.site.as_ref().unwrap().ca.as_deref(), Some("an authority"));
        let node_file = facts.node_toml(|name| format!("/etc/dcos/{name}"));
        assert!(
            node_file.contains("ca = \"/etc/dcos/release-ca.pem\"") && node_file.contains("site-ca.pem"),
            "{node_file}"
        );

        let missing = Adopt { ca: Some(folder.path().join("missing.pem")), ..arguments };
        let problem = derive(&found(&[]), &answers(), &missing).unwrap_err();
        assert_eq!((problem.name(), problem.detail.contains("missing.pem")), ("unreadable", true), "{problem:?}");
    }

    #[test]
    fn what_a_node_of_ours_can_not_be_like_is_named_all_at_once() {
        let found = found(&["--modules=file:///m.json", "--advertise_ip=1.2.3.4"]);
        let mut answers = answers();
        answers.flags.insert("master".to_owned(), "file:///etc/mesos/zk".to_owned());
        let problem = derive(&found, &answers, &Adopt::default()).unwrap_err();
        let codes: Vec<&str> = problem.problems.iter().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, ["host-flag", "own-modules", "master-elsewhere"]);
    }
}
