//! What a new machine does at its first start.
//!
//! A script for `/bin/sh` that needs `curl` or `wget`, `sha256sum` and `tar`, which every cloud image has. It fetches one
//! archive, takes it only for what its digest says, and hands over to the helper in it. The join token is the one secret;
//! it is worth one machine, once, for as long as a machine may take to join.
//!
//! Every failure is tried again, with the next master and then after a pause, for about a minute; the exit code is that of
//! the last try. A token that is used up or too old ends that at once: no later try can change it. The exit code does not
//! tell it, since a master that has just been restarted answers 409, too, until it knows what the group runs; the name of
//! the problem does. A token that a master does not know is tried elsewhere: masters may have logs of their own.

use crate::config::Bootstrap;

/// Where the script logs.
pub const LOG: &str = "/var/log/dcos-bits-bootstrap.log";

/// The problems after which no further try can go better, by their names.
const FINAL: [&str; 2] = ["used-token", "expired-token"];

/// The script. Nothing in it can hold a quote: the configuration's check and the alphabet of tokens see to that.
pub fn script(bootstrap: &Bootstrap, token: &str) -> String {
    let Bootstrap { masters, package } = bootstrap;
    let masters: String = masters.iter().map(|url| format!(" '{url}'")).collect();
    let suffix = if package.url.ends_with(".zst") { "zst" } else { "gz" };
    let last = FINAL.map(|name| format!("-e 'urn:dcos-bits:{name}\"'")).join(" ");
    format!(
        r#"#!/bin/sh
# Makes this machine an agent: fetches dcos-bits, checks it, and lets its helper join the cluster.
set -eu
umask 077
exec >>"${{DCOS_BOOTSTRAP_LOG:-{LOG}}}" 2>&1
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
archive=$directory/dcos-bits.tar.{suffix}
answer=$directory/answer.json
fetch() {{
    if command -v curl >/dev/null; then curl --fail --silent --show-error --location --retry 10 --retry-all-errors --output "$archive" "$1"
    else wget --quiet --tries=10 --output-document="$archive" "$1"; fi
}}
fetch '{url}'
echo '{sha256}  '"$archive" | sha256sum --check --quiet -
mkdir "$directory/dcos-bits"
tar --extract --no-same-owner --file "$archive" --directory "$directory/dcos-bits"
export DCOS_JOIN_TOKEN='{token}'
for round in 1 2 3 4 5; do
    for master in{masters}; do
        code=0
        # What an image or a provider knows of its machines, such as the address to bind, comes in the environment.
        # shellcheck disable=SC2086
        "$directory/dcos-bits/bin/dcos-restart-helper" bootstrap --json --join "$master" ${{DCOS_BOOTSTRAP_OPTIONS:-}} >"$answer" || code=$?
        cat "$answer"
        [ "$code" -ne 0 ] || exit 0
        if grep -q {last} "$answer"; then
            echo 'error: the join token of this machine can not be used any more, so it does not try again'
            echo 'hint: end this machine, and ask for another one: `dcos slave add`'
            exit "$code"
        fi
    done
    sleep $((round * 5))
done
exit "$code"
"#,
        url = package.url,
        sha256 = package.sha256,
    )
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and writes its own files"
)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use dcos_core::{ExitCode, Problem};

    use super::script;
    use crate::config::{Bootstrap, Pinned};

    /// Runs the script with an archive in which `helper` stands for the helper and a `curl` that copies it; answers the
    /// exit code, how often the helper was called, and the log.
    fn run(helper: &str, digest: Option<&str>) -> (Option<i32>, usize, String) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let program = |path: &Path, text: &str| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
            assert!(Command::new("chmod").arg("+x").arg(path).status().unwrap().success());
        };
        let calls = at("calls");
        let counted = format!("echo \"$DCOS_JOIN_TOKEN $*\" >>'{}'\n{helper}", calls.display());
        program(&at("tree/bin/dcos-restart-helper"), &counted);
        let archive = at("archive");
        let tar = Command::new("tar").args(["-czf"]).arg(&archive).arg("-C").arg(at("tree")).arg(".").status();
        assert!(tar.unwrap().success());
        program(&at("bin/curl"), &format!("while [ $# -gt 2 ]; do shift; done; cp '{}' \"$1\"", archive.display()));
        program(&at("bin/sleep"), "");
        let sum = Command::new("sha256sum").arg(&archive).output().unwrap();
        let sum = String::from_utf8(sum.stdout).unwrap()[..64].to_owned();
        let package = Pinned { url: "http://x/a.tar.gz".to_owned(), sha256: digest.map_or(sum, str::to_owned) };
        let masters = vec!["http://one:5050".to_owned(), "http://two:5050".to_owned()];
        let text = script(&Bootstrap { masters, package }, "word");
        let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap());
        let status = Command::new("/bin/sh")
            .args(["-c", &text])
            .envs([("PATH", path), ("DCOS_BOOTSTRAP_LOG", at("log").display().to_string())])
            .env("TMPDIR", folder.path())
            .status();
        let calls = std::fs::read_to_string(calls).unwrap_or_default();
        assert!(calls.lines().all(|call| call.starts_with("word bootstrap --json --join http://")), "{calls}");
        let log = std::fs::read_to_string(at("log")).unwrap_or_default();
        (status.unwrap().code(), calls.lines().count(), log)
    }

    /// The same without the log.
    fn tries(helper: &str, digest: Option<&str>) -> (Option<i32>, usize) {
        let (code, calls, _) = run(helper, digest);
        (code, calls)
    }

    /// What the helper does that is refused by a problem of this name.
    fn refused(code: ExitCode, name: &str) -> String {
        let problem = Problem::new(code, name, "the detail of the refusal");
        format!("echo '{}'; exit {}", serde_json::to_string_pretty(&problem).unwrap(), code.number())
    }

    #[test]
    fn every_master_is_asked_again_and_the_last_word_is_the_exit_code() {
        assert_eq!(tries("exit 0", None), (Some(0), 1));
        assert_eq!(tries("exit 9", None), (Some(9), 10), "both masters, five times");
        assert_eq!(tries("case $* in *two*) exit 0;; esac; exit 9", None), (Some(0), 2));
        assert_eq!(tries("exit 5", None), (Some(5), 10), "a master that was restarted knows nothing for a while");
    }

    #[test]
    fn an_archive_with_another_digest_is_not_even_unpacked() {
        let (code, calls) = tries("exit 0", Some(&"0".repeat(64)));
        assert!(code != Some(0) && calls == 0, "{code:?} {calls}");
    }
    #[test]
    fn a_token_that_is_spent_ends_it_and_the_log_says_so() {
        for (code, name) in [(ExitCode::Conflict, "used-token"), (ExitCode::Refused, "expired-token")] {
            let (end, calls, log) = run(&refused(code, name), None);
            assert_eq!((end, calls), (Some(i32::from(code.number())), 1), "{name}: {log}");
            assert!(log.contains("the detail of the refusal"), "{log}");
            assert!(log.contains("does not try again\nhint: "), "{log}");
        }
        // The same codes with other names may pass, and a token may be known to the next master.
        let others = [
            (ExitCode::Conflict, "no-desired-set"),
            (ExitCode::NotFound, "unknown-token"),
            (ExitCode::Refused, "used-token-not"),
        ];
        for (code, name) in others {
            let (end, calls, log) = run(&refused(code, name), None);
            assert_eq!((end, calls), (Some(i32::from(code.number())), 10), "{name}: {log}");
            assert!(log.contains("the detail of the refusal") && !log.contains("does not try again"), "{log}");
        }
    }
}
