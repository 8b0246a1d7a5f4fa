//! A set in which a fake stands for Mesos: packages laid out and built in an instant, whose helper is the program under test.

use std::path::{Path, PathBuf};

use super::program::run;
use crate::restart::machine::python;

const CONFIG: &str = "mesos-config--0123456789ab";

/// The ids of the set of a version.
pub(crate) fn set(version: &str) -> [String; 3] {
    [format!("mesos--{version}"), format!("dcos-bits--0.1.0+mesos{version}"), CONFIG.to_owned()]
}

/// Builds the packages of a version below `folder`: the fake, and ours. Each version's helper is a file of its own, as it is
/// in earnest, and leads to the program under test.
pub(crate) fn bound(folder: &Path, version: &str) -> [PathBuf; 2] {
    let script = include_str!("../restart/mesos.py").replace("@VERSION@", version);
    let script = format!("#!{}\n{script}", python());
    let mesos = format!(r#""mesos": {{"version": "{version}"}}"#);
    let module = r#"{"library": "lib/libdcos_bits.so", "name": "org_dcos_bits_Pkg", "health": "/pkg/health"}"#;
    let helper = format!("#!/bin/sh\n# of {version}\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_dcos-restart-helper"));
    let [mesos_id, bits_id, _] = set(version);
    [
        build(
            folder,
            &mesos_id,
            &format!(r#""kind": "mesos", {mesos}"#),
            &[("bin/mesos-master", &script), ("lib/libmesos.so", version)],
        ),
        build(
            folder,
            &bits_id,
            &format!(r#""kind": "module", {mesos}, "modules": [{module}]"#),
            &[("lib/libdcos_bits.so", version), ("bin/dcos-restart-helper", &helper)],
        ),
    ]
}

/// Builds the config, which is the same for every version.
pub(crate) fn config(folder: &Path) -> PathBuf {
    let config = r#"{"format": 1, "role": "master", "environment": {},
        "modules": [{"name": "org_dcos_bits_Pkg", "parameters": {}}]}"#;
    let pkginfo = r#""kind": "mesos-config", "roles": ["master"], "requires": ["mesos >= 1.10.0, < 1.12.0"]"#;
    build(folder, CONFIG, pkginfo, &[("etc/config.json", config)])
}

/// Lays a package out below `folder` and builds it; `pkginfo` is what follows its format, name and version.
fn build(folder: &Path, id: &str, pkginfo: &str, files: &[(&str, &str)]) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let tree = folder.join("trees").join(id);
    let (name, version) = id.split_once("--").unwrap();
    let pkginfo = format!(r#"{{"format": 1, "name": "{name}", "version": "{version}", {pkginfo}}}"#);
    for (path, text) in files.iter().copied().chain([("pkginfo.json", pkginfo.as_str())]) {
        let file = tree.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        if path.starts_with("bin/") {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let archive = folder.join(format!("{id}.tar.zst"));
    let arguments = ["build", tree.to_str().unwrap(), "--output", archive.to_str().unwrap()];
    run(Path::new(env!("CARGO_BIN_EXE_dcos-pkg")), &arguments, &[]).expect(0);
    archive
}
