//! The commands of a page, run on a clean machine (`tests/documents/machine`), and what they print compared.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::alike::alike;
use super::page::{Page, Step};
use super::{pages, text};
use crate::harness::target;

/// How long a page may take, in seconds: far more than any needs.
const DEADLINE: &str = "300";

/// Stands between what the shell and what the commands print.
const MARK: char = '\u{1e}';

/// The shell script that takes the steps. Around each command it prints its number and its code.
fn script(steps: &[Step]) -> String {
    let mut script = "exec </dev/null 2>&1\nlast=0\n".to_owned();
    for (number, step) in steps.iter().enumerate() {
        let _ = match step {
            Step::Write { path, content, .. } => {
                // No line of a file of ours is the word that ends it here.
                write!(
                    script,
                    "mkdir -p \"$(dirname {path})\"\ncat >{path} <<'END OF THE FILE'\n{content}END OF THE FILE\n"
                )
            }
            Step::Run { command, .. } => write!(
                script,
                "printf '{MARK}%s ' {number}\n(exit $last)\n{{ {command}\n}}\nlast=$?\nprintf '{MARK}code %s\\n' $last\n"
            ),
        };
    }
    script
}

/// What was printed by each command, by its number, and its code.
fn outcomes(printed: &str) -> Vec<(usize, String, String)> {
    let parts: Vec<&str> = printed.split(MARK).skip(1).collect();
    let pairs = parts.chunks(2).map(|pair| {
        let (number, output) = pair[0].split_once(' ').unwrap_or((pair[0], ""));
        let code = pair.get(1).and_then(|code| code.strip_prefix("code ")).unwrap_or("none: the page ended in it");
        (number.parse().unwrap(), output.to_owned(), code.trim().to_owned())
    });
    pairs.collect()
}

/// Runs a page; answers everything that was not as it says.
fn run(page: &Path, parsed: &Page, programs: &Path, packages: Option<&Path>) -> String {
    let folder = tempfile::Builder::new().prefix("dcos-bits-page.").tempdir().unwrap();
    let machine = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/machine");
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", DEADLINE]).arg(machine).arg(folder.path()).arg(programs).args(packages);
    // From a file: in the arguments of a process the store would find every path of the page in use.
    command.args(["--", "bash", "-c", "cat >/tmp/page && exec bash /tmp/page"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), script(&parsed.steps).as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&ended.stdout);
    let outcomes = outcomes(&printed);
    let mut wrong = String::new();
    let runs = parsed.steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Run { .. })).count();
    if outcomes.len() < runs {
        let stderr = String::from_utf8_lossy(&ended.stderr);
        let _ = writeln!(wrong, "{}: {} of {runs} commands were run: {stderr}", page.display(), outcomes.len());
    }
    for (number, found, code) in outcomes {
        let Step::Run { line, command, output } = &parsed.steps[number] else { continue };
        let place = format!("{}:{line}: $ {command}", page.display());
        let shows_code =
            matches!(parsed.steps.get(number + 1), Some(Step::Run { command, .. }) if command == "echo $?");
        if code != "0" && !shows_code {
            let _ = writeln!(wrong, "{place}\nended with code {code}, and the page does not say so:\n{found}");
        } else if !alike(output, &found) {
            let _ = writeln!(wrong, "{place}\n--- the page shows\n{output}--- it printed\n{found}");
        }
    }
    wrong
}

/// The pages with something to run that need Mesos, or those that don't.
fn executed(with_mesos: bool) -> Vec<(PathBuf, Page)> {
    let parsed = pages().into_iter().map(|page| (Page::parse(&text(&page)), page));
    let with_steps = parsed.filter(|(parsed, _)| !parsed.steps.is_empty() && parsed.needs_mesos == with_mesos);
    with_steps.map(|(parsed, page)| (page, parsed)).collect()
}

/// Runs the pages beside each other; answers everything that was not as they say.
fn wrong(pages: &[(PathBuf, Page)], programs: &Path, packages: Option<&Path>) -> String {
    assert!(pages.len() > 1, "hardly a page has a block that is run: {pages:?}");
    std::thread::scope(|scope| {
        let running: Vec<_> = pages
            .iter()
            .filter(|(page, _)| wanted(page))
            .map(|(page, parsed)| scope.spawn(move || run(page, parsed, programs, packages)))
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// The pages whose name contains `DCOS_BITS_PAGE`, where that is set: for whoever writes one.
fn wanted(page: &Path) -> bool {
    std::env::var("DCOS_BITS_PAGE").map_or(true, |part| page.to_string_lossy().contains(&part))
}

#[test]
fn the_commands_of_every_page_do_what_it_says() {
    let programs = Path::new(env!("CARGO_BIN_EXE_dcos")).parent().unwrap();
    let wrong = wrong(&executed(false), programs, None);
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
#[ignore = "needs real Mesos and built packages: make test"]
fn the_commands_of_the_pages_with_mesos_do_what_they_say() {
    // What an operator installs: the programs and archives that scripts/build makes.
    let (programs, packages) = (target().join("release"), target().join("packages"));
    let wrong = wrong(&executed(true), &programs, Some(&packages));
    assert!(wrong.is_empty(), "{wrong}");
}
