//! Values of flags: whether Mesos can read them, and one spelling for what has several.

use dcos_core::checkpoint::value::{Kind as Form, Value as Amount};
use dcos_core::checkpoint::{Attributes, Malformed, Resources, resources};
use serde_json::Value;

use crate::flags::{About, Kind};
use crate::nearest::did_you_mean;
use crate::options::sorted;

/// What Mesos calls units of time, in nanoseconds.
const DURATIONS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("ms", 1e6),
    ("secs", 1e9),
    ("mins", 60e9),
    ("hrs", 3600e9),
    ("days", 86_400e9),
    ("weeks", 604_800e9),
];

/// What people call them.
const OTHER_UNITS: [(&str, &str); 14] = [
    ("s", "secs"),
    ("sec", "secs"),
    ("second", "secs"),
    ("seconds", "secs"),
    ("m", "mins"),
    ("min", "mins"),
    ("minute", "mins"),
    ("minutes", "mins"),
    ("h", "hrs"),
    ("hr", "hrs"),
    ("hours", "hrs"),
    ("d", "days"),
    ("day", "days"),
    ("week", "weeks"),
];

/// What Mesos calls units of memory.
const BYTES: [(&str, u64); 5] = [("B", 1), ("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];

/// Numbers of things fit into Mesos's smallest type for them.
const LARGEST: i64 = i32::MAX as i64;

/// Mesos counts nanoseconds in 64 bits.
const LONGEST: f64 = 9.2e18;

/// Why a text is no value of a flag.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) code: &'static str,
    pub(crate) why: String,
    pub(crate) hint: Option<String>,
}

/// `text` as Mesos reads it, in the spelling that counts for the config's id.
pub(crate) fn canonical(flag: &About, text: &str) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        return Err(needed(flag.kind).hint("leave it out for Mesos's own default"));
    }
    if flag.secret {
        return reference(text);
    }
    let text = match flag.kind {
        Kind::Bool => boolean(text)?,
        Kind::Integer => integer(text)?.to_string(),
        Kind::Number => number(text)?.to_string(),
        Kind::String => text.to_owned(),
        Kind::Duration => duration(text).map(|_| text.to_owned())?,
        Kind::Bytes => bytes(text).map(|_| text.to_owned())?,
        Kind::Path => path(text)?,
        Kind::Json => json(text)?,
        Kind::Resources => {
            Resources::parse(text, resources::UNRESERVED).map_err(|error| malformed(&error))?;
            match serde_json::from_str::<Value>(text) {
                Ok(document @ Value::Array(_)) => sorted(&document).to_string(),
                _ => text.to_owned(),
            }
        }
        Kind::Attributes => Attributes::parse(text).map(|_| text.to_owned()).map_err(|error| malformed(&error))?,
        Kind::List => list(text, &flag.values)?,
        Kind::Rate => rate(text)?,
        Kind::Percent => percent(text)?,
        Kind::Quantities => quantities(text)?,
        Kind::Weights => weights(text)?,
        Kind::Ranges => ranges(text)?,
        Kind::Numbers => numbers(text)?,
    };
    if flag.kind != Kind::List && !flag.values.is_empty() && !flag.values.contains(&text) {
        return Err(not_one_of(&text, &flag.values));
    }
    bounds(flag, &text)?;
    Ok(text)
}

/// The value of a duration in nanoseconds.
///
/// # Errors
/// If it is none.
pub(crate) fn duration(text: &str) -> Result<f64, Wrong> {
    let wrong = || needed(Kind::Duration);
    let (digits, unit) = split_unit(text);
    if !is_decimal(digits) {
        return Err(wrong().hint("its units are ns, us, ms, secs, mins, hrs, days, weeks"));
    }
    let amount: f64 = digits.parse().map_err(|_| wrong())?;
    let Some((_, scale)) = DURATIONS.iter().find(|(name, _)| *name == unit) else {
        let unit = unit.trim().to_ascii_lowercase();
        let unit = OTHER_UNITS.iter().find(|(other, _)| *other == unit).map_or(unit.as_str(), |(_, name)| name);
        let meant = match unit {
            "" => Some(format!("{digits}secs")),
            unit => DURATIONS.iter().any(|(name, _)| *name == unit).then(|| format!("{digits}{unit}")),
        };
        return Err(match meant {
            Some(meant) => wrong().hint(format!("did you mean `{meant}`?")),
            None => wrong().hint("its units are ns, us, ms, secs, mins, hrs, days, weeks"),
        });
    };
    let total = amount * scale;
    if total < LONGEST { Ok(total) } else { Err(out_of_range("that is longer than Mesos can count")) }
}

