//! The nodes of a deployment, filed by where they stand.
//!
//! A deployment over ten thousand nodes takes in hundreds of thousands of answers. None of them may cost a look at every
//! node, so the nodes lie on shelves: those that fetch, those that may start, those under way, and so on, each shelf in
//! the order of the plan. A second order is by the time at which a node is to be asked again.
//!
//! A node is changed through [`Members::edit`] only, whose guard files it anew when it is dropped: the shelves can't come
//! to say something else than the nodes.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut, RangeInclusive};

use crate::state::{Member, Stage};

/// Where nodes are found by where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// Nothing is local yet, or not everything.
    ToFetch,
    /// Everything is local.
    Fetched,
    /// Their turn to start may come.
    Ready,
    /// The same, on the way back to the old set.
    Returning,
    /// Between `begin` and the end of their attempt.
    UnderWay,
    /// They run what they should.
    Settled,
    /// They do, and have chores to do.
    Tidying,
    /// They used up some of the deployment's tolerance.
    Failed,
    /// They are left as they are.
    Skipped,
}

const SHELVES: usize = 9;

impl Shelf {
    const fn of(member: &Member) -> Self {
        match member.stage {
            Stage::Waiting | Stage::Fetching => Self::ToFetch,
            Stage::Fetched => Self::Fetched,
            Stage::Ready if member.back => Self::Returning,
            Stage::Ready => Self::Ready,
            Stage::Beginning | Stage::Going | Stage::Watching(_) | Stage::Checking => Self::UnderWay,
            Stage::Settled => Self::Settled,
            Stage::Tidying => Self::Tidying,
            Stage::Doubtful | Stage::Refused | Stage::Failed | Stage::FellBack | Stage::Lost => Self::Failed,
            Stage::Skipped => Self::Skipped,
        }
    }
}

/// What a node is filed by.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Filing {
    shelf: Shelf,
    /// When it is to be asked again, if it is on a shelf whose nodes are asked and no question is out.
    due: Option<u64>,
    late: bool,
}

impl Filing {
    fn of(member: &Member) -> Self {
        let shelf = Shelf::of(member);
        let asked = matches!(shelf, Shelf::ToFetch | Shelf::Fetched | Shelf::UnderWay | Shelf::Tidying);
        let due = (asked && member.work.token.is_none()).then_some(member.work.due);
        Self { shelf, due, late: member.late }
    }
}

/// The nodes of a deployment, in the order of the plan.
#[derive(Debug, Default)]
pub(crate) struct Members {
    all: Vec<Member>,
    shelves: [BTreeSet<usize>; SHELVES],
    due: [BTreeSet<(u64, usize)>; SHELVES],
    late: BTreeSet<usize>,
}

impl Members {
    pub(crate) fn new(all: Vec<Member>) -> Self {
        let mut members = Self::default();
        all.into_iter().for_each(|member| members.push(member));
        members
    }

    /// Adds a node at the end.
    pub(crate) fn push(&mut self, member: Member) {
        let (index, filing) = (self.all.len(), Filing::of(&member));
        self.all.push(member);
        self.file(index, filing);
    }

    /// The node, to be changed.
    pub(crate) fn edit(&mut self, index: usize) -> Editing<'_> {
        let before = Filing::of(&self.all[index]);
        Editing { members: self, index, before }
    }

    /// The places of the nodes on a shelf, in the order of the plan.
    pub(crate) fn on(&self, shelf: Shelf) -> &BTreeSet<usize> {
        &self.shelves[shelf as usize]
    }

    /// The places of the nodes of a shelf, to be gone through while they are changed.
    pub(crate) fn list(&self, shelf: Shelf) -> Vec<usize> {
        self.on(shelf).iter().copied().collect()
    }

    /// Whether any of the nodes in that range has not had its turn.
    pub(crate) fn any_open_in(&self, range: &RangeInclusive<usize>) -> bool {
        let open = [Shelf::ToFetch, Shelf::Fetched, Shelf::Ready, Shelf::Returning, Shelf::UnderWay];
        open.iter().any(|shelf| self.on(*shelf).range(range.clone()).next().is_some())
    }

    /// Whether any node has not had its turn.
    pub(crate) fn any_open(&self) -> bool {
        self.any_open_in(&(0..=usize::MAX))
    }

    /// The places of the nodes of a shelf that are to be asked by now, in the order of the plan.
    pub(crate) fn due(&self, shelf: Shelf, now: u64) -> Vec<usize> {
        let mut due: Vec<usize> =
            self.due[shelf as usize].range(..=(now, usize::MAX)).map(|(_, index)| *index).collect();
        due.sort_unstable();
        due
    }

    /// The places of the nodes that shall be caught up when they come back.
    pub(crate) const fn late(&self) -> &BTreeSet<usize> {
        &self.late
    }

    fn file(&mut self, index: usize, filing: Filing) {
        self.shelves[filing.shelf as usize].insert(index);
        if let Some(due) = filing.due {
            self.due[filing.shelf as usize].insert((due, index));
        }
        if filing.late {
            self.late.insert(index);
        }
    }

    fn unfile(&mut self, index: usize, filing: Filing) {
        self.shelves[filing.shelf as usize].remove(&index);
        if let Some(due) = filing.due {
            self.due[filing.shelf as usize].remove(&(due, index));
        }
        if filing.late {
            self.late.remove(&index);
        }
    }
}

impl Deref for Members {
    type Target = [Member];

    fn deref(&self) -> &[Member] {
        &self.all
    }
}

/// A node that is being changed; filed anew when dropped.
pub(crate) struct Editing<'a> {
    members: &'a mut Members,
    index: usize,
    before: Filing,
}

impl Deref for Editing<'_> {
    type Target = Member;

    fn deref(&self) -> &Member {
        &self.members.all[self.index]
    }
}

impl DerefMut for Editing<'_> {
    fn deref_mut(&mut self) -> &mut Member {
        &mut self.members.all[self.index]
    }
}

impl Drop for Editing<'_> {
    fn drop(&mut self) {
        let after = Filing::of(&self.members.all[self.index]);
        if after != self.before {
            self.members.unfile(self.index, self.before);
            self.members.file(self.index, after);
        }
    }
}
