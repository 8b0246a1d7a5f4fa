//! What the configuration says: `[provider.settings]`, and `[classes.<name>.settings]`.

use std::collections::BTreeMap;

use dcos_core::provider::{Failure, Reason};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// `[provider.settings]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// The region; the SDK's own chain decides if it is absent.
    pub(crate) region: Option<String>,
    /// Another end point than the region's own.
    pub(crate) endpoint: Option<String>,
    /// A profile of the credentials file.
    pub(crate) profile: Option<String>,
}

/// `[classes.<name>.settings]`. An image or a launch template is needed; what is said here wins over a template.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Class {
    /// The image.
    pub(crate) image: Option<String>,
    /// A launch template, `lt-…` or by name.
    pub(crate) launch_template: Option<String>,
    /// Its version: a number, `$Latest` or `$Default`.
    pub(crate) launch_template_version: Option<String>,
    /// The instance types, the best first.
    pub(crate) instance_types: Vec<String>,
    /// The subnets, one of each zone that agents shall be spread over.
    pub(crate) subnets: Vec<String>,
    /// The security groups, by id.
    pub(crate) security_groups: Vec<String>,
    /// The instance profile, by name or ARN.
    pub(crate) instance_profile: Option<String>,
    /// The key pair for ssh.
    pub(crate) key_name: Option<String>,
    /// Whether spot instances are wanted.
    pub(crate) spot: bool,
    /// The root volume's size, in GiB.
    pub(crate) root_volume: Option<i32>,
    /// The root volume's device name in the image.
    pub(crate) root_device: Option<String>,
    /// More tags.
    pub(crate) tags: BTreeMap<String, String>,
}

/// One way to make a machine of a class.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice<'a> {
    pub(crate) instance_type: Option<&'a str>,
    pub(crate) subnet: Option<&'a str>,
}

/// Reads a table of the configuration.
pub(crate) fn read<T: DeserializeOwned>(what: &str, value: serde_json::Value) -> Result<T, Failure> {
    serde_json::from_value(value)
        .map_err(|error| Failure { reason: Reason::Invalid, detail: format!("{what} can't be used: {error}") })
}

impl Class {
    /// Why no machine can be made of it, if so.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let text = if self.image.is_none() && self.launch_template.is_none() {
            "an `image` or a `launch_template` is needed"
        } else if self.launch_template.is_none() && self.instance_types.is_empty() {
            "`instance_types` is empty, and no `launch_template` says the type"
        } else if self.root_volume.is_some() && self.root_device.is_none() {
            "`root_volume` needs `root_device`, the name of the root device in the image, such as `/dev/xvda`"
        } else {
            return Ok(());
        };
        Err(Failure { reason: Reason::Invalid, detail: text.to_owned() })
    }

    /// The way of a number: every subnet with the best type first, then with the next one. Slots begin at different
    /// subnets, so that agents are spread over zones.
    pub(crate) fn choice(&self, slot: usize, number: u32) -> Option<Choice<'_>> {
        let (types, subnets) = (self.instance_types.len().max(1), self.subnets.len().max(1));
        let number = usize::try_from(number).ok().filter(|number| *number < types * subnets)?;
        Some(Choice {
            instance_type: self.instance_types.get(number / subnets).map(String::as_str),
            subnet: self.subnets.get((slot + number) % subnets).map(String::as_str),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, Class};

    fn class(types: &[&str], subnets: &[&str]) -> Class {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Class { instance_types: all(types), subnets: all(subnets), ..Class::default() }
    }

    #[test]
    fn every_type_is_tried_in_every_subnet_once_and_slots_begin_in_different_zones() {
        let class = class(&["large", "small"], &["a", "b"]);
        let way = |slot, number| {
            class.choice(slot, number).map(|it| (it.instance_type.unwrap_or(""), it.subnet.unwrap_or("")))
        };
        let first: Vec<_> = (0..5).map(|number| way(0, number)).collect();
        assert_eq!(
            first,
            [Some(("large", "a")), Some(("large", "b")), Some(("small", "a")), Some(("small", "b")), None]
        );
        assert_eq!(way(1, 0), Some(("large", "b")));
    }

    #[test]
    fn a_launch_template_may_say_all_of_it() {
        let class = class(&[], &[]);
        assert_eq!(class.choice(3, 0), Some(Choice { instance_type: None, subnet: None }));
        assert_eq!(class.choice(3, 1), None);
    }

    #[test]
    fn a_class_that_cannot_work_says_why() {
        let whys = [
            Class::default(),
            Class { image: Some("ami-1".to_owned()), ..Class::default() },
            Class { image: Some("ami-1".to_owned()), root_volume: Some(9), ..class(&["large"], &[]) },
        ];
        let whys: Vec<_> = whys.iter().map(|class| class.check().map_err(|failure| failure.detail)).collect();
        assert!(whys.iter().all(Result::is_err), "{whys:?}");
        assert_eq!(Class { image: Some("ami-1".to_owned()), ..class(&["large"], &[]) }.check(), Ok(()));
    }
}
