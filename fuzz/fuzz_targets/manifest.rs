//! Manifests, as somebody may have edited them on a node: read or refused, the same again, and never followed in circles.
#![no_main]

use dcos_store::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) else { return };
    let written = serde_json::to_vec(&manifest).unwrap();
    assert_eq!(serde_json::from_slice::<Manifest>(&written).unwrap(), manifest);
    for path in manifest.entries.keys() {
        // Links of links of links: it ends, with an answer or without.
        let _ = (manifest.digest(path), manifest.provides_file(path));
    }
});
