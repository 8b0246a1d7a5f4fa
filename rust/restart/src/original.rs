//! The Mesos that a person started before us, as a generation that can be gone back to.
//!
//! `adopt` takes over a Mesos that runs, and must be able to put it back as it was: the same program with the same
//! arguments, environment and directory. So it writes these down, and from then on they count as *generation 0*, with an
//! empty set. Everything else is the ordinary attempt: adopting is a restart from generation 0 into a set, its rollback
//! starts the original command line, and `leave` is a restart from a set into generation 0.
//!
//! The store knows nothing of this and keeps it so: a generation of the store is complete and validated, and the original
//! is neither. [`WithOriginal`] stands in front of it, and for generation 0 `active` is no link at all.

use std::path::PathBuf;
use std::sync::Arc;

use dcos_core::attempt::AttemptState;
use dcos_core::ports::{Generation, Launch, NodeStore};
use dcos_core::validate::Report;
use dcos_core::{ExitCode, PackageSet, Problem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::records;

/// The document below `state/`.
pub const NAME: &str = "original.json";

/// The number of the generation that it counts as. The store's own begin at 1.
pub const GENERATION: u64 = 0;

/// The format that this release reads and writes.
pub const FORMAT: u32 = 1;

/// How a Mesos was started before us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Original {
    /// The document's format: [`FORMAT`].
    pub format: u32,
    /// Its program.
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// The directory that it was started in.
    pub directory: PathBuf,
    /// Its version.
    pub mesos_version: String,
    /// The set that it was adopted into.
    pub set: PackageSet,
    /// When it was adopted.
    pub adopted_at: Timestamp,
}

impl Original {
    /// The one that was adopted on this node, if any was.
    ///
    /// # Errors
    /// If the document can't be read, or is of another format.
    pub fn read(store: &dyn NodeStore) -> Result<Option<Self>, Problem> {
        let Some(original) = records::read::<Self>(store, NAME)? else { return Ok(None) };
        if original.format == FORMAT {
            return Ok(Some(original));
        }
        let detail = format!("`state/{NAME}` has format {}; this release reads format {FORMAT}", original.format);
        Err(Problem::new(ExitCode::Refused, "unreadable-state", detail))
    }

    /// Writes it down.
    ///
    /// # Errors
    /// As the store's.
    pub fn write(&self, store: &dyn NodeStore) -> Result<(), Problem> {
        records::write(store, NAME, self)
    }

    /// As a line for a shell.
    pub fn command_line(&self) -> String {
        command_line(&self.directory, &self.environment, &self.program, &self.arguments)
    }

    fn generation(&self) -> Generation {
        Generation {
            number: GENERATION,
            set: PackageSet::default(),
            mesos_version: self.mesos_version.clone(),
            modules: Vec::new(),
        }
    }

    fn launch(&self) -> Launch {
        Launch {
            generation: self.generation(),
            program: self.program.clone(),
            arguments: self.arguments.clone(),
            directory: Some(self.directory.clone()),
            environment: self.environment.clone(),
            // Modules of ours have one; there are none in it that we know.
            health_paths: Vec::new(),
        }
    }
}

