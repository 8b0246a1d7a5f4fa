//! A file system in memory, and what a victim did to it, read from what `strace` wrote.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use dcos_core::Sha256;

/// A file, directory or link, by its place in [`Disk::nodes`].
pub(crate) type NodeId = usize;

/// What is at a node.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Directory(BTreeMap<String, NodeId>),
    File { bytes: Vec<u8>, mode: u32 },
    Link(String),
}

/// A tree. Node 0 is its root.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) nodes: Vec<Node>,
}

/// A change, or a sync.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// A new node gets a name.
    Make {
        parent: NodeId,
        name: String,
        node: NodeId,
    },
    Rename {
        parent: NodeId,
        name: String,
        to: NodeId,
        new_name: String,
        exchange: bool,
    },
    Unlink {
        parent: NodeId,
        name: String,
    },
    Write {
        node: NodeId,
        bytes: Vec<u8>,
    },
    Truncate {
        node: NodeId,
        length: usize,
    },
    Mode {
        node: NodeId,
        mode: u32,
    },
    Sync {
        node: NodeId,
    },
    SyncAll,
}

impl Operation {
    pub(crate) fn is_sync(&self) -> bool {
        matches!(self, Self::Sync { .. } | Self::SyncAll)
    }

    /// Whether a sync of `node` makes this durable.
    pub(crate) fn belongs_to(&self, synced: NodeId) -> bool {
        match self {
            Self::Make { parent, .. } | Self::Unlink { parent, .. } => *parent == synced,
            // One transaction of the file system's journal: both directories or neither.
            Self::Rename { parent, to, .. } => *parent == synced || *to == synced,
            Self::Write { node, .. } | Self::Truncate { node, .. } | Self::Mode { node, .. } => *node == synced,
            Self::Sync { .. } | Self::SyncAll => false,
        }
    }
}

impl Disk {
    /// Reads a tree.
    pub(crate) fn load(root: &Path) -> Self {
        let mut disk = Self { nodes: vec![Node::Directory(BTreeMap::new())] };
        disk.load_into(0, root);
        disk
    }

