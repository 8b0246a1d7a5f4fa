#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dcos_core::Role;

use super::{Kind, all, check, of, variable};

#[test]
fn a_flag_becomes_a_variable() {
    assert_eq!(variable("registration_backoff_factor"), "MESOS_REGISTRATION_BACKOFF_FACTOR");
}

#[test]
fn the_data_agrees_with_itself() {
    assert!(of(Some(Role::Master)).count() > 60 && of(Some(Role::Agent)).count() > 100);
    for flag in all() {
        let name = &flag.name;
        assert!(!flag.about.help.is_empty() && !flag.about.help.ends_with('.'), "{name}");
        // The defaults that Mesos shows are values that an operator could write, too. Secrets have none.
        if let Some(default) = flag.about.default.as_ref().filter(|_| flag.is_option()) {
            assert_eq!(check(name, default, flag.role).unwrap(), *default, "{name}");
        }
        if flag.about.secret {
            assert!(matches!(flag.about.kind, Kind::Path | Kind::Json) && flag.about.default.is_none(), "{name}");
        }
    }
}

#[test]
fn ordinary_flags_are_taken() {
    for (name, value, canonical) in [
        ("resources", "cpus:4;mem:1024", "cpus:4;mem:1024"),
        ("quorum", "03", "3"),
        ("isolation", "posix/cpu, posix/mem", "posix/cpu,posix/mem"),
        ("acls", r#"{ "b": 1, "a": [] }"#, r#"{"a":[],"b":1}"#),
        ("acls", "file:///etc/acls.json", "file:///etc/acls.json"),
        ("gc_disk_headroom", "0.50", "0.5"),
        ("gc_delay", "1.5days", "1.5days"),
        ("fetcher_cache_size", "2GB", "2GB"),
        ("credentials", "file:///etc/secret", "file:///etc/secret"),
        ("recovery_agent_removal_limit", "5%", "5%"),
    ] {
        assert_eq!(check(name, value, None).unwrap(), canonical, "{name}");
    }
}

#[test]
fn host_facts_are_sent_to_node_toml() {
    for (name, place) in [
        ("ip", "`mesos.ip`"),
        ("port", "`mesos.port`"),
        ("hostname", "`mesos.hostname`"),
        ("work_dir", "`mesos.work_dir`"),
        ("runtime_dir", "`mesos.runtime_dir`"),
        ("master", "`mesos.master`"),
        ("zk", "`mesos.zk`"),
        ("attributes", "`mesos.attributes`"),
        ("credential", "`mesos.credential`"),
    ] {
        let found = check(name, "x", None).unwrap_err();
        assert_eq!(found.code, "host-fact");
        assert!(found.hint.unwrap().contains(place), "{name}");
    }
    for name in ["launcher_dir", "modules", "modules_dir", "webui_dir", "version"] {
        assert_eq!(check(name, "x", None).unwrap_err().code, "not-an-option", "{name}");
    }
}

#[test]
fn other_spellings_get_the_right_one_as_hint() {
    for name in ["--resources", "MESOS_RESOURCES", "Resources", "resouces"] {
        assert_eq!(check(name, "x", None).unwrap_err().hint.unwrap(), "did you mean `resources`?");
    }
    let old = check("slave_ping_timeout", "5secs", None).unwrap_err();
    assert_eq!(old.hint.unwrap(), "it is called `agent_ping_timeout` now");
    assert_eq!(check("quorum", "1", Some(Role::Agent)).unwrap_err().code, "flag-role");
    assert_eq!(check("resources", "a\nb", None).unwrap_err().code, "flag-value");
}
