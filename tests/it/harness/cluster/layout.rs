//! How a cluster comes into being: repositories that are served, configs, nodes with their first packages.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::{Cluster, NEW, Node, OLD, text};
use crate::harness::{archive, http, id, target, until};

impl Cluster {
    /// Makes repositories and nodes, starts them all, and waits until they are one cluster on [`OLD`].
    pub(super) fn set_up(&mut self) {
        let programs = self.folder.path().join("bin");
        std::fs::create_dir(&programs).expect("a folder for programs");
        for name in ["dcos", "dcos-pkg"] {
            std::fs::copy(target().join("release").join(name), programs.join(name))
                .unwrap_or_else(|error| panic!("can't copy `{name}` ({error}): run `scripts/build`"));
        }
        if self.asks_for_names {
            self.write_names();
        }
        for repository in [self.release(), self.site()] {
            self.quiet("dcos", &["repo", "init", text(&repository)]);
        }
        let both: Vec<PathBuf> = [OLD, NEW]
            .into_iter()
            .flat_map(|mesos| {
                let bound = format!("+mesos{mesos}");
                [
                    archive(&format!("mesos--{mesos}"), ""),
                    archive("dcos-bits--", &bound),
                    archive("fizzbuzz--1.2.0", &bound),
                ]
            })
            .collect();
        self.publish(&both);
        let urls: Vec<String> = [self.release(), self.site()].iter().map(|folder| self.serve(folder)).collect();
        self.urls.clone_from(&urls);
        let mut configs = BTreeMap::new();
        for node in self.nodes() {
            let config = configs.entry(node.group()).or_insert_with(|| self.generate_config(node.role)).clone();
            self.prepare(node, &urls, &[id(&both[0]), id(&both[1]), config]);
            self.start_node(node);
        }
        if self.ensemble.is_some() {
            // Until then a master that is lost is one too many for the replicated log.
            until("every master has its part of the replicated log", 30, || {
                let recovered = |node: &Node| {
                    http::json(&format!("{}/metrics/snapshot", node.url))["registrar/log/recovered"] == 1.0
                };
                self.masters().all(recovered).then_some(())
            });
        }
        until("the master lists every agent", 30, || (self.agent_ids().len() == self.agents.len()).then_some(()));
        until("every node answers /pkg/active", 30, || {
            self.nodes().all(|node| !node.packages().is_empty()).then_some(())
        });
        self.settle();
    }

    fn serve(&mut self, folder: &Path) -> String {
        let mut server = Command::new(self.folder.path().join("bin/dcos"))
            .args(["repo", "serve", text(folder), "--listen", &format!("{}:0", self.gateway)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`dcos repo serve` can be started");
        let mut url = String::new();
        let stdout = server.stdout.take().expect("its stdout is ours");
        BufReader::new(stdout).read_line(&mut url).expect("it says where it listens");
        self.servers.push(server);
        assert!(url.starts_with("http://"), "`dcos repo serve` said `{url}`");
        url.trim().to_owned()
    }

    /// Generates and publishes the config of a role's group; answers its id.
    pub(crate) fn generate_config(&self, role: &str) -> String {
        let group = format!("{role}s");
        let mut flags = match role {
            "master" if self.ensemble.is_some() => json!({
                "registry": "replicated_log",
                "quorum": self.others.len().div_ceil(2) + 1,
                // Of a master that is killed the others hear after that time; of one that is only kept waiting for less
                // than two thirds of it, by a machine with too much to do, they must not.
                "zk_session_timeout": "6secs",
            }),
            // Without ZooKeeper an agent learns only by missing pings that its master was restarted.
            "master" => json!({"registry": "in_memory", "agent_ping_timeout": "1secs", "max_agent_ping_timeouts": "3"}),
            _ => json!({
                "launcher": "posix",
                "isolation": "posix/cpu,posix/mem",
                "systemd_enable_support": "false",
                "resources": "cpus:1;mem:256;disk:100",
                "registration_backoff_factor": "10ms",
                // An executor that is kept waiting for longer than the two seconds of Mesos is not found again.
                "executor_reregistration_timeout": "5secs",
            }),
        };
        if self.asks_for_names {
            self.ask_for_names(role, &mut flags);
        }
        let options = json!({
            "format": 1, "role": role, "group": group, "modules": ["dcos-bits"], "flags": flags, "parameters": {},
        });
        let file = self.folder.path().join(format!("{group}.json"));
        std::fs::write(&file, options.to_string()).expect("the options can be written");
        let (release, site) = (self.release(), self.site());
        let arguments = [
            "--json",
            "config",
            "generate",
            "--options",
            text(&file),
            "--repository",
            text(&release),
            "--output",
            text(self.folder.path()),
        ];
        let made = self.quiet("dcos", &arguments).json();
        self.quiet("dcos", &["repo", "publish", text(&site), made["output"].as_str().expect("a file")]);
        made["id"].as_str().expect("an id").to_owned()
    }

    /// Writes the node's file, fetches its first packages, and activates them.
    fn prepare(&self, node: &Node, urls: &[String], packages: &[String]) {
        std::fs::create_dir(&node.folder).expect("a folder for the node");
        let (ip, port) = node.name.rsplit_once(':').expect("a node's name is host:port");
        let master = match (&self.ensemble, node.role) {
            (Some(ensemble), _) => format!("zk = \"{}\"", ensemble.address("/mesos")),
            (None, "agent") => format!("master = \"{}\"", self.master.name),
            (None, _) => String::new(),
        };
        let names = match self.asks_for_names {
            true => self.names(),
            false => "[limits]\ninsecure_allow_anonymous = true\nanonymous_reader = true".to_owned(),
        };
        let masters: Vec<String> = self.masters().map(|node| format!("\"{}\"", node.url)).collect();
        let folder = node.folder.display();
        let file = format!(
            r#"
root = "{folder}/root"
role = "{}"
group = "{}"
[mesos]
ip = "{ip}"
port = {port}
work_dir = "{folder}/work"
runtime_dir = "{folder}/run"
{master}
[repositories]
release.url = "{}"
site.url = "{}"
[deploy]
masters = [{}]
{names}
[supervisor]
kind = "process"
[health]
hold = 4.0
"#,
            node.role,
            node.group(),
            urls[0],
            urls[1],
            masters.join(", ")
        );
        std::fs::write(node.file(), file).expect("the node's file can be written");
        let path = node.file();
        for verb in ["fetch", "activate"] {
            let mut arguments = vec!["--node", text(&path), verb];
            arguments.extend(packages.iter().map(String::as_str));
            self.quiet("dcos-pkg", &arguments);
        }
    }
}
