//! The commands about a repository's signed metadata and the keys for it.

use std::path::{Path, PathBuf};

use dcos_core::{ExitCode, PackageId, Problem};
use dcos_repo::signing::{self, Expiry, Signer};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::output::{Format, say, table};

/// How many days before its end metadata is worth a warning, unless told otherwise.
pub(super) const WARN_DAYS: u16 = 14;

/// How long one role's metadata lasts, as JSON.
#[derive(Serialize)]
struct Lasting {
    role: String,
    version: u64,
    expires: Timestamp,
    soon: bool,
}

/// Gives the repository signed metadata; answers where the root of trust for nodes is.
pub(super) fn init(directory: &Path, keys: &Path, threshold: u8) -> Result<(bool, PathBuf), Problem> {
    let signed = signing::init(directory, keys, threshold)?;
    Ok((signed, signing::newest_root(directory, keys)?))
}

pub(super) fn refresh(format: Format, directory: &Path, keys: &Path) -> Result<ExitCode, Problem> {
    let expiries = signing::refresh(directory, &Signer::open(directory, keys)?)?;
    let lasting = judge(expiries, WARN_DAYS);
    format.print(&lasting, |lasting| render(lasting));
    Ok(ExitCode::Done)
}

/// Code 3 if anything ends within `days`: for whoever watches.
pub(super) fn expire(format: Format, directory: &Path, days: u16) -> Result<ExitCode, Problem> {
    let lasting = judge(signing::expiries(directory)?, days);
    format.print(&lasting, |lasting| render(lasting));
    Ok(if lasting.iter().any(|lasting| lasting.soon) { ExitCode::Refused } else { ExitCode::Done })
}

pub(super) fn revoke(format: Format, directory: &Path, keys: &Path, ids: &[PackageId]) -> Result<ExitCode, Problem> {
    #[derive(Serialize)]
    struct Revoked<'a> {
        revoked: &'a [PackageId],
    }
    signing::revoke(directory, &Signer::open(directory, keys)?, ids)?;
    format.print(&Revoked { revoked: ids }, |revoked| {
        revoked.revoked.iter().map(|id| format!("revoked {id}\n")).collect()
    });
    Ok(ExitCode::Done)
}

pub(super) fn rotate(format: Format, directory: &Path, keys: &Path, role: &str) -> Result<ExitCode, Problem> {
    #[derive(Serialize)]
    struct Rotated<'a> {
        role: &'a str,
        root: u64,
    }
    let root = signing::rotate(directory, &mut Signer::open(directory, keys)?, role)?;
    format.print(&Rotated { role, root }, |rotated| {
        format!("`{}` has new keys in `{}`, by version {} of root", rotated.role, keys.display(), rotated.root)
    });
    Ok(ExitCode::Done)
}

/// Says what of the repository's metadata ends soon, if `place` is a folder with any.
pub(super) fn warn(place: &str) {
    // Whoever lists a repository without signatures, or one that is damaged, has asked for something else.
    let expiries = signing::expiries(Path::new(place)).unwrap_or_default();
    for lasting in judge(expiries, WARN_DAYS).iter().filter(|lasting| lasting.soon) {
        say(&format!("warning: `{}` expires at {:.0}{}", lasting.role, lasting.expires, remedy(&lasting.role)));
    }
}

fn remedy(role: &str) -> &'static str {
    match role {
        "root" => ": `dcos repo rotate DIR root --keys KEYDIR`",
        _ => ": `dcos repo refresh DIR --keys KEYDIR`",
    }
}

fn judge(expiries: Vec<Expiry>, days: u16) -> Vec<Lasting> {
    let limit = Timestamp::now() + SignedDuration::from_hours(i64::from(days) * 24);
    let judged = expiries.into_iter().map(|expiry| {
        // What a timer renews is always near its end; it is late only when the timer has missed most of a week.
        let by_timer = matches!(expiry.role.as_str(), "snapshot" | "timestamp");
        let limit = if by_timer { limit.min(Timestamp::now() + SignedDuration::from_hours(48)) } else { limit };
        let Expiry { role, version, expires } = expiry;
        Lasting { role, version, expires, soon: expires <= limit }
    });
    judged.collect()
}

fn render(lasting: &[Lasting]) -> String {
    let row = |lasting: &Lasting| {
        let Lasting { role, version, expires, soon } = lasting;
        let remark = if *soon { format!("soon{}", remedy(role)) } else { String::new() };
        vec![role.clone(), version.to_string(), format!("{expires:.0}"), remark]
    };
    let rows: Vec<Vec<String>> = lasting.iter().map(row).collect();
    table(&["ROLE", "VERSION", "EXPIRES", "REMARK"], &rows)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Expiry, WARN_DAYS, judge};
    use jiff::{SignedDuration, Timestamp};

    #[test]
    fn what_ends_soon_is_told_and_a_timer_has_time() {
        for (role, days, soon) in [
            ("root", 13, true),
            ("root", 15, false),
            ("timestamp", 1, true),
            ("timestamp", 5, false),
            ("targets", -1, true),
        ] {
            let expires = Timestamp::now() + SignedDuration::from_hours(days * 24);
            let judged = judge(vec![Expiry { role: role.to_owned(), version: 1, expires }], WARN_DAYS);
            assert_eq!(judged.first().unwrap().soon, soon, "{role} {days}");
        }
    }
}
