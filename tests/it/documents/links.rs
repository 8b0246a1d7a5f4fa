//! Every link between pages leads somewhere.

use std::path::Path;

use super::page::{anchors, links};
use super::{pages, text};

#[test]
fn every_relative_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for page in pages() {
        for (line, target) in links(&text(&page)) {
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let folder = page.parent().unwrap();
            let led = if path.is_empty() { page.clone() } else { folder.join(path) };
            let place = format!("{}:{line}: {target}", page.display());
            if !tree.join(&led).exists() {
                broken.push(place);
            } else if !anchor.is_empty() && !anchors(&text(&led)).iter().any(|known| known == anchor) {
                broken.push(format!("{place}: there is no such heading"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_page_is_reached_from_the_readme() {
    let mut reached = vec![Path::new("README.md").to_owned()];
    let mut next = 0;
    while let Some(page) = reached.get(next).cloned() {
        next += 1;
        for (_, target) in links(&text(&page)) {
            let path = target.split('#').next().unwrap_or_default();
            let led = normal(&page.parent().unwrap().join(path));
            // A link to a folder is one to everything in it.
            for page in
                pages().into_iter().filter(|page| *page == led || (path.ends_with('/') && page.starts_with(&led)))
            {
                if !target.contains("://") && !reached.contains(&page) {
                    reached.push(page);
                }
            }
        }
    }
    let lost: Vec<_> = pages().into_iter().filter(|page| !reached.contains(page)).collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

/// The path without `..` and `.`.
fn normal(path: &Path) -> std::path::PathBuf {
    path.components().fold(std::path::PathBuf::new(), |mut path, part| {
        match part {
            std::path::Component::ParentDir => {
                path.pop();
            }
            std::path::Component::CurDir => {}
            other => path.push(other),
        }
        path
    })
}
