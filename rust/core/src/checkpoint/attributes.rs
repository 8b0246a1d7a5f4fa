//! `--attributes`: what is true of an agent.

use super::Malformed;
use super::value::Value;

/// The attributes of an agent, in order: of several with one name, an agent may look at the first only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub Vec<(String, Value)>);

impl Attributes {
    /// Reads the flag `attributes`.
    ///
    /// # Errors
    /// If an agent would not start with it.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let parts = text.split([';', '\n']).filter(|part| !part.is_empty());
        parts.map(one).collect::<Result<_, _>>().map(Self)
    }

    /// The first value of that name.
    pub fn first(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// Whether a name is there more than once.
    pub fn repeats(&self, name: &str) -> bool {
        self.0.iter().filter(|(other, _)| other == name).count() > 1
    }
}

fn one(part: &str) -> Result<(String, Value), Malformed> {
    let Some((name, value)) = part.split_once(':').filter(|(name, value)| !name.is_empty() && !value.is_empty()) else {
        return Err(Malformed::new(part, "an attribute is `name:value`"));
    };
    match Value::parse(value)? {
        Value::Set(_) => Err(Malformed::new(part, "an attribute can't be a set")),
        // Spaces count in texts and names here even if Mesos should take them out: to be different is the safe side.
        value => Ok((name.to_owned(), value)),
    }
}
