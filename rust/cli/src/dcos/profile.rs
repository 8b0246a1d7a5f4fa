//! The clusters that an operator works with, by name: `config.toml` in `dcos` of the user's configuration directory.
//!
//! A profile is taken whole or not at all. Credentials that were given for one cluster are never shown to another because
//! somebody typed an address: `--url` without `--profile` uses nothing of the profile in use.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use dcos_core::{ExitCode, Problem};
use serde::{Deserialize, Serialize};

use super::args::ProfileCommand;
use crate::client::Client;
use crate::output::{Format, table};

/// The file below the configuration directory.
const FILE: &str = "dcos/config.toml";

/// The file of profiles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profiles {
    /// The one that is used where no other is named.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    used: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// A cluster, and who one is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// Any of its masters.
    pub(super) url: String,
    /// A file with principal and secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) credentials: Option<PathBuf>,
    /// The principal, where the secret is in no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) principal: Option<String>,
    /// The certificate authority of its masters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ca: Option<PathBuf>,
}

/// A profile as `dcos profile list --json` prints it.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    used: bool,
    #[serde(flatten)]
    profile: &'a Profile,
}

/// Runs one of the commands; `given` is what the command line says of a cluster.
pub(super) fn run(format: Format, command: ProfileCommand, given: Given) -> Result<ExitCode, Problem> {
    let path = path()?;
    let mut known = Profiles::read(&path)?;
    let said = match command {
        ProfileCommand::List => {
            let listed: Vec<Listed<'_>> = known.listed().collect();
            format.print(&listed, |listed| rows(listed, &path));
            return Ok(ExitCode::Done);
        }
        ProfileCommand::Path => {
            format.print(&path, |path| path.display().to_string());
            return Ok(ExitCode::Done);
        }
        ProfileCommand::Add { name, replace } => {
            let said = known.add(&name, given.profile()?, replace)?;
            known.write(&path)?;
            said
        }
        ProfileCommand::Use { name } => {
            known.find(&name)?;
            known.used = Some(name.clone());
            known.write(&path)?;
            format!("`{name}` is used from now on")
        }
        ProfileCommand::Remove { name } => {
            known.find(&name)?;
            known.profiles.remove(&name);
            let used = known.used.as_deref() == Some(name.as_str());
            known.used = known.used.filter(|_| !used);
            known.write(&path)?;
            let left = if used { "; no profile is in use now" } else { "" };
            format!("`{name}` is forgotten{left}")
        }
    };
    let listed: Vec<Listed<'_>> = known.listed().collect();
    format.print(&listed, |_| said);
    Ok(ExitCode::Done)
}

fn rows(listed: &[Listed<'_>], path: &Path) -> String {
    if listed.is_empty() {
        return format!(
            "no profiles in `{}`\nhint: `dcos profile add NAME --url http://HOST:PORT` adds one",
            path.display()
        );
    }
    let row = |each: &Listed<'_>| {
        let who = match (&each.profile.credentials, &each.profile.principal) {
            (Some(file), _) => file.display().to_string(),
            (None, Some(principal)) => principal.clone(),
            (None, None) => "nobody".to_owned(),
        };
        let mark = if each.used { "*" } else { "" };
        vec![mark.to_owned(), each.name.to_owned(), each.profile.url.clone(), who]
    };
    table(&["USED", "NAME", "URL", "WHO"], &listed.iter().map(row).collect::<Vec<_>>())
}

/// What the command line says of a cluster, environment variables included.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    pub(super) url: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) credentials: Option<PathBuf>,
    pub(super) principal: Option<String>,
    pub(super) ca: Option<PathBuf>,
}

impl Given {
    /// All of it as a profile.
    fn profile(self) -> Result<Profile, Problem> {
        let url = self.url.ok_or_else(|| {
            Problem::new(ExitCode::Usage, "no-url", "a profile needs the address of a master")
                .hint("say `--url http://HOST:PORT`")
        })?;
        // Refused now rather than by the first command that uses it.
        Client::new(&url)?;
        // Whole, since the next command may be typed in another directory.
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Ok(Profile {
            url,
            credentials: self.credentials.map(absolute),
            principal: self.principal,
            ca: self.ca.map(absolute),
        })
    }

    /// The cluster that is meant, if any is: the address that is named, else the profile that is named, else the one in use.
    ///
    /// # Errors
    /// If the profile does not exist, or an address and the profile of another are named.
    pub(super) fn resolve(self) -> Result<Option<Profile>, Problem> {
        if self.url.is_some() && self.profile.is_none() {
            return self.profile().map(Some);
        }
        let path = path()?;
        let known = Profiles::read(&path)?;
        let name = match self.profile.as_ref().or(known.used.as_ref()) {
            Some(name) => name.clone(),
            None => return Ok(None),
        };
        let profile = known.find(&name)?.clone();
        if let Some(url) = self.url.filter(|url| *url != profile.url) {
            let detail = format!("two clusters are named: `{url}`, and profile `{name}` is `{}`", profile.url);
            return Err(Problem::new(ExitCode::Usage, "two-clusters", detail)
                .hint("leave out `--url` or `--profile`; `DCOS_URL` and `DCOS_PROFILE` count too"));
        }
        let named = self.credentials.is_some() || self.principal.is_some();
        Ok(Some(Profile {
            credentials: if named { self.credentials } else { profile.credentials },
            principal: if named { self.principal } else { profile.principal },
            ca: self.ca.or(profile.ca),
            url: profile.url,
        }))
    }
}

