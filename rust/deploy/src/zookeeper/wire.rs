//! ZooKeeper's encoding: numbers with the highest byte first, texts and bytes with their length before them.
//!
//! An answer is hostile until it was read: every length is checked against what is there.

use std::fmt;

/// The kinds of request, by ZooKeeper's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Kind {
    Create = 1,
    Delete = 2,
    GetData = 4,
    SetData = 5,
    GetChildren = 8,
    Check = 13,
    Multi = 14,
    Auth = 100,
    Close = -11,
}

impl Kind {
    /// What it does to a znode, for messages.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::GetData | Self::GetChildren => "read",
            Self::SetData => "write",
            Self::Check => "check",
            Self::Multi => "change",
            Self::Auth => "let us use",
            Self::Close => "close",
        }
    }
}

/// Why ZooKeeper says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub(super) i32);

impl Code {
    pub(super) const NO_NODE: Self = Self(-101);
    pub(super) const BAD_VERSION: Self = Self(-103);
    pub(super) const NODE_EXISTS: Self = Self(-110);
    /// An operation of a transaction that was not tried, since another one failed.
    pub(super) const RUNTIME_INCONSISTENCY: Self = Self(-2);

    /// Connection loss, session gone, moved, time-out: nothing that is wrong with the request.
    pub(super) const fn may_pass(self) -> bool {
        matches!(self.0, -4 | -7 | -112 | -118)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.0 {
            -101 => "there is none",
            -102 => "it is not ours by its access list",
            -103 => "it was changed meanwhile",
            -110 => "there is one already",
            -112 => "the session is over",
            -115 => "the name or the password is wrong",
            -118 => "the session has moved",
            code => return write!(formatter, "error {code}"),
        };
        formatter.write_str(word)
    }
}

/// What is about to be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn int(mut self, value: i32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn long(mut self, value: i64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn flag(mut self, value: bool) -> Self {
        self.0.push(u8::from(value));
        self
    }

    /// Bytes or text. What is longer than ZooKeeper takes is refused there.
    pub(super) fn bytes(self, value: &[u8]) -> Self {
        let mut written = self.int(i32::try_from(value.len()).unwrap_or(i32::MAX));
        written.0.extend(value);
        written
    }

    /// The access list of a new znode: everybody without a password, else only whoever has it.
    pub(super) fn acl(self, private: bool) -> Self {
        const ALL: i32 = 31;
        let (scheme, id): (&[u8], &[u8]) = if private { (b"auth", b"") } else { (b"world", b"anyone") };
        self.int(1).int(ALL).bytes(scheme).bytes(id)
    }
}

/// What was received.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

/// An answer that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbled;

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Garbled> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Garbled)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn int(&mut self) -> Result<i32, Garbled> {
        self.take(4)?.try_into().map(i32::from_be_bytes).map_err(|_| Garbled)
    }

    pub(super) fn long(&mut self) -> Result<i64, Garbled> {
        self.take(8)?.try_into().map(i64::from_be_bytes).map_err(|_| Garbled)
    }

    pub(super) fn flag(&mut self) -> Result<bool, Garbled> {
        Ok(self.take(1)? != [0])
    }

    /// Bytes or text; ZooKeeper's `null` is empty.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Garbled> {
        let length = self.int()?;
        self.take(usize::try_from(length.max(0)).map_err(|_| Garbled)?)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Garbled> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Garbled)
    }

    /// The version in what ZooKeeper says of a znode.
    pub(super) fn version(&mut self) -> Result<i32, Garbled> {
        // Two transaction ids and two times stand before it; counters, the owner and sizes after it.
        self.take(32)?;
        let version = self.int()?;
        self.take(32)?;
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::{Garbled, Reader, Writer};

    #[test]
    fn what_was_written_is_read_and_what_is_cut_off_is_garbled() {
        let written = Writer::default().int(-7).long(1 << 40).flag(true).bytes(b"a text").0;
        let read = |bytes: &[u8]| {
            let mut reader = Reader(bytes);
            Ok::<_, Garbled>((reader.int()?, reader.long()?, reader.flag()?, reader.text()?.to_owned()))
        };
        assert_eq!(read(&written), Ok((-7, 1 << 40, true, "a text".to_owned())));
        for length in 0..written.len() {
            assert_eq!(read(&written[..length]), Err(Garbled), "{length} bytes");
        }
        assert_eq!(Reader(&[0xff; 4]).bytes(), Ok(&[][..]), "null");
        assert_eq!(Reader(&[0x7f, 0xff, 0xff, 0xff, 1]).bytes(), Err(Garbled));
    }
}
