//! A loss of power at every instant: what was not synced may be there, may be missing, or may be torn.
//!
//! A victim's calls are recorded, and played on a file system in memory. At every point of the record, whatever a sync
//! has covered is there. Of the rest all is there, or nothing, or all but any one or any two, or a write is torn in half
//! (the model of Pillai et al., OSDI 2014). Each state that differs from those before is put on a disk and must be good.
//!
//! The other way round, each sync is left out of the record in turn: then some state must be bad, else nobody needs it.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use super::disk::{Disk, Operation};
use super::{Scene, copy, examine_quietly, strace};

/// What is traced: every change and every sync.
const TRACED: &str = "openat,mkdir,mkdirat,write,fchmod,fsync,syncfs,renameat,renameat2,unlinkat,symlinkat,ftruncate";

/// A victim's record.
pub(crate) struct Record {
    before: Disk,
    operations: Vec<Operation>,
}

impl Record {
    /// Lets the victim do its work and writes down how.
    pub(crate) fn of(scene: &Scene) -> Self {
        let root = copy(scene);
        let mut before = Disk::load(&root);
        let log = scene.node.path("record");
        let options = ["-xx", "-y", "-s", "1000000", "-e", &format!("trace={TRACED}"), "-o", log.to_str().unwrap()];
        let output = strace(scene, &root, &options);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let operations = before.operations(&fs::read_to_string(log).unwrap(), &root);
        // What was understood leads from what was there before to what is there now, or it was not understood.
        let mut after = before.clone();
        operations.iter().for_each(|operation| after.apply(operation));
        let understood = after.fingerprint() == Disk::load(&root).fingerprint();
        assert!(understood, "{}: the record does not lead to what is there", scene.name);
        fs::remove_dir_all(root).unwrap();
        Self { before, operations }
    }

    /// The places of the syncs.
    pub(crate) fn syncs(&self) -> Vec<usize> {
        (0..self.operations.len()).filter(|place| self.operations[*place].is_sync()).collect()
    }

    /// Which of the first `end` operations are durable, without the sync at `without`.
    fn durable(&self, end: usize, without: Option<usize>) -> BTreeSet<usize> {
        let mut durable = BTreeSet::new();
        for (place, sync) in self.operations[..end].iter().enumerate().filter(|(place, _)| Some(*place) != without) {
            let covered = |operation: &Operation| match sync {
                Operation::SyncAll => !operation.is_sync(),
                Operation::Sync { node } => operation.belongs_to(*node),
                _ => false,
            };
            durable.extend((0..place).filter(|earlier| covered(&self.operations[*earlier])));
        }
        // A journal commits in order: the name that a durable rename took away was durable before it.
        for place in (0..end).rev().filter(|place| durable.contains(place)).collect::<Vec<_>>() {
            if let Operation::Rename { parent, name, .. } = &self.operations[place] {
                let gave = |operation: &Operation| matches!(operation, Operation::Make { parent: at, name: given, .. } if at == parent && given == name);
                durable.extend(self.operations[..place].iter().rposition(gave));
            }
        }
        durable
    }

    /// Calls `check` with every state that a loss of power may leave and that is not in `seen`, until it says no; and
    /// whether the command had answered by then.
    pub(crate) fn states(
        &self,
        without: Option<usize>,
        seen: &mut HashSet<(String, bool)>,
        mut check: impl FnMut(&Disk, bool) -> bool,
    ) -> usize {
        let mut states = 0;
        for end in 0..=self.operations.len() {
            let answered = end == self.operations.len();
            let durable = self.durable(end, without);
            let changes = |place: &usize| !self.operations[*place].is_sync();
            let open: Vec<usize> = (0..end).filter(changes).filter(|place| !durable.contains(place)).collect();
            let mut losses: Vec<Vec<usize>> = vec![Vec::new(), open.clone()];
            for (place, one) in open.iter().enumerate() {
                losses.push(vec![*one]);
                losses.extend(open[place + 1..].iter().map(|other| vec![*one, *other]));
            }
            let torn = open.iter().filter(|place| matches!(self.operations[**place], Operation::Write { .. }));
            let lost = losses.iter().map(|lost| (lost.as_slice(), None));
            for (lost, torn) in lost.chain(torn.map(|place| (&[][..], Some(*place)))) {
                states += 1;
                let disk = self.state(end, lost, torn);
                if seen.insert((disk.fingerprint(), answered)) && !check(&disk, answered) {
                    return states;
                }
            }
        }
        states
    }

    fn state(&self, end: usize, lost: &[usize], torn: Option<usize>) -> Disk {
        let mut disk = self.before.clone();
        for (place, operation) in self.operations[..end].iter().enumerate().filter(|(place, _)| !lost.contains(place)) {
            match operation {
                Operation::Write { node, bytes } if torn == Some(place) => {
                    disk.apply(&Operation::Write { node: *node, bytes: bytes[..bytes.len() / 2].to_vec() });
                }
                operation => disk.apply(operation),
            }
        }
        disk
    }
}

/// Whether a state is good: readers find the rules kept, the same command works, and leaves what it should. What was
/// answered must be there without that.
pub(crate) fn is_good(scene: &Scene, disk: &Disk, answered: bool, root: &Path) -> Result<(), String> {
    disk.store(root);
    let outcome = examine_quietly(scene, root, answered);
    fs::remove_dir_all(root).unwrap();
    outcome
}
