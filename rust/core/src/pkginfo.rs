//! `pkginfo.json`: what a package says about itself. Unknown fields are errors, so that a typo is never silently nothing.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, PackageId, PackageName, Version};
use crate::requirement::Requirement;
use crate::role::{Kind, Role};

/// The path of the file within a package.
pub const FILE_NAME: &str = "pkginfo.json";

/// The newest format of the file that this release reads and the one that it writes.
pub const FORMAT: u32 = 1;

/// What a package says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PkgInfo {
    /// The file's format: [`FORMAT`].
    pub format: u32,
    /// The package's name.
    pub name: PackageName,
    /// The package's version.
    pub version: Version,
    /// What it is to a set.
    pub kind: Kind,
    /// What else must be in the set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Requirement>,
    /// What must not be in the set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Requirement>,
    /// The roles of nodes that it is for; none named means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Environment variables that Mesos is started with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Whether it wants a directory of its own that outlives its versions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub state_directory: bool,
    /// The Mesos that this is, or that the modules were built for; required for kinds `mesos` and `module`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesos: Option<MesosBinding>,
    /// The modules that it provides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<ModuleInfo>,
}

/// The Mesos version that a package is or was built for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MesosBinding {
    /// Exactly this version: Mesos loads no other's modules.
    pub version: String,
}

/// A module of Mesos that a package provides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModuleInfo {
    /// The library's path within the package.
    pub library: String,
    /// The module's name, which is the symbol of its record, in reverse-DNS form.
    pub name: String,
    /// The parameters that it takes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, ParameterInfo>,
    /// A path on Mesos's port that answers 200 when the module works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// The record found in the library when the package was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<ModuleRecord>,
}

/// A parameter of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterInfo {
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: ParameterKind,
    /// The value when none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
    /// One sentence for an operator.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub help: String,
}

/// The type of a module's parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterKind {
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Any text.
    String,
    /// The path of the node's `node.toml`: filled in by the node, never by a config package.
    NodeFile,
}

/// What a module library says of a module to Mesos (`ModuleBase`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModuleRecord {
    /// The version of Mesos's module interface; `2` since Mesos 1.0.
    pub api_version: String,
    /// The Mesos it was built for.
    pub mesos_version: String,
    /// The kind of module, such as `Anonymous`.
    pub kind: String,
}

/// Why a text is not a pkginfo.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPkgInfo {
    /// It is not JSON of the right shape.
    #[error("it is not a pkginfo")]
    Json(#[source] serde_json::Error),
    /// It has a format that this release does not know.
    #[error("it has format {0}, and this release knows format {FORMAT} only")]
    Format(u32),
    /// Its name and version make no id.
    #[error("its name and version make no id")]
    Id(#[source] InvalidId),
    /// A field that its kind needs is missing, or has no place there.
    #[error("a package of kind `{kind}` {rule}")]
    Field {
        /// The package's kind.
        kind: Kind,
        /// The rule.
        rule: &'static str,
    },
    /// A path leads out of the package.
    #[error("the library `{0}` is not a path within the package")]
    Library(String),
}

impl PkgInfo {
    /// Reads the text of a `pkginfo.json`.
    ///
    /// # Errors
    /// If it has unknown or missing fields, an unknown format, or contradicts its kind.
    pub fn parse(text: &str) -> Result<Self, InvalidPkgInfo> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        // The format first: a newer file may well have fields that look wrong here.
        let format: Format = serde_json::from_str(text).map_err(InvalidPkgInfo::Json)?;
        if format.format != FORMAT {
            return Err(InvalidPkgInfo::Format(format.format));
        }
        let info: Self = serde_json::from_str(text).map_err(InvalidPkgInfo::Json)?;
        info.check()?;
        Ok(info)
    }

    /// The package's id.
    ///
    /// # Panics
    /// Never for a parsed value: parsing refuses what makes no id.
    #[expect(clippy::expect_used, reason = "`parse` has made the same id")]
    pub fn id(&self) -> PackageId {
        PackageId::new(&self.name, &self.version).expect("a parsed pkginfo has an id")
    }

    /// Whether it may be used on a node of `role`.
    pub fn fits(&self, role: Role) -> bool {
        self.roles.is_empty() || self.roles.contains(&role)
    }

    fn check(&self) -> Result<(), InvalidPkgInfo> {
        PackageId::new(&self.name, &self.version).map_err(InvalidPkgInfo::Id)?;
        let field = |rule| Err(InvalidPkgInfo::Field { kind: self.kind, rule });
        match self.kind {
            Kind::Mesos | Kind::Module if self.mesos.is_none() => return field("needs `mesos.version`"),
            Kind::MesosConfig | Kind::Plain if !self.modules.is_empty() => return field("can't provide modules"),
            Kind::Module if self.modules.is_empty() => return field("needs at least one module"),
            Kind::Mesos if self.mesos.as_ref().is_some_and(|mesos| mesos.version != self.version.base()) => {
                return field("has its own version as `mesos.version`");
            }
            Kind::Mesos | Kind::MesosConfig | Kind::Module | Kind::Plain => {}
        }
        if let (Some(named), Some(mesos)) = (self.version.mesos(), &self.mesos)
            && named != mesos.version
        {
            return field("names one Mesos in its version and another in `mesos.version`");
        }
        match self.modules.iter().find(|module| !is_inside(&module.library)) {
            Some(module) => Err(InvalidPkgInfo::Library(module.library.clone())),
            None => Ok(()),
        }
    }
}

