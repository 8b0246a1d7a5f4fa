//! `set.json`, and the environment as a file that systemd and we read the same.

use std::path::PathBuf;

use dcos_core::PackageSet;
use dcos_core::ports::Generation;
use serde::{Deserialize, Serialize};

/// The name of the document within a generation, and of the environment.
pub(crate) const SET_FILE: &str = "set.json";
pub(crate) const ENVIRONMENT_FILE: &str = "environment";

/// The format that this release reads and writes.
pub(crate) const FORMAT: u32 = 1;

/// What a generation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetDocument {
    /// The file's format: [`FORMAT`].
    pub(crate) format: u32,
    pub(crate) generation: u64,
    pub(crate) set: PackageSet,
    pub(crate) mesos_version: String,
    /// The names of the modules that its configuration enables.
    pub(crate) modules: Vec<String>,
    /// What is started.
    pub(crate) program: PathBuf,
    /// Paths on Mesos's port that answer 200 when its modules work.
    pub(crate) health_paths: Vec<String>,
}

impl SetDocument {
    pub(crate) fn generation(&self) -> Generation {
        Generation {
            number: self.generation,
            set: self.set.clone(),
            mesos_version: self.mesos_version.clone(),
            modules: self.modules.clone(),
        }
    }
}

/// Writes an environment as `NAME=VALUE` lines.
///
/// systemd's `EnvironmentFile` takes values in double quotes with a backslash before `"`, `\`, `` ` `` and `$`, as a shell
/// does. Valid sets have no control characters in values.
pub(crate) fn write_environment(environment: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, value) in environment {
        text.push_str(name);
        text.push('=');
        if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-+./:,@%=".contains(&byte)) {
            text.push_str(value);
        } else {
            text.push('"');
            for character in value.chars() {
                if matches!(character, '"' | '\\' | '`' | '$') {
                    text.push('\\');
                }
                text.push(character);
            }
            text.push('"');
        }
        text.push('\n');
    }
    text
}

/// Reads what [`write_environment`] wrote; `None` for anything else.
pub(crate) fn read_environment(text: &str) -> Option<Vec<(String, String)>> {
    text.lines().map(read_line).collect()
}

fn read_line(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let Some(quoted) = value.strip_prefix('"') else {
        return (!value.contains(['"', '\\', ' '])).then(|| (name.to_owned(), value.to_owned()));
    };
    let mut characters = quoted.strip_suffix('"')?.chars();
    let mut plain = String::new();
    while let Some(character) = characters.next() {
        plain.push(if character == '\\' { characters.next()? } else { character });
    }
    Some((name.to_owned(), plain))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::{read_environment, write_environment};

    #[test]
    fn plain_values_are_written_plainly_and_others_as_a_shell_would_quote_them() {
        let environment = [("A", "cpus:1"), ("B", "cpus:1;mem:2"), ("C", r#"say "$x\`"#), ("D", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let text = write_environment(&environment);
        assert_eq!(text, "A=cpus:1\nB=\"cpus:1;mem:2\"\nC=\"say \\\"\\$x\\\\\\`\"\nD=\n");
        assert_eq!(read_environment(&text).unwrap(), environment);
        assert_eq!(read_environment("no equals sign"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec("\\PC*", 0..5)) {
            let environment: Vec<_> =
                values.into_iter().enumerate().map(|(place, value)| (format!("V{place}"), value)).collect();
            assert_eq!(read_environment(&write_environment(&environment)), Some(environment));
        }
    }
}
