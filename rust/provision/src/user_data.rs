//! What a new machine does at its first start.
//!
//! A script for `/bin/sh` that needs `curl` or `wget`, `sha256sum` and `tar`, which every cloud image has. It fetches one
//! archive, takes it only for what its digest says, and hands over to the helper in it. The join token is the one secret;
//! it is worth one machine, once, for as long as a machine may take to join.

use crate::config::Bootstrap;

/// Where the script logs.
pub const LOG: &str = "/var/log/dcos-bits-bootstrap.log";

/// The script. Nothing in it can hold a quote: the configuration's check and the alphabet of tokens see to that.
pub fn script(bootstrap: &Bootstrap, token: &str) -> String {
    let Bootstrap { masters, package } = bootstrap;
    let masters: String = masters.iter().map(|url| format!(" '{url}'")).collect();
    let suffix = if package.url.ends_with(".zst") { "zst" } else { "gz" };
    format!(
        r#"#!/bin/sh
# Makes this machine an agent: fetches dcos-bits, checks it, and lets its helper join the cluster.
set -eu
umask 077
exec >>"${{DCOS_BOOTSTRAP_LOG:-{LOG}}}" 2>&1
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
archive=$directory/dcos-bits.tar.{suffix}
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
        # What an image or a provider knows of its machines, such as the address to bind, comes in the environment.
        # shellcheck disable=SC2086
        "$directory/dcos-bits/bin/dcos-restart-helper" bootstrap --join "$master" ${{DCOS_BOOTSTRAP_OPTIONS:-}} && exit 0
    done
    sleep $((round * 5))
done
exit 1
"#,
        url = package.url,
        sha256 = package.sha256,
    )
}
