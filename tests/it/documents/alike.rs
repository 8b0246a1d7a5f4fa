//! Whether an output is the one that a page shows, apart from what is never the same twice.
//!
//! Words that are a time, a date, a digest, or a number with a unit after it count as equal to others of their kind, and so
//! does the width of a table's columns. What else varies is `…` on the page: any text within a line, or, as a line of its own,
//! any lines.

/// The units of what is measured: a number before one of them may differ.
const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "ms", "s"];

/// Whether `found` is what `shown` shows.
pub(super) fn alike(shown: &str, found: &str) -> bool {
    let lines = |text: &str| text.trim_end().lines().map(steady).collect::<Vec<_>>();
    all_match(&lines(shown), &lines(found))
}

fn all_match(shown: &[String], found: &[String]) -> bool {
    match shown.split_first() {
        None => found.is_empty(),
        Some((first, rest)) if first == "…" => (0..=found.len()).any(|skipped| all_match(rest, &found[skipped..])),
        Some((first, rest)) => {
            found.split_first().is_some_and(|(line, lines)| line_matches(first, line) && all_match(rest, lines))
        }
    }
}

fn line_matches(shown: &str, found: &str) -> bool {
    match shown.split_once('…') {
        None => shown == found,
        Some((before, after)) => found.strip_prefix(before).is_some_and(|rest| {
            let mut ends = rest.char_indices().map(|(place, _)| place).chain([rest.len()]);
            ends.any(|end| line_matches(after, &rest[end..]))
        }),
    }
}

/// A line with what varies named instead of shown.
fn steady(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let words: Vec<&str> = line.split_whitespace().collect();
    let named: Vec<&str> = (0..words.len()).map(|place| name(words[place], words.get(place + 1).copied())).collect();
    // Columns are as wide as their widest value: how many spaces there are says nothing.
    format!("{}{}", " ".repeat(indent), named.join(" "))
}

fn name<'a>(word: &'a str, next: Option<&str>) -> &'a str {
    let bare = word.trim_matches(|character: char| !character.is_ascii_alphanumeric());
    let digits_like = |pattern: &str| {
        bare.len() == pattern.len()
            && bare.chars().zip(pattern.chars()).all(|(found, wanted)| match wanted {
                '0' => found.is_ascii_digit(),
                other => found == other,
            })
    };
    if digits_like("00:00:00") || digits_like("00:00:00Z") || digits_like("0000-00-00T00:00:00Z") {
        return "<time>";
    }
    if digits_like("0000-00-00") {
        return "<date>";
    }
    let hexadecimal = bare.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if hexadecimal && matches!(bare.len(), 12 | 64) {
        return "<digest>";
    }
    let unit = next.map(|word| word.trim_matches(|character: char| !character.is_ascii_alphanumeric()));
    if bare.parse::<f64>().is_ok() && unit.is_some_and(|unit| UNITS.contains(&unit)) {
        return "<amount>";
    }
    word
}

#[test]
fn what_varies_may_and_nothing_else() {
    let shown = "21:34:08 d1 fetching\n…\nid  a  25.21 MiB  e64a2454c966\ndone in … steps\n";
    let found = |last: &str| format!("09:00:00 d1 fetching\none\ntwo\nid     a  7 MiB      0123456789ab\n{last}\n");
    assert!(alike(shown, &found("done in 7 steps")));
    assert!(!alike(shown, &found("done in 7 stages")));
    assert!(!alike(shown, &found("done in 7 steps\nmore")));
    assert!(!alike(shown, "09:00:00 d2 fetching\nid  a  7 MiB  0123456789ab\ndone in 7 steps\n"));
    assert!(!alike("exit 3", "exit 4") && !alike("", "something") && alike("", "\n"));
    assert!(!alike("  - indented", "- indented"), "an indent says something");
}
