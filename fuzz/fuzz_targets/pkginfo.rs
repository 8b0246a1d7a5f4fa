//! pkginfo, ids and requirements: what is read is written and read again as the same.
#![no_main]

use dcos_core::requirement::Requirement;
use dcos_core::{PackageId, PackageName, PkgInfo, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(info) = PkgInfo::parse(text) {
        let id = info.id();
        assert_eq!(id.to_string().parse::<PackageId>().unwrap(), id);
        let written = serde_json::to_string(&info).unwrap();
        assert_eq!(PkgInfo::parse(&written).unwrap(), info);
        for module in &info.modules {
            assert!(!module.library.starts_with('/') && !module.library.split('/').any(|part| part == ".."));
        }
    }
    if let Ok(id) = text.parse::<PackageId>() {
        assert_eq!(id.to_string(), text);
        assert!(text.len() <= 200 && !text.contains('/') && !text.starts_with('.'));
        assert_eq!(PackageId::new(id.name(), id.version()).unwrap(), id);
    }
    if let Ok(name) = text.parse::<PackageName>() {
        assert_eq!(name.as_str(), text);
    }
    if let Some((left, right)) = text.split_once('\n')
        && let (Ok(left), Ok(right)) = (left.parse::<Version>(), right.parse::<Version>())
    {
        // An order, whatever the versions are.
        assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
        assert_eq!(left == right, left.cmp(&right).is_eq());
    }
    if let Ok(requirement) = text.parse::<Requirement>() {
        assert_eq!(requirement.to_string().parse::<Requirement>().unwrap(), requirement);
    }
});
