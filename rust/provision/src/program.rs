//! A provider that is a program: started for each call, one request in, one answer out, killed when it takes too long.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::provider::{Answer, Call, Failure, Launch, LaunchError, Launched, PROTOCOL, Provider, Reason, Request};
use crate::world::Machine;

/// How long a call may take. Clouds answer within seconds, and their SDKs try again for about a minute.
const DEADLINE: Duration = Duration::from_secs(120);

/// How much of what a program complains about is shown.
const COMPLAINT: usize = 2_000;

/// A program that makes machines.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    cluster: String,
    settings: serde_json::Value,
    classes: std::collections::BTreeMap<String, serde_json::Value>,
}

impl Program {
    /// The provider of a configuration. A bare name is looked for in `beside`, then on the `PATH`.
    ///
    /// # Errors
    /// If a table of settings has something that JSON has not.
    pub fn new(config: &crate::config::Config, beside: Option<&std::path::Path>) -> Result<Self, serde_json::Error> {
        let program = &config.provider.program;
        let is_bare = program.components().count() == 1;
        let path = beside
            .filter(|_| is_bare)
            .map(|directory| directory.join(program))
            .filter(|path| path.is_file())
            .unwrap_or_else(|| program.clone());
        let classes = config.classes.iter();
        let classes = classes.map(|(name, class)| Ok((name.clone(), serde_json::to_value(&class.settings)?)));
        Ok(Self {
            path,
            cluster: config.cluster.clone(),
            settings: serde_json::to_value(&config.provider.settings)?,
            classes: classes.collect::<Result<_, serde_json::Error>>()?,
        })
    }

    async fn call(&self, call: Call) -> Result<Answer, Failure> {
        let request =
            Request { protocol: PROTOCOL, cluster: self.cluster.clone(), settings: self.settings.clone(), call };
        let name = self.path.display();
        let input = serde_json::to_vec(&request).map_err(|error| Failure::unknown(error.to_string()))?;
        let mut child = Command::new(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Whatever Mesos was started with is none of its business: above all not our own libraries.
            .env_clear()
            .envs(inherited())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure {
                // It was not started, so nothing was done.
                reason: Reason::Invalid,
                detail: format!("the provider's program `{name}` can't be started: {error}"),
            })?;
        let stdin = child.stdin.take();
        let talk = async move {
            if let Some(mut stdin) = stdin {
                // A program that ends without reading says why on its other streams.
                stdin.write_all(&input).await.ok();
            }
            child.wait_with_output().await
        };
        let output = tokio::time::timeout(DEADLINE, talk)
            .await
            .map_err(|_| Failure::unknown(format!("`{name}` did not answer within {} s", DEADLINE.as_secs())))?
            .map_err(|error| Failure::unknown(format!("`{name}` can't be heard: {error}")))?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            let start = complaint.len().saturating_sub(COMPLAINT);
            let tail: String = complaint.char_indices().filter(|(at, _)| *at >= start).map(|(_, char)| char).collect();
            Failure::unknown(format!("`{name}` ended with {} and no answer: {}", output.status, tail.trim()))
        })
    }

    fn check_of(&self, class: &str) -> Call {
        let wanted = self.classes.iter().filter(|(name, _)| *name == class);
        Call::Check { classes: wanted.map(|(name, settings)| (name.clone(), settings.clone())).collect() }
    }

    fn misplaced(&self) -> Failure {
        Failure::unknown(format!("`{}` answered something else than it was asked", self.path.display()))
    }
}

/// What a provider may see of our environment: how to find programs and credentials, and how to reach the world.
fn inherited() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        matches!(&*name, "PATH" | "HOME" | "LANG" | "TMPDIR" | "HTTPS_PROXY" | "HTTP_PROXY" | "NO_PROXY")
            || name.starts_with("AWS_")
            || name.starts_with("DCOS_PROVIDER_")
    })
}

#[async_trait]
impl Provider for Program {
    async fn check(&self, class: &str) -> Result<(), Failure> {
        match self.call(self.check_of(class)).await? {
            Answer::Checked => Ok(()),
            Answer::Failed(failure) => Err(failure),
            Answer::Launched(_) | Answer::Machines(_) | Answer::Terminated => Err(self.misplaced()),
        }
    }

    async fn launch(&self, launch: Launch) -> Result<Launched, LaunchError> {
        match self.call(Call::Launch(Box::new(launch))).await? {
            Answer::Launched(launched) => Ok(launched),
            Answer::Failed(failure) => Err(failure.into()),
            Answer::Checked | Answer::Machines(_) | Answer::Terminated => Err(self.misplaced().into()),
        }
    }

    async fn list(&self) -> Result<Vec<Machine>, Failure> {
        match self.call(Call::List).await? {
            Answer::Machines(machines) => Ok(machines),
            Answer::Failed(failure) => Err(failure),
            Answer::Checked | Answer::Launched(_) | Answer::Terminated => Err(self.misplaced()),
        }
    }

    async fn terminate(&self, machine: &str) -> Result<(), Failure> {
        match self.call(Call::Terminate { machine: machine.to_owned() }).await? {
            Answer::Terminated => Ok(()),
            Answer::Failed(failure) => Err(failure),
            Answer::Checked | Answer::Launched(_) | Answer::Machines(_) => Err(self.misplaced()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::Program;
    use crate::config::{Config, tests::SMALLEST};
    use crate::provider::Call;

    #[test]
    fn a_class_is_checked_alone() {
        let two = format!("{SMALLEST}\n[classes.large]\ngroup = \"agents\"\nsettings = {{ image = \"ami-1\" }}\n");
        let program = Program::new(&Config::parse(&two).unwrap(), None).unwrap();
        let Call::Check { classes } = program.check_of("large") else { unreachable!("it checks") };
        assert_eq!(serde_json::to_value(classes).unwrap(), serde_json::json!({"large": {"image": "ami-1"}}));
    }
}
