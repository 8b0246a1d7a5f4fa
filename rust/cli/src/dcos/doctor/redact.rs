//! Taking secrets out of texts that leave a machine.
//!
//! Three nets, one behind the other, since the texts are logs and configurations of others: the secrets that the node's own
//! files of credentials hold are taken out wherever they stand; so is the value of whatever is called a secret, a password,
//! a token; so are names and passwords in addresses, keys in PEM, and what follows `Basic` or `Bearer`. What is no secret may
//! be lost on the way. What none of the nets knows stays in: the bundle is to be looked through before it is sent.

use std::path::{Path, PathBuf};

use dcos_core::node::NodeConfig;

/// What stands in the place of a secret.
const GONE: &str = "[redacted]";

/// What is called one of these holds a secret, unless it names a file.
const SECRETS: [&str; 12] = [
    "secret",
    "password",
    "passwd",
    "passphrase",
    "token",
    "ticket",
    "credential",
    "access_key",
    "private_key",
    "api_key",
    "authorization",
    "cookie",
];

/// Shorter words than this are not taken out wherever they stand: they would take half of the text along.
const SHORTEST: usize = 4;

/// Takes secrets out of texts.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    /// Secrets that are known word by word, longest first.
    known: Vec<String>,
}

impl Redactor {
    /// One that knows the secrets in the files that `config` names. A file that can't be read has told nobody anything.
    pub(super) fn of(config: &NodeConfig) -> Self {
        let mut known: Vec<String> = files(config)
            .iter()
            .filter_map(|file| std::fs::read_to_string(file).ok())
            .flat_map(|text| words(&text))
            .collect();
        known.sort_by_key(|word| std::cmp::Reverse(word.len()));
        known.dedup();
        Self { known }
    }

    /// `text` without secrets.
    pub(super) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for word in &self.known {
            text = text.replace(word.as_str(), GONE);
        }
        let mut clean = String::with_capacity(text.len());
        let mut in_key = false;
        for line in text.split_inclusive('\n') {
            in_key |= line.contains("-----BEGIN") && line.contains("PRIVATE KEY");
            if in_key {
                in_key = !line.contains("-----END");
                clean.push_str(if in_key { "" } else { "[redacted private key]\n" });
                continue;
            }
            clean.push_str(&values(&addresses(line)));
        }
        clean
    }
}

/// The files with secrets that a node file names.
fn files(config: &NodeConfig) -> Vec<PathBuf> {
    let mesos = config.mesos.credential.iter().map(|url| Path::new(url.trim_start_matches("file://")).to_owned());
    let repositories = [&config.repositories.release, &config.repositories.site];
    let repositories = repositories.into_iter().flatten().filter_map(|facts| facts.credentials.clone());
    let deploy = [&config.deploy.credentials, &config.deploy.join_credentials, &config.deploy.join_mesos_credentials];
    let others = deploy.into_iter().chain([&config.server.credentials, &config.server.key]);
    let provision = config.provision.iter().filter_map(|facts| facts.mesos_credentials.clone());
    mesos.chain(provision).chain(repositories).chain(others.flatten().cloned()).collect()
}

/// What may be a secret in a file of credentials: every string of its JSON that is a `secret`, or the last word of each line
/// and what stands behind a colon.
fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => gather(&value, &mut found),
        Err(_) => {
            for line in text.lines() {
                found.extend(line.split_whitespace().nth(1).map(str::to_owned));
                found.extend(line.split_once(':').map(|(_, secret)| secret.trim().to_owned()));
                // A line of a key in PEM.
                found.extend((line.len() > 40).then(|| line.trim().to_owned()));
            }
        }
    }
    found.retain(|word| word.len() >= SHORTEST);
    found
}

fn gather(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    serde_json::Value::String(text) if is_secret(key) => found.push(text.clone()),
                    other => gather(other, found),
                }
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| gather(value, found)),
        _ => {}
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    SECRETS.iter().any(|secret| name.contains(secret))
}

/// A line without the names and passwords in its addresses: `http://alice:word@host` and `zk://…` alike.
fn addresses(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let end = after.find(|char: char| char.is_whitespace() || "/\"'<>`".contains(char)).unwrap_or(after.len());
        let (authority, behind) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => clean.push_str(&format!("{GONE}@{host}")),
            None => clean.push_str(authority),
        }
        rest = behind;
    }
    clean + rest
}

/// A line without the values of what is called a secret: `secret = "…"`, `"token": "…"`, `--password=…`, `Basic …`.
fn values(line: &str) -> String {
    // What follows a scheme of authentication first: the scheme itself would be taken for the value of `authorization`.
    let mut clean = line.to_owned();
    for find in [after_scheme, after_name] {
        let mut from = 0;
        while let Some((start, end)) = find(&clean, from) {
            clean.replace_range(start..end, GONE);
            from = start + GONE.len();
        }
    }
    clean
}