    fn load_into(&mut self, directory: NodeId, path: &Path) {
        let Ok(entries) = fs::read_dir(path) else { return };
        for entry in entries.map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            let node = self.nodes.len();
            self.nodes.push(if kind.is_dir() {
                Node::Directory(BTreeMap::new())
            } else if kind.is_symlink() {
                Node::Link(fs::read_link(entry.path()).unwrap().to_str().unwrap().to_owned())
            } else {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
                Node::File { bytes: fs::read(entry.path()).unwrap(), mode }
            });
            self.names(directory).insert(entry.file_name().to_str().unwrap().to_owned(), node);
            if kind.is_dir() {
                self.load_into(node, &entry.path());
            }
        }
    }

    /// Writes the tree to `root`, which is not there.
    pub(crate) fn store(&self, root: &Path) {
        self.store_node(0, root);
    }

    fn store_node(&self, node: NodeId, path: &Path) {
        match &self.nodes[node] {
            Node::Directory(names) => {
                fs::create_dir_all(path).unwrap();
                names.iter().for_each(|(name, node)| self.store_node(*node, &path.join(name)));
            }
            Node::File { bytes, mode } => {
                fs::write(path, bytes).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
            }
            Node::Link(target) => symlink(target, path).unwrap(),
        }
    }

    /// The digest of everything in it, to know a state that was seen before.
    pub(crate) fn fingerprint(&self) -> Sha256 {
        let mut text = String::new();
        self.print(0, &mut text);
        Sha256::of(text.as_bytes())
    }

    /// Where a node is.
    pub(crate) fn path(&self, wanted: NodeId) -> Option<String> {
        self.path_below(0, wanted)
    }

    fn path_below(&self, directory: NodeId, wanted: NodeId) -> Option<String> {
        if directory == wanted {
            return Some(String::new());
        }
        let Node::Directory(names) = &self.nodes[directory] else { return None };
        names.iter().find_map(|(name, node)| Some(format!("/{name}{}", self.path_below(*node, wanted)?)))
    }

    fn print(&self, node: NodeId, text: &mut String) {
        match &self.nodes[node] {
            Node::Directory(names) => {
                text.push('{');
                for (name, node) in names {
                    text.push_str(name);
                    self.print(*node, text);
                }
                text.push('}');
            }
            Node::File { bytes, mode } => write!(text, ":{mode:o}:{bytes:?}").unwrap(),
            Node::Link(target) => write!(text, "@{target:?}").unwrap(),
        }
    }

    fn names(&mut self, directory: NodeId) -> &mut BTreeMap<String, NodeId> {
        match &mut self.nodes[directory] {
            Node::Directory(names) => names,
            node => panic!("not a directory: {node:?}"),
        }
    }

    /// The node at a path below the root.
    fn find(&self, path: &str) -> Option<NodeId> {
        let mut node = 0;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            match &self.nodes[node] {
                Node::Directory(names) => node = *names.get(part)?,
                _ => return None,
            }
        }
        Some(node)
    }

    fn lookup(&self, directory: NodeId, name: &str) -> Option<NodeId> {
        match &self.nodes[directory] {
            Node::Directory(names) => names.get(name).copied(),
            _ => None,
        }
    }

    /// Does what an operation does. One whose ground is missing, since an earlier one was lost, does nothing.
    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Make { parent, name, node } => drop(self.names(*parent).insert(name.clone(), *node)),
            Operation::Unlink { parent, name } => drop(self.names(*parent).remove(name)),
            Operation::Rename { parent, name, to, new_name, exchange } => {
                let Some(moved) = self.names(*parent).remove(name) else { return };
                let replaced = self.names(*to).insert(new_name.clone(), moved);
                if let (true, Some(replaced)) = (*exchange, replaced) {
                    self.names(*parent).insert(name.clone(), replaced);
                }
            }
            Operation::Write { node, bytes: more } => {
                if let Node::File { bytes, .. } = &mut self.nodes[*node] {
                    bytes.extend_from_slice(more);
                }
            }
            Operation::Truncate { node, length } => {
                if let Node::File { bytes, .. } = &mut self.nodes[*node] {
                    bytes.truncate(*length);
                }
            }
            Operation::Mode { node, mode: new } => {
                if let Node::File { mode, .. } = &mut self.nodes[*node] {
                    *mode = *new;
                }
            }
            Operation::Sync { .. } | Operation::SyncAll => {}
        }
    }

    /// Reads what `strace -f -xx -y` wrote of a victim at work on `root`. The disk is the one before, and gets every node
    /// that is made; names are given to them only by [`Disk::apply`].
    pub(crate) fn operations(&mut self, log: &str, root: &Path) -> Vec<Operation> {
        let mut live = self.clone();
        let mut operations = Vec::new();
        for line in joined(log) {
            let Some(call) = Call::parse(&line) else { continue };
            if let Some(operation) = live.understand(&call, root.to_str().unwrap()) {
                // A new node as it is made: empty. What is written to it comes with the operations.
                self.nodes.extend_from_slice(&live.nodes[self.nodes.len()..]);
                live.apply(&operation);
                operations.push(operation);
            }
        }
        operations
    }

    fn made(&mut self, parent: NodeId, name: &str, node: Node) -> Operation {
        self.nodes.push(node);
        Operation::Make { parent, name: name.to_owned(), node: self.nodes.len() - 1 }
    }

    fn understand(&mut self, call: &Call, root: &str) -> Option<Operation> {
        let inside = |path: &str| path.strip_prefix(root).map(str::to_owned);
        let node = |disk: &Self, place: usize| disk.find(&inside(call.arguments.get(place)?)?);
        match call.name.as_str() {
            "openat" if call.flags().contains("O_CREAT") => {
                let (parent, name) = (node(self, 0)?, &call.arguments[1]);
                match self.lookup(parent, name) {
                    Some(_) => None,
                    None => {
                        let mode = u32::from_str_radix(call.arguments.get(3)?.trim_start_matches('0'), 8).ok()?;
                        Some(self.made(parent, name, Node::File { bytes: Vec::new(), mode }))
                    }
                }
            }
            "mkdirat" => Some(self.made(node(self, 0)?, &call.arguments[1], Node::Directory(BTreeMap::new()))),
            "mkdir" => {
                let path = inside(&call.arguments[0])?;
                let (parent, name) = path.rsplit_once('/')?;
                Some(self.made(self.find(parent)?, name, Node::Directory(BTreeMap::new())))
            }
            "symlinkat" => {
                let (target, parent) = (call.arguments[0].clone(), node(self, 1)?);
                Some(self.made(parent, &call.arguments[2], Node::Link(target)))
            }
            "renameat" | "renameat2" => Some(Operation::Rename {
                parent: node(self, 0)?,
                name: call.arguments[1].clone(),
                to: node(self, 2)?,
                new_name: call.arguments[3].clone(),
                exchange: call.flags().contains("RENAME_EXCHANGE"),
            }),
            "unlinkat" => Some(Operation::Unlink { parent: node(self, 0)?, name: call.arguments[1].clone() }),
            "write" => Some(Operation::Write { node: node(self, 0)?, bytes: call.bytes.clone() }),
            "ftruncate" => Some(Operation::Truncate { node: node(self, 0)?, length: call.arguments[1].parse().ok()? }),
            "fchmod" => {
                let mode = u32::from_str_radix(call.arguments[1].trim_start_matches('0'), 8).ok()?;
                let node = node(self, 0)?;
                matches!(self.nodes[node], Node::File { .. }).then_some(Operation::Mode { node, mode })
            }
            "fsync" => Some(Operation::Sync { node: node(self, 0)? }),
            "syncfs" => Some(Operation::SyncAll),
            _ => None,
        }
    }
}

