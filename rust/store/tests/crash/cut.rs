//! The power goes away in earnest: a victim is killed at one of its system calls, and in the same moment the ext4 that it
//! worked on is shut down without flushing its journal. What is mounted again is what a machine would find.
//!
//! The model in [`crate::power`] knows states that this kernel never makes, and says nothing of those that only a real file
//! system does: its journal, its delayed allocation, its order of writes.

use std::fs;
use std::path::Path;
use std::process::Command;

use dcos_testkit::Ext4;

use crate::examine::examined;
use crate::kill::kills;
use crate::scenes::Scene;

/// How this program is called for it.
pub(crate) const ARGUMENT: &str = "cut-in-own-mounts";

/// One in so many points is tried where not all are; the one after the answer always.
const SHARE: usize = 6;

/// The size of the file system. Of its image only what is used takes room.
const BYTES: u64 = 32 << 20;

/// Starts this program again, with mounts of its own: whatever happens to it, they go with it.
pub(crate) fn start() {
    assert!(rustix::process::geteuid().is_root(), "an ext4 can be mounted and cut off by root only");
    let program = std::env::current_exe().unwrap();
    let status =
        Command::new("unshare").args(["--mount", "--propagation", "private"]).arg(program).arg(ARGUMENT).status();
    let status = status.expect("`unshare` is needed (Debian: util-linux)");
    assert!(status.success(), "the program above failed with the ext4 that it cuts off");
}

pub(crate) fn run(scenes: &[Scene]) {
    crate::examine::tell_only_the_last_panic();
    let mut cuts = 0;
    for scene in scenes {
        let image = image(scene);
        let kills = kills(scene);
        let chosen = kills.iter().enumerate().filter(|(number, _)| crate::chosen(*number, SHARE));
        let mut points: Vec<Option<&[String; 2]>> = chosen.map(|(_, kill)| Some(kill)).collect();
        points.push(None);
        for point in &points {
            cut(scene, &image, *point);
        }
        println!("{:9} cut off at {} points of {}", scene.name, points.len(), kills.len() + 1);
        cuts += points.len();
    }
    println!("{cuts} times an ext4 was cut off: every rule held, and every next command worked");
    assert!(cuts > 60, "so few points mean that strace counted something else");
}

/// The image of a file system with what a scene begins with, all of it on the disk.
fn image(scene: &Scene) -> std::path::PathBuf {
    let folder = scene.node.path("disk");
    fs::create_dir(&folder).unwrap();
    let mut disk = Ext4::new(&folder, BYTES).unwrap_or_else(|error| panic!("{error}"));
    scene.copy_to(disk.path());
    // Not of the store's.
    fs::remove_dir(disk.path().join("lost+found")).unwrap();
    disk.unmount().unwrap();
    folder.join("ext4.image")
}

/// Lets the victim die, and the power with it; without a kill, the power goes as soon as there is an answer.
fn cut(scene: &Scene, image: &Path, kill: Option<&[String; 2]>) {
    let what = format!("{} cut off at {}", scene.name, kill.map_or("its end", |[_, inject]| inject));
    let (one, place) = (scene.node.path("one.image"), scene.node.path("ext4"));
    let copied = Command::new("cp").args(["--sparse=always"]).arg(image).arg(&one).status().unwrap();
    assert!(copied.success());
    let mut disk = Ext4::of_image(&one, &place).unwrap();
    let options = kill.map_or_else(Vec::new, |[trace, inject]| vec!["-e", trace, "-e", inject]);
    let output = scene.strace(disk.path(), &[&["-o", "/dev/null"], &options[..]].concat());
    disk.cut().unwrap();
    let answered = output.status.code() == Some(0);
    assert!(answered || kill.is_some(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    disk.restore().unwrap();
    let outcome = examined(scene, disk.path(), answered);
    assert!(outcome.is_ok(), "{what}: {}", outcome.unwrap_err());
    drop(disk);
    fs::remove_file(one).unwrap();
}
