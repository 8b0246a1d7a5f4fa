//! `dcos-sim`: the controller of deployments against simulated clusters. Everything is in [`dcos_cli::sim`].

fn main() -> std::process::ExitCode {
    dcos_cli::sim::main()
}