/// The value of a size in bytes.
///
/// # Errors
/// If it is none.
pub(crate) fn bytes(text: &str) -> Result<u64, Wrong> {
    let (digits, unit) = split_unit(text);
    let amount: u64 = digits.parse().map_err(|_| needed(Kind::Bytes))?;
    let Some((_, scale)) = BYTES.iter().find(|(name, _)| *name == unit) else {
        let letter = unit.trim().to_ascii_uppercase();
        let known = BYTES.iter().find(|(name, _)| letter.starts_with(&name[..1])).filter(|_| !letter.is_empty());
        let meant = known.map_or("MB", |(name, _)| *name);
        return Err(needed(Kind::Bytes).hint(format!("did you mean `{digits}{meant}`?")));
    };
    amount.checked_mul(*scale).ok_or_else(|| out_of_range("that is larger than Mesos can count"))
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    text.split_at(end)
}

fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn boolean(text: &str) -> Result<String, Wrong> {
    match text {
        "true" | "false" => Ok(text.to_owned()),
        _ => {
            let meant = match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some("true"),
                "false" | "no" | "off" | "0" => Some("false"),
                _ => None,
            };
            let wrong = needed(Kind::Bool);
            Err(meant.map_or(wrong, |meant| needed(Kind::Bool).hint(format!("did you mean `{meant}`?"))))
        }
    }
}

fn integer(text: &str) -> Result<i64, Wrong> {
    let number: i64 = text.parse().map_err(|_| needed(Kind::Integer))?;
    match number {
        0..=LARGEST => Ok(number),
        _ => Err(out_of_range(&format!("it must be from 0 to {LARGEST}"))),
    }
}

fn number(text: &str) -> Result<f64, Wrong> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = text
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite() && digits.starts_with(|c: char| c.is_ascii_digit()));
    number.ok_or_else(|| needed(Kind::Number))
}

fn path(text: &str) -> Result<String, Wrong> {
    if let Some(path) = text.strip_prefix("file://").filter(|path| path.starts_with('/')) {
        return Err(needed(Kind::Path).hint(format!("write `{path}`")));
    }
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err(needed(Kind::Path)) }
}

/// What is secret stands in a file of the host, and is named in one way.
fn reference(text: &str) -> Result<String, Wrong> {
    match text.strip_prefix("file://") {
        Some(path) if path.len() > 1 && path.starts_with('/') => Ok(text.to_owned()),
        _ => {
            let why = "a package only names the file with it, by `file:///…`".to_owned();
            let hint = match text.starts_with('/') {
                true => format!("write `file://{text}`"),
                false => "put it into a file on each host, and name that".to_owned(),
            };
            Err(Wrong { code: "secret", why, hint: Some(hint) })
        }
    }
}

fn json(text: &str) -> Result<String, Wrong> {
    if text.starts_with('/') || text.starts_with("file:///") {
        return Ok(text.to_owned());
    }
    match serde_json::from_str::<Value>(text) {
        Ok(document @ Value::Object(_)) => Ok(sorted(&document).to_string()),
        Ok(_) => Err(needed(Kind::Json)),
        Err(error) if text.starts_with(['{', '[']) => {
            Err(Wrong { why: format!("that is not JSON: {error}"), ..needed(Kind::Json) })
        }
        Err(_) => Err(needed(Kind::Json)),
    }
}

fn list(text: &str, values: &[String]) -> Result<String, Wrong> {
    let mut items = Vec::new();
    for item in text.split(',').map(str::trim) {
        if item.is_empty() {
            return Err(needed(Kind::List));
        }
        if !values.is_empty() && values.iter().all(|value| value != item) {
            return Err(not_one_of(item, values));
        }
        if items.contains(&item) {
            return Err(Wrong { code: "flag-value", why: format!("`{item}` is there twice"), hint: None });
        }
        items.push(item);
    }
    Ok(items.join(","))
}

fn rate(text: &str) -> Result<String, Wrong> {
    let (amount, time) = text.split_once('/').ok_or_else(|| needed(Kind::Rate))?;
    let amount: u32 = amount.parse().map_err(|_| needed(Kind::Rate))?;
    if amount == 0 || duration(time)? == 0.0 {
        return Err(needed(Kind::Rate));
    }
    Ok(text.to_owned())
}

