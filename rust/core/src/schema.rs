//! JSON schemas of what is written as plain text. The derived schemas of everything else refer to these.
//!
//! A pattern here is what a text must fit, not all that it must fit: that an id has at most one `--`, a regular
//! expression can say; that a version does not end like a file name, it can't in every dialect.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::digest::Sha256;
use crate::id::{MAX_ID_BYTES, PackageId, PackageName, Version};
use crate::requirement::Requirement;

macro_rules! name {
    () => {
        "[a-zA-Z0-9@_+](-?[a-zA-Z0-9@._+])*"
    };
}

macro_rules! version {
    () => {
        "[a-zA-Z0-9@_+:.~](-?[a-zA-Z0-9@_+:.~])*-?"
    };
}

/// The pattern of a [`PackageId`], for paths too.
pub const ID_PATTERN: &str = concat!("^", name!(), "--", version!(), "$");

macro_rules! text {
    ($type:ident, $pattern:expr, $longest:expr, $about:literal) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "pattern": $pattern,
                    "maxLength": $longest,
                    "description": $about,
                })
            }
        }
    };
}

text!(PackageId, ID_PATTERN, MAX_ID_BYTES, "`<name>--<version>`");
text!(PackageName, concat!("^", name!(), "$"), MAX_ID_BYTES, "The name of a package");
text!(
    Version,
    concat!("^", version!(), "$"),
    MAX_ID_BYTES,
    "The version of a package; versions compare as Debian's do"
);
text!(Sha256, "^[0-9a-fA-F]{64}$", 64, "A digest, written in lower case");

impl JsonSchema for Requirement {
    fn schema_name() -> Cow<'static, str> {
        "Requirement".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A package's name with any number of bounds, such as `mesos >= 1.11.0, < 1.12.0`",
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use schemars::schema_for;

    use super::{PackageId, Sha256};

    /// The texts of the pattern's own tests lie with the documents, where a validator is at hand.
    #[test]
    fn a_text_is_a_text_with_a_pattern() {
        for schema in [schema_for!(PackageId), schema_for!(Sha256)] {
            assert_eq!(schema.get("type").unwrap(), "string");
            assert!(schema.get("pattern").unwrap().as_str().unwrap().starts_with('^'));
        }
    }
}
