//! Names and the secrets that prove them, in the forms that Mesos's own files have.
//!
//! Who calls somebody has a file with one: `{"principal": "…", "secret": "…"}`, or the two on one line. Who is called has a
//! file with many: `{"credentials": [{"principal": "…", "secret": "…"}, …]}`, or a line for each.

use std::fmt;

use serde::Deserialize;

/// A name and its secret.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The name.
    pub principal: String,
    /// The secret.
    pub secret: String,
}

/// Names and their secrets.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    credentials: Vec<Credential>,
}

/// A text that has none of the known forms. It is not quoted: it may have a secret in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither `{{\"principal\": …, \"secret\": …}}` nor a principal and a secret on one line")]
pub struct InvalidCredential;

impl Credential {
    /// Reads the file of a caller.
    ///
    /// # Errors
    /// If it has neither form, or a name that HTTP can't carry.
    pub fn parse(text: &str) -> Result<Self, InvalidCredential> {
        let text = text.trim();
        if text.starts_with('{') {
            return serde_json::from_str::<Self>(text).map_err(|_| InvalidCredential)?.checked();
        }
        let (principal, secret) = text.split_once(char::is_whitespace).ok_or(InvalidCredential)?;
        Self { principal: principal.to_owned(), secret: secret.trim().to_owned() }.checked()
    }

    /// A colon would end the name in HTTP's Basic.
    fn checked(self) -> Result<Self, InvalidCredential> {
        let fits = !self.principal.is_empty() && !self.principal.contains(':') && !self.secret.contains('\n');
        if fits { Ok(self) } else { Err(InvalidCredential) }
    }
}

impl Credentials {
    /// Reads the file of somebody who is called.
    ///
    /// # Errors
    /// If it has neither form.
    pub fn parse(text: &str) -> Result<Self, InvalidCredential> {
        let text = text.trim();
        if text.starts_with('{') {
            let read: Self = serde_json::from_str(text).map_err(|_| InvalidCredential)?;
            let checked: Result<Vec<_>, _> = read.credentials.into_iter().map(Credential::checked).collect();
            return Ok(Self { credentials: checked? });
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Ok(Self { credentials: lines.map(Credential::parse).collect::<Result<_, _>>()? })
    }

    /// Whether `principal` has `secret`. It takes as long for a wrong secret as for the right one of the same length.
    pub fn prove(&self, principal: &str, secret: &str) -> bool {
        let same = |left: &[u8], right: &[u8]| {
            left.len() == right.len()
                && left.iter().zip(right).fold(0, |found, (left, right)| found | (left ^ right)) == 0
        };
        let known = self.credentials.iter().filter(|known| known.principal == principal);
        known.fold(false, |proved, known| proved | same(known.secret.as_bytes(), secret.as_bytes()))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credential").field("principal", &self.principal).finish_non_exhaustive()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&self.credentials).finish()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Credential, Credentials};

    #[test]
    fn both_forms_of_a_callers_file_are_read_and_the_secret_is_never_shown() {
        for text in [r#"{"principal": "node", "secret": "hid den"}"#, "node hid den\n"] {
            let read = Credential::parse(text).unwrap();
            assert_eq!((read.principal.as_str(), read.secret.as_str()), ("node", "hid den"));
            assert!(!format!("{read:?}").contains("hid"));
        }
        for text in
            ["", "node", "{}", r#"{"principal": "a:b", "secret": "x"}"#, "a:b x", r#"{"principal": "", "secret": "x"}"#]
        {
            assert!(Credential::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_proves_its_own_name_only() {
        let json = r#"{"credentials": [{"principal": "a", "secret": "1"}, {"principal": "b", "secret": "22"}]}"#;
        for text in [json, "a 1\n\nb 22\n"] {
            let known = Credentials::parse(text).unwrap();
            assert!(known.prove("a", "1") && known.prove("b", "22"));
            for (principal, secret) in [("a", "22"), ("a", ""), ("a", "11"), ("c", "1"), ("", ""), ("b", "2")] {
                assert!(!known.prove(principal, secret), "{principal}");
            }
            assert!(!format!("{known:?}").contains("22"));
        }
        assert!(Credentials::parse("a").is_err());
        assert!(!Credentials::parse("").unwrap().prove("", ""));
    }
}
