//! Messages held word by word to files in `tests/golden`. `DCOS_GOLDEN=update` writes them anew, for a person to read the
//! difference.

use std::path::{Path, PathBuf};

/// The folder of the files.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

/// What was found to be different, all of it: one run shows every message that has changed.
#[derive(Debug, Default)]
pub struct Wrong(Vec<String>);

impl Wrong {
    /// Compares `found` with `wanted`, which is what the file `name` has.
    ///
    /// # Panics
    /// If the file is to be written anew, and can't be.
    #[expect(clippy::disallowed_methods, reason = "a test's own files")]
    pub fn compare(&mut self, name: &str, wanted: &str, found: &str) {
        if wanted == found {
            return;
        }
        if std::env::var_os("DCOS_GOLDEN").is_some_and(|value| value == "update") {
            let path = folder().join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).unwrap_or_else(|error| panic!("{}: {error}", parent.display()));
            }
            std::fs::write(&path, found).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            return;
        }
        self.0.push(format!("--- tests/golden/{name}\n{wanted}+++ found\n{found}"));
    }

    /// The same with a file that is read now.
    pub fn compare_file(&mut self, name: &str, found: &str) {
        let wanted = std::fs::read_to_string(folder().join(name)).unwrap_or_default();
        self.compare(name, &wanted, found);
    }

    /// Fails the test if anything is different.
    ///
    /// # Panics
    /// If so, with all of it.
    #[track_caller]
    pub fn none(self) {
        let update = "`DCOS_GOLDEN=update` writes the files anew, if that is what is meant";
        assert!(self.0.is_empty(), "{}\n{update}", self.0.join("\n"));
    }
}

/// A golden file with a message per value of an enum that is no problem of its own: what stands in a log, or in the detail of
/// one problem for all of them.
#[derive(Debug)]
pub struct Messages {
    name: &'static str,
    text: String,
}

impl Messages {
    /// The file is `tests/golden/refusals/NAME.txt`.
    pub const fn new(name: &'static str) -> Self {
        Self { name, text: String::new() }
    }

    /// Adds the message of a value of the enum, with its causes as an operator reads them. `pattern` is the one that the value
    /// stands for, as the source has it.
    pub fn add(&mut self, pattern: &str, error: &dyn std::error::Error) {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        self.say(pattern, &message);
    }

    /// Adds what is said in some other form.
    pub fn say(&mut self, pattern: &str, message: &str) {
        let variant = pattern.rsplit_once("::").map_or(pattern, |(_, variant)| variant);
        let title = variant.split(['{', '(', ' ']).next().unwrap_or(variant);
        self.text.push_str(&format!("# {title}\n{message}\n\n"));
    }

    /// Compares all of it.
    ///
    /// # Panics
    /// If anything is different.
    #[track_caller]
    pub fn compare(self) {
        let mut wrong = Wrong::default();
        wrong.compare_file(&format!("refusals/{}.txt", self.name), &self.text);
        wrong.none();
    }
}

/// Holds the message of every value of an enum of errors to a file: patterns that together are all of the enum, and a value
/// for each. A new value does not compile before it has one.
#[macro_export]
macro_rules! messages {
    ($file:literal, $type:ty: $($pattern:pat => $example:expr,)+) => {{
        const fn _every_value_has_an_example(value: &$type) {
            match value {
                $($pattern => {})+
            }
        }
        let mut messages = $crate::golden::Messages::new($file);
        $({
            let example: $type = $example;
            assert!(matches!(&example, $pattern), "{example:?} is no {}", stringify!($pattern));
            messages.add(stringify!($pattern), &example);
        })+
        messages.compare();
    }};
}
