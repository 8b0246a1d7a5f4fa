//! `dcos profile`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::dcos) enum ProfileCommand {
    /// The profiles, and which one is used
    #[command(after_help = "Examples:\n  dcos profile list\n  dcos profile list --json")]
    List,
    /// Remember a cluster under a name
    #[command(after_help = "Examples:
  dcos profile add lab --url http://10.0.0.1:5050
  dcos profile add prod --url https://master1.example:5050 --credentials ~/.config/dcos/prod.credentials --ca /etc/ssl/prod.pem
  dcos profile add prod --url https://master1.example:5050 --principal alice    the secret is asked for

The first one that is added is used. `--url`, `--credentials`, `--principal` and `--ca` go into the profile.")]
    Add {
        /// Its name
        name: String,
        /// In the place of the one of that name
        #[arg(long)]
        replace: bool,
    },
    /// Use a cluster from now on, where no other is named
    #[command(after_help = "Examples:\n  dcos profile use prod")]
    Use {
        /// The name of its profile
        name: String,
    },
    /// Forget a cluster; its files of credentials stay
    #[command(after_help = "Examples:\n  dcos profile remove lab")]
    Remove {
        /// The name of its profile
        name: String,
    },
    /// Where the profiles are kept
    #[command(after_help = "Examples:\n  dcos profile path")]
    Path,
}