fn percent(text: &str) -> Result<String, Wrong> {
    let wrong = || needed(Kind::Percent);
    let Some(share) = text.strip_suffix('%') else {
        return Err(if is_decimal(text) { wrong().hint(format!("did you mean `{text}%`?")) } else { wrong() });
    };
    let number: f64 = share.parse().ok().filter(|_| is_decimal(share)).ok_or_else(wrong)?;
    if number <= 100.0 { Ok(text.to_owned()) } else { Err(out_of_range("that is more than all")) }
}

fn quantities(text: &str) -> Result<String, Wrong> {
    for part in text.split('|').flat_map(|alternative| alternative.split(';')) {
        let (name, amount) = part.split_once(':').ok_or_else(|| needed(Kind::Quantities))?;
        let wrong = name.is_empty() || name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if wrong || !is_decimal(amount) {
            return Err(needed(Kind::Quantities));
        }
    }
    Ok(text.to_owned())
}

fn weights(text: &str) -> Result<String, Wrong> {
    for part in text.split(',') {
        let (role, weight) = part.split_once('=').ok_or_else(|| needed(Kind::Weights))?;
        let positive = is_decimal(weight) && weight.parse::<f64>().is_ok_and(|weight| weight > 0.0);
        if role.is_empty() || role.contains(char::is_whitespace) || !positive {
            return Err(needed(Kind::Weights));
        }
    }
    Ok(text.to_owned())
}

fn ranges(text: &str) -> Result<String, Wrong> {
    match Amount::parse(text).map_err(|error| malformed(&error))? {
        value if value.kind() == Form::Ranges && !value.is_empty() => Ok(text.to_owned()),
        _ => Err(needed(Kind::Ranges)),
    }
}

fn numbers(text: &str) -> Result<String, Wrong> {
    let one = |item: &str| item.parse::<u32>().map(|number| number.to_string());
    let items: Result<Vec<String>, _> = text.split(',').map(|item| one(item.trim())).collect();
    items.map(|items| items.join(",")).map_err(|_| needed(Kind::Numbers))
}

fn bounds(flag: &About, text: &str) -> Result<(), Wrong> {
    let size = |text: &str| match flag.kind {
        Kind::Duration => duration(text).ok(),
        Kind::Integer | Kind::Number => text.parse().ok(),
        _ => None,
    };
    let beyond = |bound: &Option<String>, too_far: fn(f64, f64) -> bool| {
        let bound = bound.as_ref()?;
        too_far(size(text)?, size(bound)?).then(|| bound.clone())
    };
    if let Some(min) = beyond(&flag.min, |value, min| value < min) {
        return Err(out_of_range(&format!("it must be at least `{min}`")));
    }
    if let Some(max) = beyond(&flag.max, |value, max| value > max) {
        return Err(out_of_range(&format!("it must be at most `{max}`")));
    }
    Ok(())
}

fn needed(kind: Kind) -> Wrong {
    let (noun, example) = kind.described();
    let example = example.map_or_else(String::new, |example| format!(", such as `{example}`"));
    Wrong { code: "flag-type", why: format!("{noun} is needed{example}"), hint: None }
}

fn out_of_range(why: &str) -> Wrong {
    Wrong { code: "flag-range", why: why.to_owned(), hint: None }
}

fn not_one_of(text: &str, values: &[String]) -> Wrong {
    let why = match values {
        [one] => format!("only `{one}` is allowed"),
        _ => format!("`{text}` is none of its values"),
    };
    Wrong {
        code: "flag-value",
        why,
        hint: did_you_mean(text, values.iter().map(String::as_str)).filter(|_| values.len() > 1),
    }
}

fn malformed(error: &Malformed) -> Wrong {
    Wrong { code: "flag-value", why: format!("`{}` can't be read: {}", error.text, error.why), hint: None }
}

impl Wrong {
    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Whether two texts mean the same to Mesos as values of a flag: it shows `2000ms` as `2secs`, and documents in its own
/// order.
pub fn same(kind: Kind, left: &str, right: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    left == right
        || match kind {
            Kind::Duration => duration(left).ok().zip(duration(right).ok()).is_some_and(|(left, right)| left == right),
            Kind::Bytes => bytes(left).ok().zip(bytes(right).ok()).is_some_and(|(left, right)| left == right),
            Kind::Integer | Kind::Number => number(left).zip(number(right)).is_some_and(|(left, right)| left == right),
            Kind::Json | Kind::Resources => {
                let document = |text: &str| serde_json::from_str::<Value>(text).ok();
                document(left).zip(document(right)).is_some_and(|(left, right)| left == right)
            }
            _ => false,
        }
}
