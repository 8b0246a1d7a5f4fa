//! Every role at every endpoint: over TLS in `dcos-node`, and in a real master whose own authentication is on.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use dcos_api::authorization::Needs;
use dcos_api::routes::{ROUTES, Route};
use dcos_core::node::ApiRole::{self, Admin, Monitor, Node, Operator, Reader};
use serde_json::{Value, json};

use crate::harness::served::Served;
use crate::module::mesos::{Mesos, Role, built, our_modules};

/// Principals and their roles; the first is known to the host and to no table, the last is one of many by a pattern.
const PRINCIPALS: [(&str, Option<ApiRole>); 7] = [
    ("stranger", None),
    ("reader", Some(Reader)),
    ("monitor", Some(Monitor)),
    ("operator", Some(Operator)),
    ("admin", Some(Admin)),
    ("node", Some(Node)),
    ("10.0.0.7", Some(Node)),
];

const ROLES: &str = "[roles]\nreader = \"reader\"\nmonitor = \"monitor\"\noperator = \"operator\"\nadmin = \"admin\"\n\
                     node = \"node\"\n\"10.0.*\" = \"node\"\n";

/// The secret of a principal.
pub(crate) fn secret(principal: &str) -> String {
    format!("secret-of-{principal}")
}

/// What a host must know of them, in Mesos's own form.
pub(crate) fn credentials(folder: &Path) -> PathBuf {
    let known: Vec<Value> =
        PRINCIPALS.iter().map(|(name, _)| json!({"principal": name, "secret": secret(name)})).collect();
    let path = folder.join("credentials.json");
    std::fs::write(&path, json!({ "credentials": known }).to_string()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

pub(crate) fn node_file(folder: &Path, extra: &str) -> PathBuf {
    let text = format!(
        "root = \"{0}/root\"\nrole = \"master\"\ngroup = \"masters\"\n\
         [mesos]\nip = \"127.0.0.1\"\nport = 1\nwork_dir = \"{0}/work\"\n{ROLES}{extra}",
        folder.display()
    );
    let path = folder.join("node.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Somebody who asks a host.
struct Caller {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    url: String,
}

impl Caller {
    fn new(url: String, ca: Option<&Path>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let redirects = reqwest::redirect::Policy::none();
        let mut builder = reqwest::Client::builder().no_proxy().redirect(redirects).timeout(Duration::from_secs(30));
        if let Some(ca) = ca {
            builder = builder.tls_certs_only([reqwest::Certificate::from_pem(&std::fs::read(ca).unwrap()).unwrap()]);
        }
        Self { runtime, client: builder.build().unwrap(), url }
    }

    fn ask(&self, method: &str, path: &str, who: Option<(&str, &str)>, body: Option<&Value>) -> (u16, String) {
        self.try_to_ask(method, path, who, body).unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    fn try_to_ask(
        &self,
        method: &str,
        path: &str,
        who: Option<(&str, &str)>,
        body: Option<&Value>,
    ) -> reqwest::Result<(u16, String)> {
        self.runtime.block_on(async {
            let mut request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.url));
            if let Some((principal, secret)) = who {
                request = request.basic_auth(principal, Some(secret));
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await?;
            Ok((response.status().as_u16(), response.text().await?))
        })
    }

    /// Whether the host and the table let a call pass; what the endpoint says then is another matter.
    fn passes(&self, route: &Route, who: Option<(&str, &str)>) -> bool {
        let path = route.path.replace("{id}", "x").replace("{command}", "pause");
        let (status, _) = self.ask(&format!("{:?}", route.verb).to_uppercase(), &path, who, None);
        !matches!(status, 401 | 403)
    }

    fn check_every_role(&self) {
        for route in ROUTES {
            for (name, role) in PRINCIPALS {
                let may = match (route.needs, role) {
                    (Needs::Nothing, _) => true,
                    (Needs::Role(_), None) => false,
                    // In their order, and `node` apart.
                    (Needs::Role(Node), Some(role)) => role == Node,
                    (Needs::Role(_), Some(Node)) => false,
                    (Needs::Role(needed), Some(role)) => rank(role) >= rank(needed),
                };
                assert_eq!(self.passes(route, Some((name, &secret(name)))), may, "{route:?} by {name}");
            }
            let is_open = route.needs == Needs::Nothing;
            assert_eq!(self.passes(route, None), is_open, "{route:?} by nobody");
            // Where nobody is asked for a name, a wrong one is no harm.
            assert!(is_open || !self.passes(route, Some(("admin", "guessed"))), "{route:?} with a guess");
        }
        self.check_pings();
        self.check_record();
    }

    /// A node speaks for its own host only.
    fn check_pings(&self) {
        let ping = |node: &str, attempt: &str| {
            json!({"protocol": 1, "node": node, "attempt": attempt, "sequence": 1, "state": "watching",
                   "detail": "", "time": "2026-11-22T15:10:02Z"})
        };
        for (principal, node, attempt, status, why) in [
            ("10.0.0.7", "10.0.0.7:5051", "d1-0-1", 404, "no-such-attempt"),
            ("10.0.0.7", "10.0.0.7:5051", "from the past", 404, "no-such-attempt"),
            ("10.0.0.7", "10.0.0.8:5051", "d1-0-1", 403, "not-your-node"),
            ("node", "10.0.0.7:5051", "d1-0-1", 403, "not-your-node"),
            ("operator", "10.0.0.7:5051", "d1-0-1", 403, "forbidden"),
        ] {
            let who = Some((principal, secret(principal)));
            let who = who.as_ref().map(|(name, secret)| (*name, secret.as_str()));
            let (answered, body) = self.ask("POST", "/deploy/status", who, Some(&ping(node, attempt)));
            assert!(answered == status && body.contains(why), "{principal} for {node}: {answered} {body}");
        }
    }

    /// Each change that was asked for is there, with who asked and what was answered, refused or not.
    fn check_record(&self) {
        let admin = secret("admin");
        let who = Some(("admin", admin.as_str()));
        let monitor = secret("monitor");
        let reason = json!({"reason": "a test of the record"});
        let (status, halt) = self.ask("POST", "/deploy/halt", Some(("monitor", &monitor)), Some(&reason));
        assert_eq!(status, 200, "{halt}");
        let halt: Value = serde_json::from_str(&halt).unwrap();
        assert_eq!(halt["by"], "monitor");
        let resume = json!({"halt_id": halt["id"], "note": "enough"});
        assert_eq!(self.ask("POST", "/deploy/resume", Some(("monitor", &monitor)), Some(&resume)).0, 403);
        assert_eq!(self.ask("POST", "/deploy/resume", who, Some(&resume)).0, 200);
        let (_, audit) = self.ask("GET", "/deploy/audit", who, None);
        let audit: Value = serde_json::from_str(&audit).unwrap();
        let entries = audit["entries"].as_array().unwrap();
        let last: Vec<(&str, &str, u64)> = entries[entries.len() - 3..]
            .iter()
            .map(|entry| {
                let word = |key: &str| entry[key].as_str().unwrap();
                (word("by"), word("path"), entry["status"].as_u64().unwrap())
            })
            .collect();
        let expected =
            [("monitor", "/deploy/halt", 200), ("monitor", "/deploy/resume", 403), ("admin", "/deploy/resume", 200)];
        assert_eq!(last, expected, "{audit}");
        assert!(entries.windows(2).all(|pair| pair[0]["number"].as_u64() < pair[1]["number"].as_u64()), "{audit}");
    }
}

const fn rank(role: ApiRole) -> u8 {
    match role {
        Node => 0,
        Reader => 1,
        Monitor => 2,
        Operator => 3,
        Admin => 4,
    }
}

/// A certificate of its own for this machine's address.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("node.pem"), folder.join("node.key"));
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=dcos-node", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .args([&key, Path::new("-out"), &certificate])
        .output()
        .unwrap_or_else(|error| panic!("can't run openssl ({error}): apt-get install openssl"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (certificate, key)
}

#[test]
fn each_role_may_do_what_the_table_says_over_tls_in_dcos_node() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let known = credentials(folder.path());
    let extra = format!("[server]\ncredentials = {known:?}\ncertificate = {certificate:?}\nkey = {key:?}\n");
    let node = node_file(folder.path(), &extra);
    let served = Served::start(&node, &[]);
    let url = &served.url;
    assert!(url.starts_with("https://"), "{url}");

    // Somebody who connects and says nothing keeps nobody waiting.
    let _silent = std::net::TcpStream::connect(url.trim_start_matches("https://")).unwrap();
    Caller::new(url.clone(), Some(&certificate)).check_every_role();

    // The operator's program calls by the same name and the same certificate.
    let file = folder.path().join("monitor");
    std::fs::write(&file, format!("monitor {}\n", secret("monitor"))).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let dcos = |arguments: &[&str]| {
        let environment = [
            ("DCOS_URL", OsStr::new(url)),
            ("DCOS_CREDENTIALS", file.as_os_str()),
            ("DCOS_CA", certificate.as_os_str()),
        ];
        crate::harness::program::run(Path::new(env!("CARGO_BIN_EXE_dcos")), arguments, &environment)
    };
    let halt = dcos(&["deploy", "halt", "the monitor says so", "--json"]).expect(0).json();
    let refused = dcos(&["deploy", "resume", halt["id"].as_str().unwrap()]).expect(3);
    assert!(refused.stderr.contains("the role `admin` is needed"), "{refused}");
    let audit = dcos(&["deploy", "audit"]).expect(0);
    assert!(audit.stdout.contains("the monitor says so"), "{audit}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(dcos(&["deploy", "status"]).expect(2).stderr.contains("can be read by everybody"));
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn each_role_may_do_what_the_table_says_in_a_real_master_that_authenticates() {
    let folder = tempfile::tempdir().unwrap();
    let mesos = authenticating(folder.path());
    Caller::new(format!("http://{}", mesos.address), None).check_every_role();
}

/// A real master that knows the principals and asks everybody for a name.
pub(crate) fn authenticating(folder: &Path) -> Mesos {
    let known = format!("file://{}", credentials(folder).display());
    let node = node_file(folder, "");
    let version = "1.11.0";
    let modules = our_modules(&built(version, "libdcos_bits.so"), &[("node", node.to_str().unwrap())]);
    let environment = [
        ("MESOS_AUTHENTICATE_HTTP_READONLY", "true"),
        ("MESOS_AUTHENTICATE_HTTP_READWRITE", "true"),
        ("MESOS_CREDENTIALS", known.as_str()),
    ];
    // `/version` lies in the read-only realm now, so somebody with a name asks for it.
    let mut mesos = Mesos::spawn(version, Role::Master, Some(&modules), &environment);
    mesos.address = mesos.wait_for_address();
    let caller = Caller::new(format!("http://{}", mesos.address), None);
    let reader = secret("reader");
    mesos.wait_until("our module answers", |_| {
        let answer = caller.try_to_ask("GET", "/deploy/halt", Some(("reader", &reader)), None);
        answer.is_ok_and(|(status, _)| status == 200).then_some(())
    });
    mesos
}
