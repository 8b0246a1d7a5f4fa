//! `dcos-restart-helper`: restarts this node's Mesos, and keeps it running.

fn main() -> std::process::ExitCode {
    dcos_cli::helper::main()
}
