//! Packages of the predecessor, made here as its tools made them: `.tar.xz`, with a loose pkginfo or none.

use std::path::{Path, PathBuf};

use liblzma::write::XzEncoder;
use serde_json::json;

use super::machine::{Machine, pkg};
use super::shapes::assert_shaped_like;

/// An archive as `tar cJf` makes one in the package's directory: names begin with `./`.
fn archive(machine: &Machine, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let path = machine.path(name);
    let mut builder = tar::Builder::new(XzEncoder::new(std::fs::File::create(&path).unwrap(), 6));
    for (file, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(if file.starts_with("bin/") { 0o755 } else { 0o644 });
        header.set_size(text.len() as u64);
        header.set_mtime(1_450_000_000);
        builder.append_data(&mut header, Path::new(".").join(file), text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap();
    path
}

fn convert(machine: &Machine, file: &Path, more: &[&str]) -> crate::harness::program::Outcome {
    let output = machine.path("converted");
    std::fs::create_dir_all(&output).unwrap();
    let arguments = ["convert", file.to_str().unwrap(), "--output", output.to_str().unwrap(), "--json"];
    pkg(&[&arguments[..], more].concat())
}

#[test]
fn a_converted_package_can_be_added_and_says_what_it_said() {
    let machine = Machine::new(None);
    let pkginfo = r#"{"requires": ["openssl"], "environment": {"JAVA_HOME": "/opt/java"}, "username": "dcos_java"}"#;
    let file = archive(&machine, "java--1.8.0_25.tar.xz", &[("pkginfo.json", pkginfo), ("bin/java", "#!/bin/sh")]);
    let converted = convert(&machine, &file, &[]).expect(0);
    assert_shaped_like("convert", &converted);
    let converted = converted.json();
    assert_eq!(converted["left_out"], json!(["`username` (`\"dcos_java\"`)"]));
    machine.pkg(&["add", converted["output"].as_str().unwrap()]).expect(0);
    let shown = machine.pkg(&["show", "java--1.8.0_25", "--json"]).expect(0).json();
    assert_eq!(shown["pkginfo"]["requires"], json!(["openssl"]));
    assert_eq!(shown["pkginfo"]["environment"]["JAVA_HOME"], "/opt/java");
    let program = std::fs::metadata(machine.root().join("packages/java--1.8.0_25/bin/java")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&program.permissions()) & 0o111, 0o111);
}

#[test]
fn a_package_without_pkginfo_gets_one() {
    let machine = Machine::new(None);
    let file =
        archive(&machine, "mesos--0f1e2d3c.tar.xz", &[("bin/mesos-agent", "no Mesos"), ("lib/libmesos.so", "-")]);
    let converted = convert(&machine, &file, &["--as", "mesos--1.9.0", "--kind", "mesos"]).expect(0).json();
    assert_eq!(converted["id"], "mesos--1.9.0");
    machine.pkg(&["add", converted["output"].as_str().unwrap()]).expect(0);
    let shown = machine.pkg(&["show", "mesos--1.9.0", "--json"]).expect(0).json();
    assert_eq!(shown["pkginfo"]["mesos"]["version"], "1.9.0");
}

#[test]
fn what_is_none_of_the_predecessors_packages_is_refused() {
    let machine = Machine::new(None);
    let broken = machine.path("a--1.tar.xz");
    std::fs::write(&broken, "nothing of the kind").unwrap();
    convert(&machine, &broken, &[]).expect(3);
    convert(&machine, &machine.path("b--1.tar.xz"), &[]).expect(4);
    let unnamed = archive(&machine, "java.tar.xz", &[("bin/java", "-")]);
    convert(&machine, &unnamed, &[]).expect(3);
    convert(&machine, &unnamed, &["--as", "java--1"]).expect(0);
    let loose = archive(&machine, "c--1.tar.xz", &[("pkginfo.json", r#"{"requires": "a"}"#)]);
    convert(&machine, &loose, &[]).expect(3);
}
