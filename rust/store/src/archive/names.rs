//! Which paths an archive may have, which may stand side by side, and where links may lead.
//!
//! Paths are checked twice: each by itself as it arrives, then all together. Links are resolved at the end within the
//! names of the package alone, the way the kernel would do it: what each of two harmless links says may lead out when
//! one goes by way of the other, so looking at their texts is not enough.

use std::collections::{BTreeMap, HashSet};

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use super::rule::{Refusal, Rule};
use crate::manifest::Content;

/// The longest path, in bytes: with the store's root before it, it stays far below the kernel's 4,096.
const MAX_PATH_BYTES: usize = 1024;

/// The longest component, in bytes: what every file system takes.
const MAX_COMPONENT_BYTES: usize = 255;

/// The most components of a path.
const MAX_DEPTH: usize = 64;

/// The most links on the way to a link's target, as in Linux.
const MAX_LINKS: usize = 40;

/// What there is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A file.
    File,
    /// A directory; not listed if only its content was.
    Directory { listed: bool },
    /// A link and its target.
    Link(String),
}

/// The names of a package.
#[derive(Debug, Default)]
pub(crate) struct Names {
    nodes: BTreeMap<String, Node>,
    folded: HashSet<String>,
    bytes: usize,
}

/// Reads a path as an archive has it; `None` for the top directory, `.` or `./`.
pub(crate) fn parse(name: &[u8]) -> Result<Option<String>, Refusal> {
    let refused = |rule, detail: &str| Err(Refusal::new(rule, detail));
    let Ok(path) = std::str::from_utf8(name) else {
        return refused(Rule::PathEncoding, "the path is not UTF-8");
    };
    if path.is_empty() {
        return refused(Rule::PathEmpty, "the path is empty");
    }
    if path.starts_with('/') {
        return refused(Rule::PathAbsolute, "the path is absolute");
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    if path == "." {
        return Ok(None);
    }
    let path = path.strip_prefix("./").unwrap_or(path);
    if path.len() > MAX_PATH_BYTES || path.split('/').any(|part| part.len() > MAX_COMPONENT_BYTES) {
        return refused(Rule::PathTooLong, "the path or a part of it is too long");
    }
    if path.split('/').count() > MAX_DEPTH {
        return refused(Rule::PathTooDeep, "the path has too many parts");
    }
    if path.split('/').any(|part| part == "..") {
        return refused(Rule::PathParent, "the path has a part `..`");
    }
    if path.split('/').any(|part| part.is_empty() || part == ".") {
        return refused(Rule::PathForm, "the path has an empty part or a part `.`");
    }
    if path.chars().any(is_deceptive) {
        return refused(Rule::PathCharacter, "the path has a character that can't be seen or that turns the text");
    }
    if !is_nfc(path) {
        return refused(Rule::PathNormalization, "the path is not in normal form (NFC)");
    }
    Ok(Some(path.to_owned()))
}

/// Reads a link's target, which may have parts `..`.
pub(crate) fn parse_target(target: &[u8]) -> Result<String, Refusal> {
    match std::str::from_utf8(target) {
        Ok(text)
            if !text.is_empty()
                && !text.starts_with('/')
                && text.len() <= MAX_PATH_BYTES
                && !text.chars().any(is_deceptive) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(Refusal::new(Rule::LinkTarget, "the link's target is not a relative path")),
    }
}

/// Characters that make a name look like another one: control characters, what has no width, what turns the direction
/// of writing, and the separator of other systems.
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\\' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// What two names that look alike have in common.
fn fold(path: &str) -> String {
    path.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

impl Names {
    /// Adds a path, and the directories that lead to it.
    pub(crate) fn add(&mut self, path: &str, node: Node) -> Result<(), Refusal> {
        for (end, _) in path.match_indices('/') {
            let parent = &path[..end];
            match self.nodes.get(parent) {
                None => self.insert(parent, Node::Directory { listed: false })?,
                Some(Node::Directory { .. }) => {}
                Some(Node::File | Node::Link(_)) => {
                    let detail = format!("{parent:?} is not a directory");
                    return Err(Refusal::new(Rule::ParentNotDirectory, detail).at(path));
                }
            }
        }
        match (self.nodes.get(path), &node) {
            (None, _) => self.insert(path, node),
            (Some(Node::Directory { listed: false }), Node::Directory { .. }) => {
                self.nodes.insert(path.to_owned(), node);
                Ok(())
            }
            (Some(_), _) => Err(Refusal::new(Rule::Duplicate, "the path was there before").at(path)),
        }
    }

    fn insert(&mut self, path: &str, node: Node) -> Result<(), Refusal> {
        if !self.folded.insert(fold(path)) {
            return Err(Refusal::new(Rule::Collision, "another path differs in case or look only").at(path));
        }
        self.bytes += path.len();
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    /// How many names there are, and how many bytes they have together.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.nodes.len(), self.bytes)
    }

    /// The links and their targets.
    pub(crate) fn links(&self) -> impl Iterator<Item = (&str, &str)> {
        self.nodes.iter().filter_map(|(path, node)| match node {
            Node::Link(target) => Some((path.as_str(), target.as_str())),
            Node::File | Node::Directory { .. } => None,
        })
    }

    /// What is not a file, as a manifest has it.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&str, Content)> {
        self.nodes.iter().filter_map(|(path, node)| match node {
            Node::File => None,
            Node::Directory { .. } => Some((path.as_str(), Content::Directory)),
            Node::Link(target) => Some((path.as_str(), Content::Link { target: target.clone() })),
        })
    }

    /// Checks that every link leads to something in the package.
    pub(crate) fn check_links(&self) -> Result<(), Refusal> {
        self.links().try_for_each(|(path, target)| {
            let detail = |text| format!("its target {target:?} {text}");
            self.resolve(path, target).map(drop).map_err(|rule| {
                let text = match rule {
                    Rule::LinkEscapes => "leads out of the package",
                    Rule::LinkLoop => "leads in a circle",
                    _ => "is not in the package",
                };
                Refusal::new(rule, detail(text)).at(path)
            })
        })
    }

    /// The path that a link leads to, without any link in it.
    pub(crate) fn resolve(&self, path: &str, target: &str) -> Result<String, Rule> {
        let mut here: Vec<&str> = path.split('/').collect();
        here.pop();
        let mut there: Vec<&str> = target.rsplit('/').collect();
        let mut links = 1;
        while let Some(part) = there.pop() {
            match part {
                "" | "." => continue,
                ".." => {
                    here.pop().ok_or(Rule::LinkEscapes)?;
                    continue;
                }
                name => here.push(name),
            }
            match self.nodes.get_key_value(&here.join("/")) {
                Some((_, Node::Directory { .. })) => {}
                Some((_, Node::File)) if there.is_empty() => {}
                Some((_, Node::File)) | None => return Err(Rule::LinkDangling),
                Some((_, Node::Link(next))) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Rule::LinkLoop);
                    }
                    here.pop();
                    there.extend(next.rsplit('/'));
                }
            }
        }
        Ok(here.join("/"))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Names, Node, Rule, parse};

    fn names(nodes: &[(&str, &str)]) -> Names {
        let mut names = Names::default();
        for (path, target) in nodes {
            let node = match *target {
                "" => Node::File,
                "/" => Node::Directory { listed: true },
                target => Node::Link(target.to_owned()),
            };
            names.add(path, node).unwrap();
        }
        names
    }

    #[test]
    fn paths_are_taken_in_one_form() {
        assert_eq!(parse(b"./a/b/").unwrap().as_deref(), Some("a/b"));
        assert_eq!(parse(b"./").unwrap(), None);
        assert_eq!(parse(b"lib/\xc3\xa9.so").unwrap().as_deref(), Some("lib/é.so"));
        for path in ["././a", "a/./b", "a//b", "a//", ".//a"] {
            assert_eq!(parse(path.as_bytes()).unwrap_err().rule, Rule::PathForm, "{path}");
        }
    }

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let base = [("top/x", ""), ("d1/d2/d3/l", "../../../top"), ("lib/a", "a.1"), ("lib/a.1", "")];
        for (path, target, outcome) in [
            ("ok", "lib/a", Ok("lib/a.1")),
            ("lib/up", "../top/x", Ok("top/x")),
            ("lib/here", ".", Ok("lib")),
            ("out", "../etc", Err(Rule::LinkEscapes)),
            // Its text stays inside; by way of `d1/d2/d3/l` it does not.
            ("sly", "d1/d2/d3/l/../..", Err(Rule::LinkEscapes)),
            ("nothing", "lib/b", Err(Rule::LinkDangling)),
            ("through", "top/x/y", Err(Rule::LinkDangling)),
            ("self", "self", Err(Rule::LinkLoop)),
        ] {
            let mut nodes = base.to_vec();
            nodes.push((path, target));
            assert_eq!(names(&nodes).resolve(path, target), outcome.map(str::to_owned), "{path} -> {target}");
        }
    }
}
