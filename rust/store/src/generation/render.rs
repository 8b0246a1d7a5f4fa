//! What Mesos is started with, rendered from the configuration, the node's facts and the packages' physical paths.
//!
//! Physical paths, not those through `active` or the link trees: a running executor keeps the launcher directory that
//! its agent had, also after the next switch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dcos_core::config::MesosConfig;
use dcos_core::pkginfo::ParameterKind;
use dcos_core::role::Kind;
use dcos_core::{PackageId, PkgInfo, Role};
use serde::Serialize;

use crate::store::{GENERATIONS, NodeContext, PACKAGES};

/// The search path of every generation. It names nothing of the store: Mesos is started by its physical path.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where a mesos package has its helpers, and its web pages if it brings some.
const LAUNCHER_DIRECTORY: &str = "libexec/mesos";
const WEBUI_DIRECTORY: &str = "share/mesos/webui";

/// The name of the file with the modules, within a generation.
pub(crate) const MODULES_FILE: &str = "modules.json";

/// A package of the set that is rendered.
pub(crate) struct RenderedPackage {
    pub(crate) id: PackageId,
    pub(crate) pkginfo: PkgInfo,
    /// Whether it brings web pages.
    pub(crate) has_webui: bool,
}

/// Everything that a generation is rendered from.
pub(crate) struct Source<'a> {
    pub(crate) root: &'a Path,
    pub(crate) number: u64,
    pub(crate) node: &'a NodeContext,
    pub(crate) config: &'a MesosConfig,
    pub(crate) packages: &'a [RenderedPackage],
}

/// What `modules.json` looks like to Mesos (its protobuf message `Modules`, as JSON).
#[derive(Debug, Serialize)]
struct Modules {
    libraries: Vec<Library>,
}

#[derive(Debug, Serialize)]
struct Library {
    file: PathBuf,
    modules: Vec<Module>,
}

#[derive(Debug, Serialize)]
struct Module {
    name: String,
    parameters: Vec<Parameter>,
}

#[derive(Debug, Serialize)]
struct Parameter {
    key: String,
    value: String,
}

impl Source<'_> {
    /// The physical path of a package.
    pub(crate) fn package_path(&self, id: &PackageId) -> PathBuf {
        self.root.join(PACKAGES).join(id.to_string())
    }

    /// The directory of the generation.
    pub(crate) fn directory(&self) -> PathBuf {
        self.root.join(GENERATIONS).join(self.number.to_string())
    }

    fn mesos(&self) -> Option<&RenderedPackage> {
        self.packages.iter().find(|package| package.pkginfo.kind == Kind::Mesos)
    }

    /// The program that is started, in a valid set's mesos package.
    pub(crate) fn program(&self) -> Option<PathBuf> {
        Some(self.package_path(&self.mesos()?.id).join("bin").join(self.config.role.program()))
    }

    /// The paths on Mesos's port that say whether the enabled modules work.
    pub(crate) fn health_paths(&self) -> Vec<String> {
        let modules = self.packages.iter().flat_map(|package| &package.pkginfo.modules);
        let enabled = |name: &str| self.config.modules.iter().any(|module| module.name == name);
        let mut paths: Vec<_> =
            modules.filter(|module| enabled(&module.name)).filter_map(|module| module.health.clone()).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// The whole environment. A valid set has no name twice.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let facts = &self.node.config.mesos;
        let text = |value: &dyn std::fmt::Display| Some(value.to_string());
        let path = |path: &Path| Some(path.display().to_string());
        let mesos = self.mesos();
        let within = |directory| move |mesos: &RenderedPackage| self.package_path(&mesos.id).join(directory);
        let master = match self.config.role {
            Role::Agent => facts.master.as_ref().or(facts.zk.as_ref()).cloned(),
            Role::Master => None,
        };
        let zk = facts.zk.as_ref().filter(|_| self.config.role == Role::Master).cloned();
        let rendered = [
            ("PATH", Some(PATH.to_owned())),
            ("LIBPROCESS_IP", text(&facts.ip)),
            ("LIBPROCESS_PORT", text(&facts.port)),
            ("MESOS_IP", text(&facts.ip)),
            ("MESOS_PORT", text(&facts.port)),
            // Without one Mesos would look a name up, and advertise something else than the node's own name.
            ("MESOS_HOSTNAME", facts.hostname.clone().or_else(|| text(&facts.ip))),
            ("MESOS_WORK_DIR", path(&facts.work_dir)),
            ("MESOS_RUNTIME_DIR", facts.runtime_dir.as_deref().and_then(path)),
            ("MESOS_MASTER", master),
            ("MESOS_ZK", zk),
            ("MESOS_ATTRIBUTES", facts.attributes.clone()),
            ("MESOS_CREDENTIAL", facts.credential.clone()),
            ("MESOS_LAUNCHER_DIR", mesos.map(within(LAUNCHER_DIRECTORY)).as_deref().and_then(path)),
            (
                "MESOS_WEBUI_DIR",
                mesos.filter(|mesos| mesos.has_webui).map(within(WEBUI_DIRECTORY)).as_deref().and_then(path),
            ),
            ("MESOS_MODULES", Some(format!("file://{}", self.directory().join(MODULES_FILE).display()))),
        ];
        let host = rendered.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let packaged = self.packages.iter().flat_map(|package| &package.pkginfo.environment);
        let configured = self.config.environment.iter().chain(packaged);
        host.chain(configured.map(|(name, value)| (name.clone(), value.clone()))).collect()
    }

    /// `modules.json`: libraries in the order in which the configuration first needs them, each with its modules in order.
    pub(crate) fn modules(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut libraries: Vec<Library> = Vec::new();
        for enabled in &self.config.modules {
            // A valid set provides each module once.
            let Some((package, info)) = self.packages.iter().find_map(|package| {
                Some((package, package.pkginfo.modules.iter().find(|module| module.name == enabled.name)?))
            }) else {
                continue;
            };
            let mut parameters: BTreeMap<&str, String> =
                enabled.parameters.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
            for (key, _) in info.parameters.iter().filter(|(_, parameter)| parameter.kind == ParameterKind::NodeFile) {
                parameters.insert(key, self.node.file.display().to_string());
            }
            let parameters =
                parameters.into_iter().map(|(key, value)| Parameter { key: key.to_owned(), value }).collect();
            let module = Module { name: enabled.name.clone(), parameters };
            let file = self.package_path(&package.id).join(&info.library);
            match libraries.iter_mut().find(|library| library.file == file) {
                Some(library) => library.modules.push(module),
                None => libraries.push(Library { file, modules: vec![module] }),
            }
        }
        let mut text = serde_json::to_vec_pretty(&Modules { libraries })?;
        text.push(b'\n');
        Ok(text)
    }
}

