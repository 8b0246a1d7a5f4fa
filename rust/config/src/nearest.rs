//! The known name that a typo is nearest to.

/// The one of `known` that `text` was probably meant to be; `None` if nothing is near.
///
/// Near means at most one edit per three characters, and one for shorter names: `rol` is near `role`, and `fla` is not
/// near `group`. Of equally near names the first one in `known` is taken.
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (text.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (distance(text, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A hint that names the nearest known name, or else all of them.
pub(crate) fn did_you_mean<'a>(text: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(name) = nearest(text, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let names: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("known here: {}", names.join(", ")))
}

/// The number of characters to insert, remove, replace or swap with their neighbour to get from one text to another.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, left) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, right) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(left != right);
            let mut cost = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *left == to[column - 1] && from[row - 1] == *right {
                cost = cost.min(before_last[column - 1] + 1);
            }
            current.push(cost);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances_count_edits() {
        for (from, to, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("role", "role", 0),
            ("rloe", "role", 1),
            ("roel", "role", 1),
            ("limt", "limit", 1),
            ("limitt", "limit", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(from, to), edits, "{from} {to}");
            assert_eq!(distance(to, from), edits, "{to} {from}");
        }
    }

    #[test]
    fn what_is_far_from_everything_has_no_nearest() {
        let known = ["role", "group", "modules", "flags", "parameters"];
        assert_eq!(nearest("paramters", known), Some("parameters"));
        assert_eq!(nearest("modlues", known), Some("modules"));
        assert_eq!(nearest("resources", known), None);
    }
}
