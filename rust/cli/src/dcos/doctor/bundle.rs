//! What whoever helps wants to see of a machine, as one archive: what the doctor found, the journal, the outbox, the history
//! of attempts, the ends of the logs, and the configuration. Files are named one by one; nothing is packed because it lies
//! there. Keys, credentials and the state of deployments, which has join tokens in it, are not among them, and every text goes
//! through [`redact`](super::redact).

use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use dcos_core::{ExitCode, Problem};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::redact::Redactor;
use super::{Finding, machine};

/// How much of each file is packed, from its end, in bytes.
const LAST: u64 = 512 * 1024;

/// How many files of a folder are packed, the newest by name.
const MOST: usize = 100;

/// Documents below `root`, and folders of which every document of that ending is packed.
const DOCUMENTS: [&str; 4] = ["state/journal.json", "state/failed-sets.json", "state/mesos.json", "state/term.json"];
const FOLDERS: [(&str, &str); 5] = [
    ("state/attempts", ".json"),
    ("state/outbox", ".json"),
    ("state/jobs", ".json"),
    ("state/history", ".json"),
    ("state/log", ".log"),
];

/// What is packed of the active generation.
const GENERATION: [&str; 4] =
    ["active/set.json", "active/environment", "active/modules.json", "active/etc/config.json"];

/// Packs the machine of that node file into `bundle`; answers how many files are in it.
///
/// # Errors
/// If the archive can't be written, or is there already.
pub(super) fn pack(node: &Path, bundle: &Path, findings: &[Finding]) -> Result<usize, Problem> {
    let failed = |why: std::io::Error| {
        let detail = format!("can't write the bundle `{}`: {why}", bundle.display());
        Problem::new(ExitCode::Conflict, "not-written", detail)
            .hint("name a file that is not there yet, where you may write")
    };
    let (redactor, root) = match machine::read(node) {
        Ok(config) => (Redactor::of(&config), config.root),
        // What can't be read may still be packed: the nets that need no configuration hold.
        Err(_) => (Redactor::default(), PathBuf::from(dcos_core::node::DEFAULT_ROOT)),
    };
    // For the eyes of whoever packs it.
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(bundle).map_err(failed)?;
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    let mut packed = 0;
    let found = serde_json::to_string_pretty(findings).unwrap_or_default();
    let versions = format!("dcos {}\n", env!("CARGO_PKG_VERSION"));
    for (name, text) in [("doctor.json", found), ("version", versions)] {
        add(&mut archive, name, &redactor.text(&text)).map_err(failed)?;
        packed += 1;
    }
    let mut files = vec![("node.toml".to_owned(), node.to_owned())];
    files.extend(DOCUMENTS.iter().chain(&GENERATION).map(|name| ((*name).to_owned(), root.join(name))));
    for (folder, ending) in FOLDERS {
        files.extend(newest(&root, folder, ending));
    }
    for (name, path) in files {
        // What is not there is not packed; what can't be read is told.
        let text = match end_of(&path) {
            Ok(text) => redactor.text(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => format!("can't be read: {error}\n"),
        };
        add(&mut archive, &name, &text).map_err(failed)?;
        packed += 1;
    }
    let file = archive.into_inner().and_then(GzEncoder::finish).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(packed)
}

/// The documents of a folder, at most [`MOST`], with their names in the archive.
fn newest(root: &Path, folder: &str, ending: &str) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.contains(ending));
    names.sort();
    let skipped = names.len().saturating_sub(MOST);
    names.into_iter().skip(skipped).map(|name| (format!("{folder}/{name}"), root.join(folder).join(name))).collect()
}

/// The end of a file, from the beginning of a line.
fn end_of(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    if length > LAST {
        file.seek(SeekFrom::Start(length - LAST))?;
    }
    file.take(LAST).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(match text.split_once('\n') {
        Some((_, rest)) if length > LAST => format!("[the first {} bytes are left out]\n{rest}", length - LAST),
        _ => text,
    })
}

