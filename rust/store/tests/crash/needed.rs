//! Each sync and each rename is needed: without it, some state after a loss of power is bad.
//!
//! A record is played without it, as if the code did not have it. What nobody needs costs time for nothing, and hides
//! which of its neighbours count; so it is an error too.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk::{Disk, Operation};
use crate::power::{Record, Seen, is_good};
use crate::scenes::Scene;

pub(crate) fn run(scenes: &[Scene]) {
    let (mut syncs, mut renames, mut elsewhere) = (0, 0, 0);
    // By what a sync makes durable: whether it is needed somewhere.
    let mut kinds: BTreeMap<String, bool> = BTreeMap::new();
    for scene in scenes {
        let record = Record::of(scene);
        let mut good = Seen::new();
        record.states(None, &mut good, |_, _| true);
        for place in 0..record.operations.len() {
            let counted = match &record.operations[place] {
                Operation::Sync { .. } | Operation::SyncAll => &mut syncs,
                Operation::Rename { .. } => &mut renames,
                _ => continue,
            };
            *counted += 1;
            let needed = is_needed(scene, &record, place, &good);
            elsewhere += usize::from(!needed);
            *kinds.entry(record.describe(scene, place)).or_default() |= needed;
        }
    }
    let needless: BTreeSet<_> = kinds.iter().filter(|(_, needed)| !**needed).map(|(what, _)| what).collect();
    println!(
        "{syncs} syncs and {renames} renames of {} kinds left out: without any kind some state is bad; {elsewhere} of them \
         have a neighbour that covers them, and count in another command",
        kinds.len()
    );
    assert!(needless.is_empty(), "nothing depends on {needless:#?}");
}

fn is_needed(scene: &Scene, record: &Record, place: usize, good: &Seen) -> bool {
    let mut needed = false;
    record.states(Some(place), &mut good.clone(), |disk, answered| {
        needed = is_good(scene, disk, answered).is_err();
        !needed
    });
    needed
}

impl Record {
    /// A sync by what it makes durable, a rename by what it moves, whoever does it.
    fn describe(&self, scene: &Scene, place: usize) -> String {
        let mut disk = self.before.clone();
        self.operations[..place].iter().for_each(|operation| disk.apply(operation));
        let path = |disk: &Disk, node| {
            let path = disk.path(node).unwrap_or_default();
            let path = path.trim_start_matches('/');
            plain(path.strip_prefix(scene.place).unwrap_or(path).trim_start_matches('/'))
        };
        match &self.operations[place] {
            Operation::Sync { node } => {
                let last = self.operations[..place].iter().rfind(|operation| operation.belongs_to(*node));
                let last = last.map(|operation| match operation {
                    Operation::Make { name, .. } => format!("{} is made", plain(name)),
                    Operation::Rename { name, new_name, .. } => format!("{} becomes {}", plain(name), plain(new_name)),
                    Operation::Unlink { name, .. } => format!("{} is removed", plain(name)),
                    Operation::Write { .. } | Operation::Mode { .. } => "it is written".to_owned(),
                    Operation::Truncate { .. } => "it is cut off".to_owned(),
                    Operation::Sync { .. } | Operation::SyncAll => String::new(),
                });
                format!("sync of {}/ after {}", path(&disk, *node), last.unwrap_or_else(|| "nothing".to_owned()))
            }
            Operation::Rename { parent, name, to, new_name, .. } => {
                let (from, to) = (path(&disk, *parent), path(&disk, *to));
                format!("rename of {from}/{} to {to}/{}", plain(name), plain(new_name))
            }
            other => format!("{other:?}"),
        }
    }
}

/// A path without what differs from one process to the next.
fn plain(path: &str) -> String {
    let mut plain = String::new();
    for letter in path.chars() {
        let letter = if letter.is_ascii_digit() { '0' } else { letter };
        if letter != '0' || !plain.ends_with('0') {
            plain.push(letter);
        }
    }
    plain
}
