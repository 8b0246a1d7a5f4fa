//! Changes that a foreign page would make in the name of whoever looks at it.
//!
//! A browser sends a name and a secret that it was once given along with every request to this host, whichever page
//! makes the request; on a host that asks nobody for a name it needs not even that. It says, though, which page it was:
//! `Sec-Fetch-Site` over connections that it trusts, and `Origin` with every `POST` and `DELETE`. Programs send neither,
//! so they are let pass; no page can leave them out.

use dcos_core::{ExitCode, Problem};
use http::{HeaderMap, header};

/// Lets a change pass unless a browser says that a page of somewhere else asked for it.
///
/// # Errors
/// A problem with status 403.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_ours = match (text("sec-fetch-site"), text(header::ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let asked = text(header::HOST.as_str()).unwrap_or_default();
            origin.split_once("://").is_some_and(|(_, host)| host.eq_ignore_ascii_case(asked))
        }
        (None, None) => true,
    };
    if is_ours {
        return Ok(());
    }
    let detail = "a browser asks for this change on behalf of a page of another site";
    let problem = Problem { status: 403, ..Problem::new(ExitCode::Refused, "foreign-page", detail) };
    Err(problem.hint("if a proxy stands before this host, let it hand on the `Host` that it was asked for"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use http::{HeaderMap, HeaderName};

    use super::check;

    fn of(pairs: &[(&'static str, &str)]) -> bool {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        check(&pairs.collect::<HeaderMap>()).is_ok()
    }

    #[test]
    fn a_page_of_ours_and_a_program_pass() {
        assert!(of(&[]));
        assert!(of(&[("host", "10.0.0.1:5050")]));
        assert!(of(&[("host", "m1.example:5050"), ("origin", "http://M1.example:5050")]));
        assert!(of(&[("sec-fetch-site", "same-origin"), ("host", "inside:5050"), ("origin", "https://outside")]));
    }

    #[test]
    fn a_page_of_another_site_does_not() {
        for origin in ["http://evil.example", "http://10.0.0.1", "https://10.0.0.1:5051", "null", ""] {
            assert!(!of(&[("host", "10.0.0.1:5050"), ("origin", origin)]), "{origin}");
        }
        assert!(!of(&[("origin", "http://10.0.0.1:5050")]), "nothing says where it was sent");
        for site in ["cross-site", "same-site", "\u{e4}"] {
            assert!(!of(&[("sec-fetch-site", site), ("host", "a"), ("origin", "http://a")]), "{site}");
        }
    }
}
