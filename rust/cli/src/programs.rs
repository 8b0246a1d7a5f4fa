//! What every program of dcos-bits has by virtue of its command line: completion scripts and man pages.

use std::io::Write as _;
use std::path::Path;

use clap::ValueEnum;
use dcos_core::{ExitCode, Problem};

/// From where on `--help` lists the options that all commands of a program take: after those of the command itself.
pub(crate) const COMMON: usize = 900;

/// A program that an operator types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// The operator's own.
    Dcos,
    /// The packages of a machine.
    DcosPkg,
    /// A node without Mesos.
    DcosNode,
    /// What restarts Mesos.
    DcosRestartHelper,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dcos, Self::DcosPkg, Self::DcosNode, Self::DcosRestartHelper];

    /// Its command line.
    fn command(self) -> clap::Command {
        match self {
            Self::Dcos => crate::dcos::command(),
            Self::DcosPkg => crate::pkg::command(),
            Self::DcosNode => crate::node::command(),
            Self::DcosRestartHelper => crate::helper::command(),
        }
    }
}

/// Prints the completion script of a program for a shell.
pub fn complete(program: Program, shell: clap_complete::Shell) {
    let mut command = program.command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    // A reader that has gone away (`| head`) is not our failure.
    let _ = std::io::stdout().lock().write_all(&script);
}

/// Writes the man pages of all programs into `directory`: one for each program and one for each command of it, as `git` has
/// them (`dcos-deploy-explain.1`). Answers how many there are.
///
/// # Errors
/// If a file can't be written.
#[expect(clippy::disallowed_methods, reason = "man pages are no files of a node")]
pub fn man_pages(directory: &Path) -> Result<usize, Problem> {
    let failed = |error: std::io::Error| {
        let detail = format!("can't write man pages into `{}`: {error}", directory.display());
        Problem::new(ExitCode::Unexpected, "unwritable", detail).hint("name a directory that you may write to")
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let mut pages = Vec::new();
    for program in Program::ALL {
        let mut command = program.command().disable_help_subcommand(true);
        command.build();
        let name = command.get_name().to_owned();
        gather(&command, &name, &mut pages);
    }
    for (name, command) in &pages {
        let page = page(name, command).map_err(failed)?;
        std::fs::write(directory.join(format!("{name}.1")), page).map_err(failed)?;
    }
    Ok(pages.len())
}

/// The page of a command and of every command below it, hidden ones aside.
fn gather(command: &clap::Command, name: &str, pages: &mut Vec<(String, clap::Command)>) {
    pages.push((name.to_owned(), command.clone()));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help") {
        gather(below, &format!("{name}-{}", below.get_name()), pages);
    }
}

fn page(name: &str, command: &clap::Command) -> std::io::Result<Vec<u8>> {
    // The page is called as `man` is asked for it; `clap` would call it by the command's last word.
    let called = command.clone().display_name(name).version(env!("CARGO_PKG_VERSION"));
    let man =
        clap_mangen::Man::new(called).source(concat!("dcos-bits ", env!("CARGO_PKG_VERSION"))).manual("dcos-bits");
    let mut page = Vec::new();
    man.render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Program, man_pages};

    #[test]
    fn no_command_line_contradicts_itself() {
        for program in Program::ALL {
            program.command().debug_assert();
        }
    }

    #[test]
    fn every_program_and_every_command_has_a_page() {
        let directory = tempfile::tempdir().unwrap();
        let pages = man_pages(&directory.path().join("man1")).unwrap();
        assert!(pages > 60, "{pages}");
        for name in ["dcos", "dcos-deploy-explain", "dcos-pkg-build", "dcos-node-serve", "dcos-restart-helper-adopt"] {
            let page = std::fs::read_to_string(directory.path().join(format!("man1/{name}.1"))).unwrap();
            assert!(page.contains(&format!(".TH {name} 1")), "{name}: {page}");
        }
        assert!(!directory.path().join("man1/dcos-man.1").exists(), "a hidden command has no page");
    }

    #[test]
    fn every_program_completes_in_every_shell() {
        for program in Program::ALL {
            let mut command = program.command();
            let name = command.get_name().to_owned();
            for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut command, name.clone(), &mut script);
                let script = String::from_utf8(script).unwrap();
                // fish has the word alone: `-l json`.
                assert!(script.contains(&name) && script.contains("json"), "{name} {shell}");
            }
        }
    }

    /// The help of a command and of all below it, as a part of a page.
    fn help(command: &clap::Command, name: &str, page: &mut String) {
        let names: Vec<String> = command.get_arguments().map(|argument| argument.get_id().to_string()).collect();
        let mut shown = command.clone().term_width(100).bin_name(name);
        for id in names {
            // What the variable has on this machine is nobody's business; what every command takes is said once.
            shown = shown.mut_arg(id, |argument| {
                let again = argument.is_global_set() && name.contains(' ');
                argument.hide_env_values(true).hide(again)
            });
        }
        let text = shown.render_help().to_string();
        let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        page.push_str(&format!("\n## {name}\n\n```\n{}\n```\n", text.trim_end()));
        for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help") {
            help(below, &format!("{name} {}", below.get_name()), page);
        }
    }

    #[test]
    fn a_commands_own_options_are_listed_before_those_of_all_commands() {
        let mut command = Program::Dcos.command();
        command.build();
        let slave = command.find_subcommand_mut("slave").and_then(|slave| slave.find_subcommand_mut("add"));
        let help = slave.map(|add| add.render_help().to_string()).unwrap_or_default();
        let at = |option: &str| help.find(&format!("\n      {option}"));
        let places = ["--count", "--class", "--no-wait", "--url", "--json"].map(at);
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}: {help}");
    }

    /// `DCOS_GOLDEN=update cargo test -p dcos-cli` writes the pages anew.
    #[test]
    fn the_pages_of_commands_have_every_command_and_option() {
        let mut wrong = dcos_testkit::golden::Wrong::default();
        for program in Program::ALL {
            let mut command = program.command();
            command.build();
            let name = command.get_name().to_owned();
            let mut page =
                format!("# {name}\n\nWhat `--help` of every command prints. [What they have in common](index.md).\n");
            help(&command, &name, &mut page);
            wrong.compare_file(&format!("../../docs/commands/{name}.md"), &page);
        }
        wrong.none();
    }
}
