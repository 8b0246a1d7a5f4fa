//! `dcos`: the operator's program. Everything is in [`dcos_cli::dcos`].

fn main() -> std::process::ExitCode {
    dcos_cli::dcos::main()
}
