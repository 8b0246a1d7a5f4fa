//! `dcos`: the operator's program. Everything is in [`dcos_cli::dcos`]; a master's log is opened as the masters do.

fn main() -> std::process::ExitCode {
    dcos_cli::dcos::main(dcos_bits::compose::log_file)
}
