//! The monitoring that docs/monitoring shows, in the programs that it is for: the rules in Prometheus's own tests, the
//! route in an Alertmanager that halts a controller.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::served::Served;
use crate::harness::{free_ports, until};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a program of Debian's package `package` to its end.
fn tool(package: &str, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(repository()).output().unwrap_or_else(|error| {
        panic!("can't run {program} ({error}): apt-get install --no-install-recommends {package}")
    });
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {stdout}{stderr}");
    stdout.into_owned()
}

#[test]
#[ignore = "needs promtool and amtool: make test"]
fn the_rules_fire_for_what_they_are_about_and_the_route_is_understood() {
    tool("prometheus", "promtool", &["check", "rules", "docs/monitoring/rules.yml"]);
    tool("prometheus", "promtool", &["test", "rules", "tests/it/masters/rules.test.yml"]);
    let config = ["check-config", "docs/monitoring/alertmanager.yml"];
    tool("prometheus-alertmanager", "amtool", &config);
    let route = ["config", "routes", "test", "--config.file=docs/monitoring/alertmanager.yml"];
    for (label, receivers) in [("halt_deployments=yes", "dcos-bits"), ("halt_deployments=no", "people")] {
        let told = tool("prometheus-alertmanager", "amtool", &[&route[..], &[label]].concat());
        assert_eq!(told.trim(), receivers, "{label}");
    }
}

/// An Alertmanager, ended when dropped.
struct Alertmanager {
    process: Child,
    url: String,
}

impl Alertmanager {
    /// Starts one with the example's configuration, which is made to call `masters` with that password.
    fn start(folder: &Path, masters: [&str; 3], password: &Path) -> Self {
        let example = std::fs::read_to_string(repository().join("docs/monitoring/alertmanager.yml")).unwrap();
        let shown = ["http://10.0.0.1:5050", "http://10.0.0.2:5050", "http://10.0.0.3:5050"];
        let places = shown.into_iter().zip(masters);
        let places = places.chain([("/etc/alertmanager/dcos-bits.password", password.to_str().unwrap())]);
        let config = places.fold(example, |config, (shown, real)| {
            assert!(config.contains(shown), "the example names {shown}: {config}");
            config.replace(shown, real)
        });
        let file = folder.join("alertmanager.yml");
        std::fs::write(&file, config).unwrap();
        let address = format!("127.0.0.1:{}", free_ports(1)[0]);
        let process = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", folder.join("alertmanager").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("can't run it ({error}): apt-get install --no-install-recommends prometheus-alertmanager")
            });
        Self { process, url: format!("http://{address}") }
    }

    /// Tells it of an alert, as Prometheus does.
    fn fire(&self, labels: &Value, summary: &str) {
        let alerts = json!([{"labels": labels, "annotations": {"summary": summary}}]);
        until("Alertmanager takes an alert", 30, || {
            let answer = crate::harness::http::post(&format!("{}/api/v2/alerts", self.url), &alerts)?;
            (answer.status == 200).then_some(())
        });
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn secret(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
#[ignore = "needs Alertmanager: make test"]
fn an_alert_halts_deployments_by_the_route_of_the_example() {
    let folder = tempfile::tempdir().unwrap();
    let known = json!({"credentials": [{"principal": "pager", "secret": "a monitor's"}]});
    let known = secret(folder.path(), "credentials.json", &known.to_string());
    let password = secret(folder.path(), "password", "a monitor's");
    let node = folder.path().join("node.toml");
    let text = format!(
        "root = \"{0}/root\"\nrole = \"master\"\ngroup = \"masters\"\n\
         [mesos]\nip = \"127.0.0.1\"\nport = 1\nwork_dir = \"{0}/work\"\n\
         [roles]\npager = \"monitor\"\n[server]\ncredentials = {known:?}\n[limits]\nanonymous_reader = true\n",
        folder.path().display()
    );
    std::fs::write(&node, text).unwrap();
    let served = Served::start(&node, &[]);
    let master = served.url.clone();
    // The first is down. Of the other two one would send on to the other, so the call comes to the leader twice.
    let down = format!("http://127.0.0.1:{}", free_ports(1)[0]);
    let alertmanager = Alertmanager::start(folder.path(), [&down, &master, &master], &password);

    let halts = || crate::harness::http::json(&format!("{master}/deploy/halt"))["halts"].as_array().cloned().unwrap();
    alertmanager.fire(&json!({"alertname": "Chatter", "service": "shop"}), "nobody's business");
    alertmanager.fire(
        &json!({"alertname": "ErrorRate", "service": "shop", "halt_deployments": "yes"}),
        "shop answers more than 1% of its requests with an error",
    );
    let halt = until("the alert halts", 30, || halts().first().cloned());
    assert_eq!(halt["by"], "pager");
    let reason = halt["reason"].as_str().unwrap();
    assert!(reason.contains("ErrorRate") && reason.contains("more than 1%"), "{reason}");
    assert_eq!(halts().len(), 1, "the other alert is for people: {:?}", halts());
}