/// Where the word after `Basic` or `Bearer` stands, from `from`.
fn after_scheme(line: &str, from: usize) -> Option<(usize, usize)> {
    let scheme = ["Basic ", "Bearer ", "basic ", "bearer "]
        .iter()
        .filter_map(|scheme| Some(from + line.get(from..)?.find(scheme)? + scheme.len()));
    let start = scheme.min()?;
    let end = line[start..].find(|char: char| char.is_whitespace() || "\"'`,;".contains(char));
    Some((start, end.map_or(line.len(), |at| start + at)))
}

/// Where the next value of something that is called a secret stands, without its quotes, from `from`.
fn after_name(line: &str, mut from: usize) -> Option<(usize, usize)> {
    while let Some((name, behind)) = next_word(line, from) {
        from = behind;
        // Between a name and its value: quotes, blanks, and what assigns.
        let gap: usize = line[behind..].find(|char: char| !" \t\"'\\=:".contains(char)).unwrap_or(0);
        let between = &line[behind..behind + gap];
        if !is_secret(&line[name..behind]) || !between.contains(['=', ':']) {
            continue;
        }
        let start = behind + gap;
        let quoted = between.ends_with(['"', '\'']);
        let ends = |char: char| match quoted {
            true => "\"'\\\n".contains(char),
            false => char.is_whitespace() || ",;}])\"'".contains(char),
        };
        let end = line[start..].find(ends).map_or(line.len(), |at| start + at);
        let value = &line[start..end];
        // What is secret there is the file's content, which is not packed; the name of the file helps.
        let is_file = value.starts_with('/') || value.starts_with("file:");
        let is_empty = matches!(value, "" | "true" | "false" | "null" | "{" | "[" | "Basic" | "Bearer");
        if !is_file && !is_empty && !value.starts_with(GONE) {
            return Some((start, end));
        }
        from = start;
    }
    None
}

/// The next word that can be a name, from `from`.
fn next_word(line: &str, from: usize) -> Option<(usize, usize)> {
    let is_part = |char: char| char.is_alphanumeric() || "_-.".contains(char);
    let start = from + line.get(from..)?.find(is_part)?;
    let end = line[start..].find(|char| !is_part(char)).map_or(line.len(), |at| start + at);
    Some((start, end))
}

#[cfg(test)]
mod tests {
    use super::Redactor;

    #[test]
    fn secrets_go_and_what_helps_stays() {
        let redactor = Redactor { known: vec!["hunter22".to_owned()] };
        for (text, clean) in [
            ("it said hunter22 aloud", "it said [redacted] aloud"),
            ("secret = \"open sesame\"", "secret = \"[redacted]\""),
            (
                "{\"principal\": \"a\", \"secret\": \"s\", \"x\": 1}",
                "{\"principal\": \"a\", \"secret\": \"[redacted]\", \"x\": 1}",
            ),
            ("MESOS_PASSWORD=abc NEXT=1", "MESOS_PASSWORD=[redacted] NEXT=1"),
            ("AWS_SECRET_ACCESS_KEY='abc/def+g'", "AWS_SECRET_ACCESS_KEY='[redacted]'"),
            ("--auth-token=xyz --port=5051", "--auth-token=[redacted] --port=5051"),
            ("\"ticket\":\"t1\",\"token\":\"t2\"", "\"ticket\":\"[redacted]\",\"token\":\"[redacted]\""),
            ("Authorization: Basic YTpi", "Authorization: Basic [redacted]"),
            ("sent `Bearer abc.def` there", "sent `Bearer [redacted]` there"),
            ("url = \"http://alice:word@10.0.0.1/x\"", "url = \"http://[redacted]@10.0.0.1/x\""),
            ("zk://u:p@a:2181,b:2181/mesos", "zk://[redacted]@a:2181,b:2181/mesos"),
            ("credential = \"file:///etc/mesos/credential\"", "credential = \"file:///etc/mesos/credential\""),
            ("credentials = \"/etc/dcos/prod\"", "credentials = \"/etc/dcos/prod\""),
            (
                "I1122 slave.cpp:1] Agent registered: 10.0.0.7:5051",
                "I1122 slave.cpp:1] Agent registered: 10.0.0.7:5051",
            ),
        ] {
            assert_eq!(redactor.text(text), clean);
        }
        let pem = "a\n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nb\n";
        assert_eq!(redactor.text(pem), "a\n[redacted private key]\nb\n");
    }
}