/// Whether a manifest's paths include the web pages.
pub(crate) fn has_webui<'a>(mut paths: impl Iterator<Item = &'a str>) -> bool {
    paths.any(|path| path == WEBUI_DIRECTORY)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::path::Path;

    use dcos_core::PkgInfo;
    use dcos_core::config::MesosConfig;
    use dcos_core::node::NodeConfig;

    use super::{RenderedPackage, Source};
    use crate::store::NodeContext;

    fn package(text: &str, has_webui: bool) -> RenderedPackage {
        let pkginfo = PkgInfo::parse(text).unwrap();
        RenderedPackage { id: pkginfo.id(), pkginfo, has_webui }
    }

    fn rendered<T>(node: &str, has_webui: bool, look: impl Fn(&Source<'_>) -> T) -> T {
        let config: MesosConfig = serde_json::from_str(
            r#"{"format":1,"role":"agent","environment":{"MESOS_RESOURCES":"cpus:1"},"modules":[
                {"name":"org_b","parameters":{"z":"1","a":"2"}},{"name":"org_c","parameters":{}},
                {"name":"org_a","parameters":{}}]}"#,
        )
        .unwrap();
        let node =
            NodeContext { config: NodeConfig::parse(node).unwrap(), file: Path::new("/etc/dcos/node.toml").into() };
        let packages = [
            package(
                r#"{"format":1,"name":"m","version":"1","kind":"module","mesos":{"version":"1.11.0"},"environment":{"M":"$x"},
                "modules":[{"library":"lib/a.so","name":"org_a","health":"/a/health"},
                {"library":"lib/b.so","name":"org_b","parameters":{"node":{"type":"node-file"}}},
                {"library":"lib/a.so","name":"org_c"},
                {"library":"lib/a.so","name":"org_unused","health":"/unused/health"}]}"#,
                false,
            ),
            package(
                r#"{"format":1,"name":"mesos","version":"1.11.0","kind":"mesos","mesos":{"version":"1.11.0"}}"#,
                has_webui,
            ),
        ];
        let source =
            Source { root: Path::new("/opt/dcos"), number: 7, node: &node, config: &config, packages: &packages };
        look(&source)
    }

    const NODE: &str = "role = \"agent\"\ngroup = \"agents\"\n[mesos]\nip = \"10.0.0.5\"\nport = 5051\n\
        zk = \"zk://z:2181/mesos\"\nwork_dir = \"/var/lib/mesos\"\nattributes = \"rack:a\"\n";

    #[test]
    fn the_environment_has_host_facts_physical_paths_and_what_packages_say() {
        let environment = rendered(NODE, true, |source| source.environment());
        let expected = [
            ("PATH", super::PATH),
            ("LIBPROCESS_IP", "10.0.0.5"),
            ("LIBPROCESS_PORT", "5051"),
            ("MESOS_IP", "10.0.0.5"),
            ("MESOS_PORT", "5051"),
            ("MESOS_HOSTNAME", "10.0.0.5"),
            ("MESOS_WORK_DIR", "/var/lib/mesos"),
            ("MESOS_MASTER", "zk://z:2181/mesos"),
            ("MESOS_ATTRIBUTES", "rack:a"),
            ("MESOS_LAUNCHER_DIR", "/opt/dcos/packages/mesos--1.11.0/libexec/mesos"),
            ("MESOS_WEBUI_DIR", "/opt/dcos/packages/mesos--1.11.0/share/mesos/webui"),
            ("MESOS_MODULES", "file:///opt/dcos/generations/7/modules.json"),
            ("MESOS_RESOURCES", "cpus:1"),
            ("M", "$x"),
        ];
        let found: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn modules_are_grouped_by_library_and_the_node_fills_in_its_file() {
        let text = String::from_utf8(rendered(NODE, false, |source| source.modules()).unwrap()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({"libraries": [
            {"file": "/opt/dcos/packages/m--1/lib/b.so", "modules": [{"name": "org_b", "parameters": [
                {"key": "a", "value": "2"}, {"key": "node", "value": "/etc/dcos/node.toml"}, {"key": "z", "value": "1"}]}]},
            {"file": "/opt/dcos/packages/m--1/lib/a.so", "modules": [
                {"name": "org_c", "parameters": []}, {"name": "org_a", "parameters": []}]},
        ]});
        assert_eq!(value, expected);
    }

    #[test]
    fn only_enabled_modules_are_asked_for_their_health() {
        assert_eq!(rendered(NODE, false, |source| source.health_paths()), ["/a/health"]);
        let program = rendered(NODE, false, |source| source.program()).unwrap();
        assert_eq!(program, Path::new("/opt/dcos/packages/mesos--1.11.0/bin/mesos-agent"));
    }
}
