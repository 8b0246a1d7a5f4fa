//! What of a Markdown page is executed, and where its links lead.
//!
//! The pages are sessions in a shell, with pipes, variables and servers in the background, and a later command builds on an
//! earlier one. That is why this is ours and not `trycmd`, which starts each command by itself and without a shell.
//!
//! A fenced block is executed if its first line says so:
//!
//! | block | is |
//! |---|---|
//! | `console run` | commands after `$ `, each with the output that must follow it |
//! | `console run mesos` | the same; the page needs real Mesos and built packages |
//! | `toml file=PATH` | (or another language) a file that is written before the next command |
//!
//! A command goes on in the next line after a `\`. It must succeed, unless the next one is `echo $?`, which shows its code.

/// Something that is done on the page's machine, with the number of the line where the page says it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Write { line: usize, path: String, content: String },
    Run { line: usize, command: String, output: String },
}

/// A page, as far as it is executed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) steps: Vec<Step>,
    pub(super) needs_mesos: bool,
}

impl Page {
    pub(super) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        for block in blocks(text) {
            let mut words = block.info.split_whitespace();
            let language = words.next().unwrap_or_default();
            let rest: Vec<&str> = words.collect();
            if let Some(path) = rest.iter().find_map(|word| word.strip_prefix("file=")) {
                let content = block.lines.iter().map(|line| format!("{line}\n")).collect();
                page.steps.push(Step::Write { line: block.line, path: path.to_owned(), content });
            } else if language == "console" && rest.contains(&"run") {
                page.needs_mesos |= rest.contains(&"mesos");
                page.steps.extend(commands(&block));
            } else {
                assert!(!rest.contains(&"run"), "line {}: only `console` blocks are run", block.line);
            }
        }
        page
    }
}

struct Block<'a> {
    /// The number of its first line within the fence.
    line: usize,
    info: &'a str,
    lines: Vec<&'a str>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(info), None) => open = Some(Block { line: number + 1, info, lines: Vec::new() }),
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some(block)) => block.lines.push(line),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    found
}

fn commands(block: &Block<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = (block.line..).zip(block.lines.iter().copied()).peekable();
    while let Some((number, line)) = lines.next() {
        let first = line.strip_prefix("$ ");
        let mut command = first.unwrap_or_else(|| panic!("line {number}: a block begins with a command")).to_owned();
        while command.ends_with('\\') {
            let (_, more) = lines.next().unwrap_or_else(|| panic!("line {number}: nothing follows the `\\`"));
            command.push('\n');
            command.push_str(more);
        }
        let mut output = String::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.starts_with("$ ")) {
            output.push_str(line);
            output.push('\n');
        }
        steps.push(Step::Run { line: number, command, output });
    }
    steps
}

/// The targets of a page's links, with the numbers of their lines; code is left out.
pub(super) fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for (place, _) in prose.match_indices("](") {
            let target = &prose[place + 2..];
            if let Some(end) = target.find(')') {
                found.push((number, target[..end].to_owned()));
            }
        }
        for attribute in ["src=\"", "srcset=\"", "href=\""] {
            for (place, _) in prose.match_indices(attribute) {
                let target = &prose[place + attribute.len()..];
                found.extend(target.find('"').map(|end| (number, target[..end].to_owned())));
            }
        }
    }
    found
}

/// The anchors that a page's headings have, as GitHub makes them.
pub(super) fn anchors(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        let heading = line.trim_start_matches('#');
        if !in_code && heading.len() < line.len() && heading.starts_with(' ') {
            let anchor: String = heading
                .trim()
                .to_lowercase()
                .chars()
                .filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_'))
                .map(|character| if character == ' ' { '-' } else { character })
                .collect();
            found.push(anchor);
        }
    }
    found
}

#[test]
fn a_page_is_taken_apart() {
    let text = "# On `dcos` and you!\n[a](b.md#c) `[not](this)`\n```toml file=/etc/x\nkey = 1\n```\n\
                ```console run mesos\n$ one \\\n  more\nsays\n\nthis\n$ two\n```\n```\n[not](that)\n```\n";
    let page = Page::parse(text);
    assert!(page.needs_mesos);
    assert_eq!(
        page.steps,
        [
            Step::Write { line: 4, path: "/etc/x".to_owned(), content: "key = 1\n".to_owned() },
            Step::Run { line: 7, command: "one \\\n  more".to_owned(), output: "says\n\nthis\n".to_owned() },
            Step::Run { line: 12, command: "two".to_owned(), output: String::new() },
        ]
    );
    assert_eq!(links(text), [(2, "b.md#c".to_owned())]);
    assert_eq!(anchors(text), ["on-dcos-and-you"]);
}
