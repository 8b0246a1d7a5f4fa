//! The dashboard at `GET /deploy/ui`: one page that needs nothing but this process.
//!
//! It is written as separate files, ES modules among them, and put together here, so that there is no build step and no
//! second request: style and script stand in the page, and the policy names them by their digests. Nothing else may run,
//! load or be framed, and text of nodes can't become markup: `require-trusted-types-for` has the browser itself refuse
//! what would make it so.
//!
//! The page only calls the endpoints that everybody may call, with the caller's own name. What it hides from a reader
//! is refused by the server all the same.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dcos_core::Sha256;
use http::header;

/// The modules, each after those that it imports.
const MODULES: [&str; 9] = [
    include_str!("ui/dom.js"),
    include_str!("ui/api.js"),
    include_str!("ui/model.js"),
    include_str!("ui/history.js"),
    include_str!("ui/chart.js"),
    include_str!("ui/table.js"),
    include_str!("ui/dialogs.js"),
    include_str!("ui/panels.js"),
    include_str!("ui/main.js"),
];

/// The page and what a browser may do with it.
#[derive(Debug)]
pub struct Page {
    /// The document.
    pub html: String,
    /// Its `Content-Security-Policy`.
    pub policy: String,
}

/// The page.
pub static PAGE: LazyLock<Page> =
    LazyLock::new(|| page_of(include_str!("ui/index.html"), include_str!("ui/style.css"), &MODULES));

/// Puts a page together. `index` has the places `<!--style-->` and `<!--script-->`.
fn page_of(index: &str, style: &str, modules: &[&str]) -> Page {
    let script = joined(modules);
    let html = index
        .replace("<!--style-->", &format!("<style>{style}</style>"))
        .replace("<!--script-->", &format!("<script type=\"module\">{script}</script>"));
    let policy = format!(
        "default-src 'none'; connect-src 'self'; img-src data:; script-src '{}'; style-src '{}'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        digest(&script),
        digest(style),
    );
    Page { html, policy }
}

/// Modules as one: each name that one exports and another imports is a name of the whole. An import is one line.
fn joined(modules: &[&str]) -> String {
    let lines = modules.iter().flat_map(|module| module.lines()).filter(|line| !line.starts_with("import "));
    let mut script = String::from("\n");
    for line in lines {
        script.push_str(line.strip_prefix("export ").unwrap_or(line));
        script.push('\n');
    }
    script
}

/// A digest as policies name it.
fn digest(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::of(text.as_bytes()).as_bytes()))
}

/// The handler.
pub(crate) async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, &PAGE.policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        // An upgrade of the master brings another page.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, PAGE.html.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::{MODULES, PAGE, joined, page_of};

    #[test]
    fn modules_become_one_script_and_the_policy_names_it() {
        let modules = ["export function a() {\n  return 1;\n}\n", "import { a } from \"./a.js\";\na();\n"];
        assert_eq!(joined(&modules), "\nfunction a() {\n  return 1;\n}\na();\n");
        let page = page_of("<head><!--style--></head><!--script-->", "p{}", &["x"]);
        assert_eq!(page.html, "<head><style>p{}</style></head><script type=\"module\">\nx\n</script>");
        // By `printf '\nx\n' | openssl dgst -sha256 -binary | base64`, and of `p{}`.
        assert!(
            page.policy.contains("script-src 'sha256-0j+bQHb1Xx5lDFk/gPRR8glNxZzORwwGPrIq6mPkyzk='"),
            "{}",
            page.policy
        );
        assert!(page.policy.contains("style-src 'sha256-"), "{}", page.policy);
    }

    #[test]
    fn nothing_in_the_page_needs_what_the_policy_forbids() {
        let html = &PAGE.html;
        assert_eq!(html.matches("<script").count(), 1, "one script, whose digest is known");
        assert_eq!(html.matches("</script").count(), 1, "no text of a module ends it early");
        for word in [" style=\"", " onclick", "javascript:", "http://", "https://"] {
            let found = html.replace("http://www.w3.org/", "");
            assert!(!found.contains(word), "`{word}` stands in the page");
        }
        for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!html.contains(word), "`{word}` stands in the page");
        }
    }

    #[test]
    fn no_name_stands_in_two_modules() {
        let lines = MODULES.iter().flat_map(|module| module.lines());
        let mut names: Vec<&str> = lines
            .map(|line| line.strip_prefix("export ").unwrap_or(line))
            .map(|line| line.strip_prefix("async ").unwrap_or(line))
            .filter_map(|line| {
                let beginnings = ["function ", "const ", "let ", "class "];
                let rest = beginnings.iter().find_map(|beginning| line.strip_prefix(beginning))?;
                rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()
            })
            .collect();
        names.sort_unstable();
        let twice: Vec<&[&str]> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(names.len() > 20 && twice.is_empty(), "{twice:?}");
    }
}
