//! A loss of power at every instant: what was not synced may be there, may be missing, or may be torn.
//!
//! A victim's calls are recorded, and played on a file system in memory. At every point of the record, whatever a sync
//! has covered is there. Of the rest all is there, or nothing, or all but any one or any two, or a write is torn in half
//! (the model of Pillai et al., OSDI 2014). Each state that differs from those before is put on a disk and must be good.

use std::collections::{BTreeSet, HashSet};
use std::fs;

use dcos_core::Sha256;

use crate::disk::{Disk, Operation};
use crate::examine::examined;
use crate::scenes::Scene;

/// One in so many states is checked where not all are; those after the answer always.
const SHARE: usize = 16;

/// What is traced: every change and every sync.
const TRACED: &str = "openat,mkdir,mkdirat,write,fchmod,fsync,syncfs,renameat,renameat2,unlinkat,symlinkat,ftruncate";

/// Every state that a loss of power may leave is good.
pub(crate) fn run(scenes: &[Scene]) {
    let (mut states, mut checked) = (0, 0);
    for scene in scenes {
        let record = Record::of(scene);
        let (mut seen, mut distinct) = (Seen::new(), 0);
        let count = record.states(None, &mut seen, |disk, answered| {
            distinct += 1;
            if answered || crate::chosen(distinct, SHARE) {
                checked += 1;
                let outcome = is_good(scene, disk, answered);
                assert!(outcome.is_ok(), "{}: a loss of power leaves {}", scene.name, outcome.unwrap_err());
            }
            true
        });
        states += count;
        println!("{:9} {count} states after a loss of power, {distinct} of them distinct", scene.name);
    }
    println!("{states} states after a loss of power, {checked} checked: all good");
}

/// The states that were seen, each with whether the command had answered.
pub(crate) type Seen = HashSet<(Sha256, bool)>;

/// A victim's record.
pub(crate) struct Record {
    pub(crate) before: Disk,
    pub(crate) operations: Vec<Operation>,
}

impl Record {
    /// Lets the victim do its work and writes down how.
    pub(crate) fn of(scene: &Scene) -> Self {
        let root = scene.copy();
        let mut before = Disk::load(&root);
        let log = scene.node.path("record");
        let trace = format!("trace={TRACED}");
        let mut options = vec!["-xx", "-y", "-s", "1000000", "-e", &trace, "-o", log.to_str().unwrap()];
        options.extend(scene.fault.iter().flat_map(|fault| ["-e", fault]));
        let output = scene.strace(&root, &options);
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

    /// Which of the first `end` operations are durable, without the one at `without`.
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
    /// whether the command had answered by then. The operation at `without` never happens; then the last states come
    /// first, which are soonest bad.
    pub(crate) fn states(
        &self,
        without: Option<usize>,
        seen: &mut Seen,
        mut check: impl FnMut(&Disk, bool) -> bool,
    ) -> usize {
        let mut states = 0;
        let last = self.operations.len();
        for point in 0..=last {
            let end = if without.is_some() { last - point } else { point };
            let answered = end == self.operations.len();
            let durable = self.durable(end, without);
            let changes = |place: &usize| !self.operations[*place].is_sync() && Some(*place) != without;
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
                let disk = self.state(end, without, lost, torn);
                if seen.insert((disk.fingerprint(), answered)) && !check(&disk, answered) {
                    return states;
                }
            }
        }
        states
    }

    fn state(&self, end: usize, without: Option<usize>, lost: &[usize], torn: Option<usize>) -> Disk {
        let mut disk = self.before.clone();
        let happened = |place: &usize| !lost.contains(place) && Some(*place) != without;
        for (place, operation) in self.operations[..end].iter().enumerate().filter(|(place, _)| happened(place)) {
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
pub(crate) fn is_good(scene: &Scene, disk: &Disk, answered: bool) -> Result<(), String> {
    // Where it was recorded: a generation knows its own place.
    let copy = scene.copy_place();
    disk.store(&copy);
    let outcome = examined(scene, &copy, answered);
    fs::remove_dir_all(copy).unwrap();
    outcome
}
