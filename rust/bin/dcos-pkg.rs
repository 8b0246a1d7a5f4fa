//! `dcos-pkg`: the packages of this machine.

fn main() -> std::process::ExitCode {
    dcos_cli::pkg::main()
}
