//! An nginx of a test's own: its own folder, its own port, ended with the test.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::{free_ports, until};

/// What a server is like.
#[derive(Clone, Debug, Default)]
pub(super) struct Site {
    /// Directives for every file, such as `limit_rate 100k;`.
    pub(super) all: String,
    /// Directives for the archives.
    pub(super) archives: String,
    /// Whether it speaks TLS, by a certificate of [`Nginx::authority`].
    pub(super) tls: bool,
}

/// An nginx that serves a folder.
pub(super) struct Nginx {
    folder: tempfile::TempDir,
    served: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Nginx {
    pub(super) fn start(served: &Path, site: &Site) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut nginx = Self { folder, served: served.to_owned(), port: free_ports(1)[0], child: None };
        if site.tls {
            nginx.make_certificates();
        }
        nginx.run(site);
        nginx
    }

    /// Ends it at once, with whatever connections it has.
    pub(super) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = child.wait();
        }
    }

    /// Ends it and starts it on the same port, another one than it was.
    pub(super) fn restart(&mut self, site: &Site) {
        self.stop();
        self.run(site);
    }

    pub(super) fn url(&self) -> String {
        let scheme = if self.path("server.pem").exists() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/", self.port)
    }

    /// The certificate of the authority that its own is by.
    pub(super) fn authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// What it was asked for and how it answered: a line each of status, bytes sent, range and path. Forgotten then.
    pub(super) fn log(&self) -> Vec<String> {
        let path = self.path("access.log");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // It is open for appending, so what is cut off stays so.
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&mut self, site: &Site) {
        std::fs::write(self.path("nginx.conf"), self.configuration(site)).unwrap();
        let child = Command::new("nginx")
            .arg("-p")
            .arg(self.folder.path())
            .arg("-c")
            .arg(self.path("nginx.conf"))
            .args(["-e", "stderr"])
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(self.path("stderr")).unwrap())
            .spawn();
        self.child =
            Some(child.unwrap_or_else(|error| panic!("can't start nginx ({error}): run `scripts/setup test`")));
        let port = self.port;
        until("nginx listens", 10, || TcpStream::connect(("127.0.0.1", port)).ok().map(drop));
    }

    fn configuration(&self, site: &Site) -> String {
        let Site { all, archives, tls } = site;
        let (port, served) = (self.port, self.served.display());
        let tls = match tls {
            true => "ssl_certificate server.pem; ssl_certificate_key server.key;",
            false => "",
        };
        let listen = if tls.is_empty() { format!("127.0.0.1:{port}") } else { format!("127.0.0.1:{port} ssl") };
        // Tests' folders are their owner's only. Otherwise it is as docs/repository says.
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        format!(
            "{user} daemon off; worker_processes 1; pid nginx.pid; error_log stderr; events {{}}
             http {{
               log_format short '$status $body_bytes_sent $http_range $uri';
               access_log access.log short;
               client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
               types {{}} default_type application/octet-stream;
               server {{
                 listen {listen}; {tls}
                 root {served};
                 location ~ /\\. {{ return 404; }}
                 location / {{ {all} }}
                 location ~ \\.tar\\. {{ {all} {archives} }}
               }}
             }}
"
        )
    }

    /// An authority, and a certificate of it for this machine's loopback.
    fn make_certificates(&self) {
        let config = "[req]\ndistinguished_name = name\n[name]\n\
            [ca]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = keyCertSign\n\
            [server]\nbasicConstraints = critical,CA:FALSE\nsubjectAltName = IP:127.0.0.1\n";
        std::fs::write(self.path("openssl.cnf"), config).unwrap();
        let make = |name: &str, part: &str, more: &[&str]| {
            let output = Command::new("openssl")
                .current_dir(self.folder.path())
                .args(["req", "-x509", "-config", "openssl.cnf", "-extensions", part, "-days", "2", "-nodes"])
                .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", &format!("/CN={name}")])
                .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")])
                .args(more)
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        make("ca", "ca", &[]);
        make("stranger", "ca", &[]);
        make("server", "server", &["-CA", "ca.pem", "-CAkey", "ca.key"]);
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.stop();
    }
}
