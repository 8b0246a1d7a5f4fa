//! Journals that can't be used are refused by name, and nothing is changed.

use dcos_restart::journal::{Journal, NAME, Unusable};

use crate::world::{Behaviour, OLD, Shared, node};

#[test]
fn truncated_future_and_foreign_journals_are_told_apart() {
    let root = tempfile::tempdir().unwrap();
    let node = node(root.path());
    let world = Shared::new(Behaviour::Good, Behaviour::Good);
    let journal = world.order(&node, Some(OLD));
    let text = String::from_utf8(world.get().documents[NAME].clone()).unwrap();
    assert_eq!(Journal::parse(text.as_bytes(), &node.name()).unwrap(), journal);

    let parse = |text: &str, node: &str| Journal::parse(text.as_bytes(), node).unwrap_err();
    for cut in [0, 1, text.len() / 2, text.len() - 3] {
        assert!(matches!(parse(&text[..cut], &node.name()), Unusable::Unreadable(_)), "{cut}");
    }
    assert!(matches!(parse("{}", &node.name()), Unusable::Unreadable(_)));
    let future = text.replace("\"format\": 1", "\"format\": 2, \"wings\": true");
    assert!(matches!(parse(&future, &node.name()), Unusable::FromTheFuture(2)));
    let unknown = text.replace("\"format\": 1", "\"format\": 1, \"wings\": true");
    assert!(matches!(parse(&unknown, &node.name()), Unusable::Unreadable(_)));
    assert!(matches!(parse(&text, "10.0.0.9:5051"), Unusable::OfAnotherNode { .. }));
}

#[test]
fn a_walker_touches_nothing_with_a_journal_that_it_can_not_use() {
    for (from, to, name) in [
        ("\"format\": 1", "\"format\": 9", "journal-from-the-future"),
        ("\"node\": \"", "\"node\": \"x", "journal-of-another-node"),
        ("}", "", "journal-unreadable"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let node = node(root.path());
        let world = Shared::new(Behaviour::Good, Behaviour::Good);
        world.order(&node, Some(OLD));
        let text = String::from_utf8(world.get().documents[NAME].clone()).unwrap().replace(from, to);
        world.get().documents.insert(NAME.to_owned(), text.clone().into_bytes());
        let problem = world.walker(&node).step().unwrap_err();
        assert_eq!(problem.name(), name);
        assert_eq!(problem.status, 422);
        assert!(problem.detail.contains("nothing was changed"), "{}", problem.detail);
        assert_eq!(world.running(), Some(OLD));
        assert_eq!(world.get().documents[NAME], text.as_bytes());
    }
}
