//! The values of resources and attributes, read as Mesos reads them.

use std::collections::BTreeSet;
use std::fmt;

use super::Malformed;

/// Scalars have three decimals; they are kept in thousandths.
const THOUSANDTHS: f64 = 1000.0;

/// Larger scalars lose thousandths in Mesos's floating point.
const LARGEST: f64 = 1e12;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number, in thousandths.
    Scalar(i64),
    /// Ranges of whole numbers: in order, not overlapping, not touching.
    Ranges(Vec<(u64, u64)>),
    /// Items.
    Set(BTreeSet<String>),
    /// Anything else.
    Text(String),
    /// A number in a notation (hexadecimal, exponent) that is not worth being read the same way: compared as text.
    Odd(String),
}

/// The kinds of values, as far as two values of different kinds are different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A number, in any notation.
    Scalar,
    /// Ranges.
    Ranges,
    /// A set.
    Set,
    /// A text.
    Text,
}

impl Value {
    /// Reads a value.
    ///
    /// # Errors
    /// If brackets don't match, or what is between them is no range or no item.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        // Mesos takes out every space before it looks.
        let plain: String = text.chars().filter(|character| *character != ' ').collect();
        if plain.is_empty() {
            return Err(Malformed::new(text, "a value is missing"));
        }
        if let Some(inner) = plain.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(|| Malformed::new(text, "`]` is missing"))?;
            return Ok(Self::Ranges(coalesced(ranges(text, inner)?)));
        }
        if let Some(inner) = plain.strip_prefix('{') {
            let inner = inner.strip_suffix('}').ok_or_else(|| Malformed::new(text, "`}` is missing"))?;
            return set(text, inner);
        }
        if plain.contains(['[', ']', '{', '}', '(', ')']) {
            return Err(Malformed::new(text, "a bracket is where none can be"));
        }
        match number(&plain) {
            Number::Decimal(value) if value.abs() > LARGEST => Err(Malformed::new(text, "the number is too large")),
            Number::Decimal(value) => Ok(Self::Scalar(thousandths(value))),
            Number::Odd => Ok(Self::Odd(plain)),
            Number::Not if is_endless(&plain) => Err(Malformed::new(text, "not a number that can be compared")),
            Number::Not => Ok(Self::Text(text.to_owned())),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Scalar(_) | Self::Odd(_) => Kind::Scalar,
            Self::Ranges(_) => Kind::Ranges,
            Self::Set(_) => Kind::Set,
            Self::Text(_) => Kind::Text,
        }
    }

    /// Whether nothing is in it; Mesos drops such resources.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Scalar(value) => *value == 0,
            Self::Ranges(ranges) => ranges.is_empty(),
            Self::Set(items) => items.is_empty(),
            Self::Text(_) | Self::Odd(_) => false,
        }
    }

    /// Whether all of it is in `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scalar(left), Self::Scalar(right)) => left <= right,
            (Self::Ranges(left), Self::Ranges(right)) => {
                left.iter().all(|(from, to)| right.iter().any(|(begin, end)| begin <= from && to <= end))
            }
            (Self::Set(left), Self::Set(right)) => left.is_subset(right),
            (left, right) => left == right,
        }
    }

    /// Both together: numbers are added, ranges and sets united. `None` if there is no such thing.
    pub fn and(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Scalar(left), Self::Scalar(right)) => left.checked_add(*right).map(Self::Scalar),
            (Self::Ranges(left), Self::Ranges(right)) => {
                Some(Self::Ranges(coalesced(left.iter().chain(right).copied().collect())))
            }
            (Self::Set(left), Self::Set(right)) => Some(Self::Set(left.union(right).cloned().collect())),
            _ => None,
        }
    }
}

/// A text's chances to be a number.
enum Number {
    Decimal(f64),
    Odd,
    Not,
}

fn number(text: &str) -> Number {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits(whole) && all_digits(fraction) {
        return text.parse().map_or(Number::Odd, Number::Decimal);
    }
    let unsigned = text.trim_start_matches(['+', '-']);
    let hexadecimal = unsigned.to_ascii_lowercase().starts_with("0x");
    let may_be = hexadecimal || (text.parse::<f64>().is_ok() && !is_endless(text));
    if may_be { Number::Odd } else { Number::Not }
}

/// Not a number, or infinite: Mesos reads these as numbers, and they are not even equal to themselves.
fn is_endless(text: &str) -> bool {
    let word = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    word == "inf" || word == "infinity" || word == "nan" || word.starts_with("nan(")
}

#[expect(clippy::cast_possible_truncation, reason = "bounded by LARGEST")]
fn thousandths(value: f64) -> i64 {
    (value * THOUSANDTHS).round() as i64
}

fn ranges(text: &str, inner: &str) -> Result<Vec<(u64, u64)>, Malformed> {
    let one = |part: &str| {
        let (from, to) = part.split_once('-')?;
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        (from <= to).then_some((from, to))
    };
    let parts = inner.split(',').filter(|part| !part.is_empty());
    let wrong = |part: &str| Malformed::new(text, format!("`{part}` is no range, such as `31000-32000`"));
    parts.map(|part| one(part).ok_or_else(|| wrong(part))).collect()
}

fn coalesced(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut whole: Vec<(u64, u64)> = Vec::new();
    for (from, to) in ranges {
        match whole.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            _ => whole.push((from, to)),
        }
    }
    whole
}

fn set(text: &str, inner: &str) -> Result<Value, Malformed> {
    let mut items = BTreeSet::new();
    for item in inner.split(',').filter(|item| !item.is_empty()) {
        if item.contains(['{', '}', '[', ']', '(', ')']) {
            return Err(Malformed::new(text, format!("`{item}` is no item of a set")));
        }
        if !items.insert(item.to_owned()) {
            return Err(Malformed::new(text, format!("`{item}` is in the set twice")));
        }
    }
    Ok(Value::Set(items))
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(value) => {
                let sign = if *value < 0 { "-" } else { "" };
                let (whole, rest) = (value.unsigned_abs() / 1000, value.unsigned_abs() % 1000);
                let fraction = format!(".{rest:03}");
                write!(formatter, "{sign}{whole}{}", if rest == 0 { "" } else { fraction.trim_end_matches('0') })
            }
            Self::Ranges(ranges) => {
                let parts: Vec<String> = ranges.iter().map(|(from, to)| format!("{from}-{to}")).collect();
                write!(formatter, "[{}]", parts.join(","))
            }
            Self::Set(items) => {
                let items: Vec<&str> = items.iter().map(String::as_str).collect();
                write!(formatter, "{{{}}}", items.join(","))
            }
            Self::Text(text) | Self::Odd(text) => formatter.write_str(text),
        }
    }
}