/// How to start a program just so, as a line for a shell.
pub fn command_line(
    directory: &std::path::Path,
    environment: &[(String, String)],
    program: &std::path::Path,
    arguments: &[String],
) -> String {
    let mut words = vec![format!("cd {} && exec env -i", quoted(&directory.display().to_string()))];
    words.extend(environment.iter().map(|(name, value)| format!("{name}={}", quoted(value))));
    words.push(quoted(&program.display().to_string()));
    words.extend(arguments.iter().map(|argument| quoted(argument)));
    words.join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "%+,-./:=@_".contains(char);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A store in front of which the original stands, where there is one.
pub struct WithOriginal {
    inner: Arc<dyn NodeStore>,
    /// Takes `active` away.
    deactivate: Box<dyn Fn() -> Result<(), Problem> + Send + Sync>,
}

impl WithOriginal {
    /// In front of `inner`; `deactivate` leaves it without an active generation.
    pub fn new(
        inner: Arc<dyn NodeStore>,
        deactivate: impl Fn() -> Result<(), Problem> + Send + Sync + 'static,
    ) -> Self {
        Self { inner, deactivate: Box::new(deactivate) }
    }

    fn original(&self) -> Result<Original, Problem> {
        Original::read(self)?.ok_or_else(|| {
            Problem::new(
                ExitCode::NotFound,
                "no-original",
                "no Mesos was adopted on this node: there is nothing to go back to",
            )
        })
    }
}

impl NodeStore for WithOriginal {
    fn active(&self) -> Result<Option<Generation>, Problem> {
        match self.inner.active()? {
            Some(active) => Ok(Some(active)),
            None => Ok(Original::read(self)?.map(|original| original.generation())),
        }
    }

    fn validate(&self, set: &PackageSet) -> Result<Report, Problem> {
        // The empty set is never valid, save as the name of the original.
        if set.is_empty() && Original::read(self)?.is_some() {
            return Ok(Report { valid: true, ..Report::default() });
        }
        self.inner.validate(set)
    }

    fn stage(&self, set: &PackageSet) -> Result<Generation, Problem> {
        if set.is_empty() { Ok(self.original()?.generation()) } else { self.inner.stage(set) }
    }

    fn switch(&self, generation: u64) -> Result<(), Problem> {
        match generation {
            GENERATION => {
                self.original()?;
                (self.deactivate)()
            }
            number => self.inner.switch(number),
        }
    }

    fn launch(&self, generation: u64) -> Result<Launch, Problem> {
        match generation {
            GENERATION => Ok(self.original()?.launch()),
            number => self.inner.launch(number),
        }
    }

    fn record_outcome(&self, generation: u64, outcome: AttemptState, at: Timestamp) -> Result<(), Problem> {
        match generation {
            GENERATION => Ok(()),
            number => self.inner.record_outcome(number, outcome, at),
        }
    }

    fn rollback_target(&self, except: u64) -> Result<Option<Generation>, Problem> {
        self.inner.rollback_target(except)
    }

    fn read_state(&self, name: &str) -> Result<Option<Vec<u8>>, Problem> {
        self.inner.read_state(name)
    }

    fn write_state(&self, name: &str, bytes: &[u8]) -> Result<(), Problem> {
        self.inner.write_state(name, bytes)
    }

    fn remove_state(&self, name: &str) -> Result<(), Problem> {
        self.inner.remove_state(name)
    }

    fn list_state(&self, directory: &str) -> Result<Vec<String>, Problem> {
        self.inner.list_state(directory)
    }

    fn install_helper(&self, generation: u64) -> Result<PathBuf, Problem> {
        match generation {
            GENERATION => Err(Problem::new(ExitCode::NotFound, "no-helper", "the original Mesos brings no helper")),
            number => self.inner.install_helper(number),
        }
    }

    fn helper(&self) -> Result<Option<PathBuf>, Problem> {
        self.inner.helper()
    }

    fn collect_garbage(&self) -> Result<(), Problem> {
        self.inner.collect_garbage()
    }
}

#[cfg(test)]
mod tests {
    use super::command_line;
    use std::path::Path;

    #[test]
    fn a_command_line_survives_a_shell() {
        let environment = [("A".to_owned(), "b c".to_owned()), ("D".to_owned(), String::new())];
        let arguments = ["--work_dir=/w".to_owned(), "it's".to_owned(), "--attributes=a:b;c:d".to_owned()];
        assert_eq!(
            command_line(Path::new("/srv"), &environment, Path::new("/usr/sbin/mesos-agent"), &arguments),
            r"cd /srv && exec env -i A='b c' D='' /usr/sbin/mesos-agent --work_dir=/w 'it'\''s' '--attributes=a:b;c:d'"
        );
    }
}