/// A call that succeeded.
struct Call {
    name: String,
    /// Handles as their paths, texts as texts, others as they are.
    arguments: Vec<String>,
    /// The bytes of the second argument.
    bytes: Vec<u8>,
}

impl Call {
    fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(") = ")?;
        if result.starts_with('-') || result.starts_with('?') {
            return None;
        }
        // Everything between quotes and brackets is hexadecimal, so no comma in it ends an argument.
        let parts: Vec<&str> = arguments.split(", ").collect();
        let bytes = parts.get(1).map(|part| decode(part)).unwrap_or_default();
        let text = |part: &&str| match (part.find('<'), part.starts_with('"')) {
            (_, true) => String::from_utf8_lossy(&decode(part)).into_owned(),
            (Some(place), false) => String::from_utf8_lossy(&decode(&part[place..])).into_owned(),
            (None, false) => (*part).to_owned(),
        };
        Some(Self { name: name.to_owned(), arguments: parts.iter().map(text).collect(), bytes })
    }

    fn flags(&self) -> &str {
        self.arguments.iter().rev().find(|part| part.contains('_')).map_or("", |part| part)
    }
}

/// The bytes of `"\x61\x62"` or `<\x61\x62>`.
fn decode(text: &str) -> Vec<u8> {
    let digits = text.trim_matches(['"', '<', '>']);
    digits.split("\\x").skip(1).map(|byte| u8::from_str_radix(&byte[..2], 16).unwrap()).collect()
}

/// The lines of the log without their threads, in one piece where another thread came in between.
fn joined(log: &str) -> Vec<String> {
    let mut begun: BTreeMap<&str, String> = BTreeMap::new();
    let mut lines = Vec::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(beginning) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, beginning.to_owned());
        } else if let Some((_, end)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            lines.push(format!("{}{end}", begun.remove(thread).unwrap_or_default()));
        } else {
            lines.push(rest.to_owned());
        }
    }
    lines
}