fn add<W: std::io::Write>(archive: &mut tar::Builder<W>, name: &str, text: &str) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o600);
    header.set_cksum();
    archive.append_data(&mut header, Path::new("dcos-bundle").join(name), text.as_bytes())
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and writes where it likes"
)]
mod tests {
    use std::io::Read as _;

    use super::pack;

    const PLANTED: [&str; 9] = [
        "planted-controller",
        "planted-repository",
        "planted-mesos",
        "planted-server",
        "planted-address",
        "planted-journal",
        "planted-log",
        "planted-environment",
        "cGxhbnRlZC1rZXk",
    ];

    #[test]
    fn no_planted_secret_gets_into_a_bundle() {
        let machine = tempfile::tempdir().unwrap();
        let at = |name: &str| machine.path().join(name);
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            std::fs::write(at(name), text).unwrap();
        };
        let root = machine.path().join("root");
        write("deploy.credentials", "controller planted-controller\n");
        write("repository.json", r#"{"principal": "p", "secret": "planted-repository"}"#);
        write("mesos.credential", r#"{"principal": "p", "secret": "planted-mesos"}"#);
        write("server.json", r#"{"credentials": [{"principal": "p", "secret": "planted-server"}]}"#);
        write(
            "node.toml",
            &format!(
                "root = \"{root}\"\nrole = \"agent\"\ngroup = \"agents\"\n[mesos]\nip = \"127.0.0.1\"\nport = 1\n\
                 master = \"127.0.0.1:2\"\nwork_dir = \"{root}/w\"\nruntime_dir = \"{root}/r\"\n\
                 credential = \"file://{home}/mesos.credential\"\n\
                 [repositories.release]\nurl = \"http://alice:planted-address@10.0.0.1/\"\n\
                 credentials = \"{home}/repository.json\"\n\
                 [deploy]\nmasters = [\"http://127.0.0.1:2\"]\ncredentials = \"{home}/deploy.credentials\"\n\
                 [server]\ncredentials = \"{home}/server.json\"\n",
                root = root.display(),
                home = machine.path().display()
            ),
        );
        write("root/state/journal.json", r#"{"format": 1, "attempt": "d7-1-1", "ticket": "planted-journal"}"#);
        write(
            "root/state/log/mesos.log",
            "Flags: --password=planted-log\nthe controller said planted-controller\nplanted-mesos\n\
             -----BEGIN RSA PRIVATE KEY-----\ncGxhbnRlZC1rZXk\n-----END RSA PRIVATE KEY-----\nits port is taken\n",
        );
        write("root/state/outbox/7.json", r#"{"sequence": 7, "detail": "got planted-repository and planted-server"}"#);
        write("root/active/environment", "MESOS_API_TOKEN='planted-environment'\nMESOS_PORT='5051'\n");
        write("root/state/deploy/log", "planted-log");
        let bundle = at("out.tar.gz");
        let packed = pack(&at("node.toml"), &bundle, &[]).unwrap();
        assert_eq!(packed, 7);

        let mut all = String::new();
        let mut names = Vec::new();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(&bundle).unwrap()));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            names.push(entry.path().unwrap().display().to_string());
            entry.read_to_string(&mut all).unwrap();
        }
        for secret in PLANTED {
            assert!(!all.contains(secret), "`{secret}` got out:\n{all}");
        }
        // What helps is there all the same.
        for word in ["its port is taken", "d7-1-1", "MESOS_PORT='5051'", "@10.0.0.1/", "deploy.credentials"] {
            assert!(all.contains(word), "`{word}` is missing:\n{all}");
        }
        assert!(names.contains(&"dcos-bundle/state/log/mesos.log".to_owned()), "{names:?}");
        assert!(!names.iter().any(|name| name.contains("state/deploy")), "{names:?}");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&bundle).unwrap()) & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(pack(&at("node.toml"), &bundle, &[]).unwrap_err().name(), "not-written");
    }
}