impl Profiles {
    fn read(path: &Path) -> Result<Self, Problem> {
        let unusable = |why: String| {
            let detail = format!("can't read the profiles in `{}`: {why}", path.display());
            Problem::new(ExitCode::Usage, "bad-profiles", detail)
                .hint("mend the file or move it away; `dcos profile add` makes a new one")
        };
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map_err(|error| unusable(error.to_string().trim_end().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(unusable(error.to_string())),
        }
    }

    fn write(&self, path: &Path) -> Result<(), Problem> {
        let failed = |why: String| {
            let detail = format!("can't write the profiles to `{}`: {why}", path.display());
            Problem::new(ExitCode::Unexpected, "unwritable", detail)
                .hint("`XDG_CONFIG_HOME` names another directory for them")
        };
        let text = toml::to_string(self).map_err(|error| failed(error.to_string()))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
        // Whole or not at all; the file is readable by its owner only, as temporary files are.
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(|error| failed(error.to_string()))?;
        file.write_all(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
        file.persist(path).map_err(|error| failed(error.to_string()))?;
        Ok(())
    }

    fn listed(&self) -> impl Iterator<Item = Listed<'_>> {
        let used = self.used.as_deref();
        self.profiles.iter().map(move |(name, profile)| Listed { name, used: used == Some(name), profile })
    }

    fn find(&self, name: &str) -> Result<&Profile, Problem> {
        self.profiles.get(name).ok_or_else(|| {
            let known = self.profiles.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let hint = match known.as_str() {
                "" => "there is none yet: `dcos profile add NAME --url http://HOST:PORT`".to_owned(),
                known => format!("there are {known}; `dcos profile add {name} --url http://HOST:PORT` adds it"),
            };
            Problem::new(ExitCode::NotFound, "no-such-profile", format!("there is no profile `{name}`")).hint(hint)
        })
    }

    fn add(&mut self, name: &str, profile: Profile, replace: bool) -> Result<String, Problem> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            let detail = format!("`{name}` can't name a profile: letters, digits and `._-` are needed");
            return Err(Problem::new(ExitCode::Usage, "bad-profile-name", detail).hint("such as `prod` or `lab-2`"));
        }
        if self.profiles.contains_key(name) && !replace {
            return Err(Problem::new(ExitCode::Conflict, "profile-exists", format!("there is a profile `{name}`"))
                .hint("`--replace` puts this one in its place"));
        }
        let said = format!("`{name}` is {}", profile.url);
        self.profiles.insert(name.to_owned(), profile);
        let first = self.used.is_none();
        self.used.get_or_insert_with(|| name.to_owned());
        Ok(if first { format!("{said}, and used from now on") } else { said })
    }
}

fn path() -> Result<PathBuf, Problem> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let base = base.or_else(|| set("HOME").map(|home| home.join(".config")));
    // Without a home there are no profiles; nothing that names its cluster fails of it.
    Ok(base.unwrap_or_else(|| PathBuf::from("/nonexistent")).join(FILE))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Profile, Profiles};

    fn profile(url: &str) -> Profile {
        Profile { url: url.to_owned(), ..Profile::default() }
    }

    #[test]
    fn the_first_is_used_and_names_are_kept_apart() {
        let mut known = Profiles::default();
        known.add("lab", profile("http://a:5050"), false).unwrap();
        known.add("prod", profile("http://b:5050"), false).unwrap();
        assert_eq!(known.used.as_deref(), Some("lab"));
        assert_eq!(known.add("lab", profile("http://c:5050"), false).unwrap_err().name(), "profile-exists");
        assert_eq!(known.find("lab").unwrap().url, "http://a:5050");
        known.add("lab", profile("http://c:5050"), true).unwrap();
        assert_eq!(known.find("lab").unwrap().url, "http://c:5050");
        for name in ["", "a b", "../x"] {
            assert_eq!(known.add(name, profile("http://a:1"), false).unwrap_err().name(), "bad-profile-name");
        }
    }

    #[test]
    fn a_file_comes_back_as_it_was_written_and_typos_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dcos/config.toml");
        assert_eq!(Profiles::read(&path).unwrap(), Profiles::default());
        let mut known = Profiles::default();
        known.add("lab", Profile { principal: Some("alice".into()), ..profile("http://a:5050") }, false).unwrap();
        known.write(&path).unwrap();
        assert_eq!(Profiles::read(&path).unwrap(), known);
        let typo = "[profiles.a]\nurl = \"http://a:1\"\ncredentiales = \"x\"\n";
        let typo = toml::from_str::<Profiles>(typo).unwrap_err().to_string();
        assert!(typo.contains("credentiales"), "{typo}");
    }
}
