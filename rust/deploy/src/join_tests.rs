#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use dcos_api::types::join::{JoinRequest, TokenRequest};
use dcos_core::node::{ApiRole, NodeConfig};
use dcos_core::{PackageSet, Role};
use jiff::Timestamp;

use super::{LIFE, Minted, Token, judge, mint, told};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn request(expires_in: Option<u64>) -> TokenRequest {
    TokenRequest { group: "agents".to_owned(), role: Role::Agent, set: None, expires_in }
}

fn minted() -> (Minted, Token) {
    let minted = mint(&request(None), Some("alice"), &[7; 24], NOW).unwrap();
    let token = serde_json::from_value(minted.keep.after.clone().unwrap()).unwrap();
    (minted, token)
}

fn shows(minted: &Minted, claim: &str) -> JoinRequest {
    let token = minted.answer.token.clone();
    JoinRequest { protocol: 1, token, claim: claim.repeat(16), node: "10.0.0.9:5051".to_owned() }
}

fn refusal(kept: Option<&Token>, request: &JoinRequest, at: Timestamp) -> (u16, String, String) {
    let problem = judge(kept, request, at).unwrap_err();
    (problem.status, problem.name().to_owned(), problem.detail)
}

#[test]
fn the_word_itself_is_not_kept() {
    let (minted, token) = minted();
    assert_eq!(minted.answer.token, "07".repeat(24));
    let kept = format!("{:?} {}", minted.keep, serde_json::to_string(&token).unwrap());
    assert!(!kept.contains(&minted.answer.token), "{kept}");
    assert!(!format!("{:?}", minted.answer).contains(&minted.answer.token));
    assert_eq!((token.created_by.as_deref(), token.expires_at), (Some("alice"), NOW + LIFE));
}

#[test]
fn one_machine_uses_it_however_often_it_has_to_ask_and_no_other() {
    let (minted, token) = minted();
    let used = judge(Some(&token), &shows(&minted, "a"), NOW).unwrap().unwrap();
    assert_eq!(used.used.as_ref().unwrap().node, "10.0.0.9:5051");
    assert_eq!(judge(Some(&used), &shows(&minted, "a"), NOW), Ok(None), "its answer was lost");
    let (status, name, detail) = refusal(Some(&used), &shows(&minted, "b"), NOW);
    assert_eq!((status, name.as_str()), (409, "used-token"));
    assert_eq!(detail, "the join token was used by 10.0.0.9:5051 at 1970-01-01T00:00:00Z");
}

#[test]
fn its_time_ends_and_what_was_never_made_is_unknown() {
    let (minted, token) = minted();
    let late = NOW + LIFE + Duration::from_secs(1);
    assert!(judge(Some(&token), &shows(&minted, "a"), NOW + LIFE).is_ok());
    let (status, name, _) = refusal(Some(&token), &shows(&minted, "a"), late);
    assert_eq!((status, name.as_str()), (422, "expired-token"));
    let (status, name, _) = refusal(None, &shows(&minted, "a"), NOW);
    assert_eq!((status, name.as_str()), (404, "unknown-token"));
    let (_, name, _) = refusal(Some(&token), &shows(&minted, ""), NOW);
    assert_eq!(name, "invalid-claim");
}

#[test]
fn a_token_for_nothing_or_for_ever_is_not_made() {
    for bad in [request(Some(0)), request(Some(u64::MAX)), TokenRequest { group: String::new(), ..request(None) }] {
        assert_eq!(mint(&bad, None, &[0; 24], NOW).unwrap_err().name(), "invalid-token-request", "{bad:?}");
    }
}

#[test]
fn a_node_is_told_what_its_master_knows() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.json");
    let text = format!(
        "role = \"master\"\ngroup = \"masters\"\n[mesos]\nip = \"10.0.0.1\"\nport = 5050\nwork_dir = \"/w\"\n\
         [repositories.release]\nurl = \"http://bits/\"\nroot_json = {root:?}\n"
    );
    let config = NodeConfig::parse(&text).unwrap();
    let tell = |role| told(&config, role, "agents".to_owned(), PackageSet::default());
    assert_eq!(tell(Role::Agent).unwrap_err().name(), "master-incomplete", "the root is not there");
    #[expect(clippy::disallowed_methods, reason = "a file of this test")]
    std::fs::write(&root, "{}").unwrap();
    let answer = tell(Role::Agent).unwrap();
    assert_eq!(answer.master.as_deref(), Some("10.0.0.1:5050"));
    assert_eq!(answer.masters, ["http://10.0.0.1:5050"]);
    assert_eq!(answer.release.unwrap().root_json.as_deref(), Some("{}"));
    assert_eq!(tell(Role::Master).unwrap().master, None);
}

#[expect(clippy::disallowed_methods, reason = "a file of a test")]
fn mode(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_node_is_told_who_may_do_what_and_secrets_come_from_closed_files_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, text: &str| {
        #[expect(clippy::disallowed_methods, reason = "a file of this test")]
        std::fs::write(path(name), text).unwrap();
        mode(&path(name), 0o600);
    };
    let text = format!(
        "role = \"master\"\ngroup = \"masters\"\n[mesos]\nip = \"10.0.0.1\"\nport = 5050\nwork_dir = \"/w\"\n\
         [deploy]\ncredentials = {:?}\njoin_credentials = {:?}\njoin_mesos_credentials = {:?}\n\
         [roles]\nalice = \"admin\"\ncontroller = \"reader\"\n",
        path("own"),
        path("joining"),
        path("known")
    );
    let config = NodeConfig::parse(&text).unwrap();
    let tell = || told(&config, Role::Agent, "agents".to_owned(), PackageSet::default());
    write("own", "controller quiet");
    write("joining", "joining hush");
    write("known", "joining hush\ncontroller quiet\n");
    let answer = tell().unwrap();
    assert_eq!(answer.credentials.as_deref(), Some("joining hush"));
    assert_eq!(answer.mesos_credentials.as_deref(), Some("joining hush\ncontroller quiet\n"));
    let roles: Vec<_> = answer.roles.iter().map(|(name, role)| (name.as_str(), *role)).collect();
    assert_eq!(
        roles,
        [("alice", ApiRole::Admin), ("controller", ApiRole::Operator)],
        "without it no deployment reaches it"
    );
    assert!(!format!("{answer:?}").contains("quiet"));

    for open in ["own", "joining", "known"] {
        mode(&path(open), 0o644);
        let problem = tell().unwrap_err();
        assert_eq!((problem.status, problem.name()), (503, "master-incomplete"), "{open}");
        assert!(problem.detail.contains("can be read by everybody"), "{open}: {problem}");
        assert_eq!(problem.hints, [format!("`chmod 600 {}` closes it", path(open).display())]);
        mode(&path(open), 0o640);
        assert!(tell().is_ok(), "{open}: a group may have it");
    }
    // Nodes that don't know the controller would refuse every deployment.
    write("known", "joining hush\ncontroller other\n");
    let problem = tell().unwrap_err();
    assert!(problem.detail.contains("does not have `controller` with the secret"), "{problem}");
}
