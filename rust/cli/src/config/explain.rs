//! `dcos config options`: what may stand in an options document.

use dcos_config::flags::{self, Flag};
use dcos_config::nearest::nearest;
use dcos_core::{ExitCode, Problem, Role};
use serde::Serialize;

use crate::output::{Format, table};

/// The keys of the document beside the flags: name, type, help.
const KEYS: [(&str, &str, &str); 4] = [
    ("role", "string", "which of Mesos's programs this is for: `master` or `agent`"),
    ("group", "string", "the nodes that this is for; `masters` or `agents` unless said"),
    ("modules", "list", "packages whose modules are enabled"),
    ("parameters.MODULE.NAME", "any", "a parameter of an enabled module, of the type that the module's package says"),
];

/// An option, explained.
#[derive(Debug, Serialize)]
struct Explained<'a> {
    /// Its key in the document.
    key: String,
    /// The role that has it; both if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(rename = "type")]
    kind: &'a str,
    /// The type in words.
    #[serde(skip)]
    described: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    values: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<&'a str>,
    secret: bool,
    /// Who sets it instead of a config.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    help: &'a str,
}

/// Prints the options of a role, or everything about one of them.
pub(super) fn run(format: Format, role: Option<Role>, key: Option<&str>) -> Result<ExitCode, Problem> {
    match key {
        None => {
            let options: Vec<Explained<'_>> =
                keys().chain(flags::of(role).filter(|flag| flag.is_option()).map(explained)).collect();
            format.print(&options, |options| list(options));
        }
        Some(key) => {
            let found = find(role, key)?;
            format.print(&found, |found| found.iter().map(whole).collect::<Vec<_>>().join("\n"));
        }
    }
    Ok(ExitCode::Done)
}

fn keys() -> impl Iterator<Item = Explained<'static>> {
    KEYS.iter().map(|(key, kind, help)| Explained {
        key: (*key).to_owned(),
        role: None,
        kind,
        described: (*kind).to_owned(),
        default: None,
        since: None,
        values: &[],
        min: None,
        max: None,
        secret: false,
        owner: None,
        help,
    })
}

fn explained(flag: &'static Flag) -> Explained<'static> {
    let about = &flag.about;
    Explained {
        key: format!("flags.{}", flag.name),
        role: flag.role,
        kind: about.kind.name(),
        described: about.kind.to_string(),
        default: about.default.as_deref(),
        since: Some(&about.since),
        values: &about.values,
        min: about.min.as_deref(),
        max: about.max.as_deref(),
        secret: about.secret,
        owner: about.owner.as_deref(),
        help: &about.help,
    }
}

/// The options of that name: more than one where master and agent differ. A flag that no config may set is explained,
/// too: with where else it is said.
fn find(role: Option<Role>, key: &str) -> Result<Vec<Explained<'static>>, Problem> {
    let name = key.strip_prefix("flags.").unwrap_or(key);
    let named = |flag: &&Flag| flag.name == name || flag.about.alias.as_deref() == Some(name);
    let mut found: Vec<Explained<'static>> = flags::of(role).filter(named).map(explained).collect();
    found.extend(keys().filter(|option| option.key.split('.').next() == key.split('.').next()));
    if !found.is_empty() {
        return Ok(found);
    }
    let known = flags::of(role).map(|flag| flag.name.as_str()).chain(KEYS.iter().map(|(key, _, _)| *key));
    let problem = Problem::new(ExitCode::NotFound, "no-such-option", format!("there is no option `{key}`"));
    Err(match nearest(name, known) {
        Some(name) => problem.hint(format!("did you mean `{name}`?")),
        None => problem.hint("`dcos config options` lists them all"),
    })
}

fn list(options: &[Explained<'_>]) -> String {
    let rows: Vec<Vec<String>> = options
        .iter()
        .map(|option| {
            let role = option.role.map_or_else(|| "both".to_owned(), |role| role.to_string());
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            let (kind, help) = (option.kind.to_owned(), option.help.to_owned());
            vec![option.key.clone(), role, kind, text(option.default), text(option.since), help]
        })
        .collect();
    table(&["OPTION", "ROLE", "TYPE", "DEFAULT", "SINCE", "FOR"], &rows)
}

fn whole(option: &Explained<'_>) -> String {
    let mut text = format!("{}: {}\n", option.key, option.help);
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<10}{value}\n"));
    line("type", &option.described);
    line("role", &option.role.map_or_else(|| "master and agent".to_owned(), |role| role.to_string()));
    line("default", option.default.unwrap_or("none"));
    if let Some(since) = option.since {
        line("since", &if since == flags::OLDEST { format!("{since} or before") } else { format!("Mesos {since}") });
    }
    if !option.values.is_empty() {
        line("values", &option.values.join(", "));
    }
    for (name, bound) in [("at least", option.min), ("at most", option.max)] {
        if let Some(bound) = bound {
            line(name, bound);
        }
    }
    if option.secret {
        line("secret", "only as `file:///…`, the name of a file on each host");
    }
    match option.owner.map(|owner| owner.strip_prefix("node:").unwrap_or(owner)) {
        None => {}
        Some("generation") => line("elsewhere", "each node renders it from the packages of its set"),
        Some("nobody") => line("never", "Mesos would end"),
        Some("host") => line("elsewhere", "a fact of one host"),
        Some(place) => line("elsewhere", &format!("`{place}` in the host's `node.toml`")),
    }
    text
}
