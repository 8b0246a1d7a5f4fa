//! A module's parameters, from the bytes of Mesos's `Parameters` message.
//!
//! The message is a list of pairs: field 1, repeated, of messages with the strings key (1) and value (2). Decoding it
//! here, in thirty lines, spares the library a protobuf of its own beside the one inside Mesos.

use std::collections::BTreeMap;

/// Parameters by their keys.
pub type Parameters = BTreeMap<String, String>;

/// Why parameters could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// The bytes are no `Parameters` message.
    #[error("the module's parameters are not a `Parameters` message: {0}")]
    Malformed(&'static str),
    /// A key or value is not UTF-8.
    #[error("a module parameter is not UTF-8")]
    NotText,
    /// The same key twice; Mesos would pass on both.
    #[error("module parameter `{0}` is given twice")]
    Repeated(String),
}

/// Decodes the bytes of a `Parameters` message. Unknown fields are skipped, as protobuf does.
///
/// # Errors
///
/// [`ParameterError`] says what is wrong with the bytes or the pairs in them.
pub fn decode(bytes: &[u8]) -> Result<Parameters, ParameterError> {
    let mut parameters = Parameters::new();
    let mut message = Reader { bytes };
    while let Some((field, content)) = message.next()? {
        if field != 1 {
            continue;
        }
        let (mut key, mut value) = (String::new(), String::new());
        let mut pair = Reader { bytes: content };
        while let Some((field, content)) = pair.next()? {
            let text = || String::from_utf8(content.to_vec()).map_err(|_| ParameterError::NotText);
            match field {
                1 => key = text()?,
                2 => value = text()?,
                _ => {}
            }
        }
        if parameters.contains_key(&key) {
            return Err(ParameterError::Repeated(key));
        }
        parameters.insert(key, value);
    }
    Ok(parameters)
}

/// Reads the fields of one message.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next field's number and, if it is of the length-delimited kind, its content.
    fn next(&mut self) -> Result<Option<(u64, &'a [u8])>, ParameterError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let length = match tag & 7 {
            0 => {
                self.varint()?;
                return Ok(Some((0, &[])));
            }
            1 => 8,
            2 => self.varint()?,
            5 => 4,
            _ => return Err(ParameterError::Malformed("an unknown wire type")),
        };
        let length = usize::try_from(length).map_err(|_| TRUNCATED)?;
        let (content, rest) = self.bytes.split_at_checked(length).ok_or(TRUNCATED)?;
        self.bytes = rest;
        Ok(Some(if tag & 7 == 2 { (tag >> 3, content) } else { (0, &[]) }))
    }

    /// A number in base 128, least significant digit first.
    fn varint(&mut self) -> Result<u64, ParameterError> {
        let mut number = 0;
        for position in 0..10 {
            let (&byte, rest) = self.bytes.split_first().ok_or(TRUNCATED)?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << (7 * position);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(ParameterError::Malformed("a number of more than ten bytes"))
    }
}

const TRUNCATED: ParameterError = ParameterError::Malformed("it ends in the middle of a field");

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that protobuf makes of the pairs.
    fn encode(pairs: &[(&str, &str)]) -> Vec<u8> {
        let field = |number: u8, content: &[u8]| {
            let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
            assert!(length < 0x80, "a test needs one-byte lengths");
            [&[number << 3 | 2, length], content].concat()
        };
        pairs
            .iter()
            .flat_map(|(key, value)| field(1, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat()))
            .collect()
    }

    #[test]
    fn pairs_are_found_by_their_keys() {
        let parameters = decode(&encode(&[("node", "/etc/dcos/node.toml"), ("role", "agent")]));
        let expected = [("node", "/etc/dcos/node.toml"), ("role", "agent")];
        assert_eq!(parameters, Ok(expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into()));
        assert_eq!(decode(&[]), Ok(Parameters::new()));
    }

    #[test]
    fn unknown_fields_of_every_kind_are_skipped() {
        let unknown =
            [3 << 3, 0x96, 0x01, 4 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0, 5 << 3 | 5, 0, 0, 0, 0, 6 << 3 | 2, 1, 0];
        let bytes = [&unknown[..], &encode(&[("a", "b")])].concat();
        assert_eq!(decode(&bytes), Ok([("a".to_owned(), "b".to_owned())].into()));
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        assert_eq!(decode(&encode(&[("a", "1"), ("a", "2")])), Err(ParameterError::Repeated("a".to_owned())));
    }

    #[test]
    fn every_truncation_is_refused_or_shorter_but_never_a_panic() {
        let bytes = encode(&[("node", "/somewhere")]);
        for end in 1..bytes.len() {
            assert_eq!(decode(&bytes[..end]), Err(TRUNCATED), "cut at {end}");
        }
        assert!(matches!(decode(&[0xff; 12]), Err(ParameterError::Malformed(_))));
        assert!(matches!(decode(&[0x0b]), Err(ParameterError::Malformed(_))));
    }
}
