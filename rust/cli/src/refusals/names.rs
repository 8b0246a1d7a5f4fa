//! The stable names of all problems: what programs may branch on. Those in `tests/golden/problem-names.txt` are promised: one
//! that is changed or gone from the sources fails here. New ones join the list with the next `DCOS_GOLDEN=update`.

use std::collections::BTreeSet;
use std::path::Path;

use dcos_testkit::golden::Wrong;

/// The crates whose problems somebody is told.
pub(super) const CRATES: [&str; 11] =
    ["api", "cli", "config", "core", "deploy", "ffi", "provision", "repo", "restart", "store", "provider-ec2"];

/// Every source below `folder` that is no test.
pub(super) fn sources(folder: &Path, texts: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "tests" | "attacks" | "refusals" | "simulator" | "target") {
            sources(&path, texts);
        } else if name.ends_with(".rs") && !name.ends_with("_tests.rs") && name != "goldens.rs" && name != "tests.rs" {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let code = text.split("#[cfg(test)]\n#[expect").next().unwrap_or_default();
            texts.push(code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned());
        }
    }
}

/// The names in calls such as `Problem::new(code, "not-here", …)` and in tables such as `("not-here", ExitCode::NotFound)`.
fn names(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let is_name = |word: &str| {
        word.contains('-')
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            || matches!(word, "forbidden" | "locked" | "unreachable" | "unexpected" | "usage" | "damaged")
    };
    for (start, call) in [("ExitCode::", ", \""), ("refusal(ExitCode::", ", \"")] {
        for rest in text.split(start).skip(1) {
            let word = rest.find(call).filter(|at| *at < 24).map(|at| &rest[at + call.len()..]);
            found.extend(word.and_then(|word| word.split('"').next()).filter(|word| is_name(word)).map(str::to_owned));
        }
    }
    for rest in text.split("(\"").skip(1) {
        if let Some((word, after)) = rest.split_once('"')
            && is_name(word)
            && after.starts_with(", ExitCode::")
        {
            found.insert(word.to_owned());
        }
    }
    found
}

#[test]
fn the_names_of_problems_stay() {
    let rust = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut texts = Vec::new();
    CRATES.iter().for_each(|name| sources(&rust.join(name), &mut texts));
    let found: BTreeSet<String> = texts.iter().flat_map(|text| names(text)).collect();
    let path = dcos_testkit::golden::folder().join("problem-names.txt");
    let known = std::fs::read_to_string(path).unwrap_or_default();
    let gone: Vec<&str> = known.lines().filter(|name| !found.contains(*name)).collect();
    if gone.is_empty() && std::env::var_os("DCOS_GOLDEN").is_none() {
        assert!(known.lines().count() > 100, "the list is cut off");
        return;
    }
    let mut wrong = Wrong::default();
    wrong.compare("problem-names.txt", &known, &(found.into_iter().collect::<Vec<_>>().join("\n") + "\n"));
    wrong.none();
}
