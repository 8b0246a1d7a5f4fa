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