/// Whether `path` is relative and made of plain names only.
fn is_inside(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !path.contains('\0')
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{InvalidPkgInfo, PkgInfo};

    const FIZZBUZZ: &str = r#"{ "format": 1, "name": "fizzbuzz", "version": "1.2.0+mesos1.11.0", "kind": "module",
        "requires": ["mesos >= 1.11.0, < 1.12.0", "libfoo"], "conflicts": [],
        "roles": ["agent"], "environment": {"FIZZ": "buzz"}, "state_directory": false,
        "mesos": { "version": "1.11.0" },
        "modules": [ { "library": "lib/libfizzbuzz.so", "name": "org_example_FizzBuzz",
                       "parameters": {"limit": {"type": "integer", "default": 100, "help": "How far to count"}},
                       "health": "/fizzbuzz/health" } ] }"#;

    #[test]
    fn the_example_of_the_format_is_read() {
        let info = PkgInfo::parse(FIZZBUZZ).unwrap();
        assert_eq!(info.id().to_string(), "fizzbuzz--1.2.0+mesos1.11.0");
        assert_eq!(info.requires.len(), 2);
    }

    #[test]
    fn what_it_writes_it_reads() {
        let info = PkgInfo::parse(FIZZBUZZ).unwrap();
        assert_eq!(PkgInfo::parse(&serde_json::to_string(&info).unwrap()).unwrap(), info);
        // A number that comes back as its neighbour would give the same options another id; the fuzzer found the first.
        for number in ["10.01E-31", "0.92129124165906366367", "0.331457044e-193"] {
            let info = PkgInfo::parse(&FIZZBUZZ.replace("100", number)).unwrap();
            assert_eq!(PkgInfo::parse(&serde_json::to_string(&info).unwrap()).unwrap(), info, "{number}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for (from, to, why) in [
            ("\"kind\"", "\"kidn\"", "unknown field"),
            ("\"format\": 1", "\"format\": 2", "format 2"),
            ("\"mesos\": { \"version\": \"1.11.0\" },", "", "needs `mesos.version`"),
            ("{ \"version\": \"1.11.0\" }", "{ \"version\": \"1.10.0\" }", "another in"),
            ("\"module\",", "\"plain\",", "can't provide modules"),
            ("lib/libfizzbuzz.so", "../libfizzbuzz.so", "not a path within"),
            ("lib/libfizzbuzz.so", "/libfizzbuzz.so", "not a path within"),
            ("\"fizzbuzz\"", "\"fizz--buzz\"", "--"),
        ] {
            assert!(FIZZBUZZ.contains(from), "{from}");
            let error = PkgInfo::parse(&FIZZBUZZ.replace(from, to)).unwrap_err();
            assert!(crate::Problem::chain(&error).contains(why), "{why}: {}", crate::Problem::chain(&error));
        }
        assert!(matches!(PkgInfo::parse("{}"), Err(InvalidPkgInfo::Json(_))));
    }
}
