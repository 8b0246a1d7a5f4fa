//! The refusals that are no value of an enum, word by word in `tests/golden/refusals/bare.txt`.
//!
//! They are found where they are written: every `Problem::new` of every crate, and what crates call in its place, with the sentences it is made of and the hints
//! that follow it. So none can be added, changed or dropped without a line of the file changing, and none has to be listed. What
//! is filled in at run time stands in braces, as in the source.

use std::collections::BTreeSet;
use std::path::Path;

use dcos_testkit::golden::Wrong;

use super::names::{CRATES, sources};

/// What makes a problem: itself, and what crates have for theirs. `unavailable` of the controller says no code.
const CALLS: [&str; 4] = ["Problem::new(", "refusal(", "problem(", "unavailable("];

/// The end of the string literal that `text` begins with, its quotes included.
fn end_of_literal(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `text` up to the first of `ends` that is in no string and in no brackets of its own.
fn upto<'a>(text: &'a str, ends: &[char]) -> &'a str {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(letter) = text[at..].chars().next() {
        match letter {
            _ if depth == 0 && ends.contains(&letter) => return &text[..at],
            '"' => {
                at += end_of_literal(&text[at..]);
                continue;
            }
            // A bracket or a quote as a character.
            '\'' if text[at..].chars().nth(2) == Some('\'') => at += 2,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += letter.len_utf8();
    }
    text
}

/// The string literals of an expression as they are printed; the expression itself if there are none.
fn sentences(expression: &str) -> String {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find('"') {
        let end = start + end_of_literal(&rest[start..]);
        let literal = &rest[start + 1..end];
        let literal = literal.strip_suffix('"').unwrap_or(literal);
        // A line of the source that goes on in the next one.
        let lines: Vec<&str> = literal.split("\\\n").collect();
        let (first, others) = lines.split_first().map_or(("", &[][..]), |(first, others)| (*first, others));
        let text = others.iter().fold(first.to_owned(), |text, line| text + line.trim_start());
        found.push(text.replace("\\\"", "\""));
        rest = &rest[end..];
    }
    let words = || expression.split_whitespace().collect::<Vec<_>>().join(" ");
    if found.is_empty() { format!("{{{}}}", words()) } else { found.join(" | ") }
}

/// What `name` was last bound to before this place of the source.
fn bound<'a>(before: &'a str, name: &str) -> Option<&'a str> {
    let at = before.rfind(&format!("let {name} ="))?;
    Some(upto(&before[at..], &[';']))
}

/// The refusals that a source makes, each a block of lines.
fn refusals(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let calls = CALLS.iter().flat_map(|call| text.match_indices(call));
    for (at, call) in
        calls.filter(|(at, _)| !text[..*at].ends_with(|it: char| it == '.' || it == '_' || it.is_alphanumeric()))
    {
        let mut rest = &text[at + call.len()..];
        let mut arguments = Vec::new();
        while !rest.starts_with(')') && !rest.is_empty() {
            let argument = upto(rest, &[',', ')']);
            rest = &rest[argument.len()..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
            arguments.push(argument.trim());
        }
        arguments.retain(|argument| !argument.is_empty());
        let (code, name, detail) = match arguments[..] {
            [code, name, detail] if call == CALLS[0] || code.contains("Code::") => (code, name, detail),
            [name, detail] if call == "unavailable(" && name.starts_with('"') => {
                ("ExitCode::Unreachable", name, detail)
            }
            // A function of the same name, or what makes problems of an enum, which have pages of their own.
            _ if call != CALLS[0] => continue,
            _ => panic!("a problem is made of three things, and this of {}: {arguments:?}", arguments.len()),
        };
        let is_word = detail.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let detail = Some(detail).filter(|_| is_word).and_then(|word| bound(&text[..at], word)).unwrap_or(detail);
        let mut block =
            format!("# {}: {}\n{}\n", sentences(name), code.trim_start_matches("dcos_core::"), sentences(detail));
        rest = rest.strip_prefix(')').unwrap_or(rest).trim_start();
        while let Some(after) = rest.strip_prefix(".hint(") {
            let hint = upto(after, &[')']);
            block.push_str(&format!("hint: {}\n", sentences(hint.trim().trim_end_matches(','))));
            rest = after[hint.len()..].strip_prefix(')').unwrap_or_default().trim_start();
        }
        blocks.push(block);
    }
    blocks
}

#[test]
fn of_no_enum() {
    let rust = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut texts = Vec::new();
    CRATES.iter().for_each(|name| sources(&rust.join(name), &mut texts));
    let blocks: BTreeSet<String> = texts.iter().flat_map(|text| refusals(text)).collect();
    assert!(blocks.len() > 150, "sources are missing: {} refusals were found", blocks.len());
    let mut wrong = Wrong::default();
    wrong.compare_file("refusals/bare.txt", &blocks.into_iter().collect::<Vec<_>>().join("\n"));
    wrong.none();
}

#[test]
fn a_refusal_is_found_with_its_sentence_and_its_hints() {
    let source = r#"
        let detail = format!("`{id}` \
            is ({}, {})", one, two('('));
        Err(Problem::new(ExitCode::Refused, "too-odd", detail)
            .hint("say \"even\"")
            .hint(format!("or {}", list(","))))
        Problem::new(code, name, error.to_string())
        self.problem(ExitCode::Usage, "of-another", text);
        unavailable("not-leading", "nobody leads".to_owned())
    "#;
    assert_eq!(
        refusals(source),
        [
            "# too-odd: ExitCode::Refused\n`{id}` is ({}, {})\nhint: say \"even\"\nhint: or {} | ,\n",
            "# {name}: code\n{error.to_string()}\n",
            "# not-leading: ExitCode::Unreachable\nnobody leads\n"
        ]
    );
}
