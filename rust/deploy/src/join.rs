//! Join tokens: how an empty machine becomes a node of this cluster without anybody logging in to it.
//!
//! A token is a random word that leads one machine into one group, once, within its time. It is told to whoever asks for
//! it and kept nowhere: the log has its digest, as a document of its own kind ([`KIND`]), so who reads the log or a backup
//! can't join. Being used is a change of that document that the controller makes only if the document is still as it was
//! seen ([`Keep`]); of two machines that show the same token at the same moment, one is taken in.
//!
//! A machine whose answer was lost, or that was killed before it had written the answer down, asks again. It made up a
//! word of its own before it asked for the first time, its *claim*, and shows the same one: that is the same use.
//!
//! [`mint`] and [`judge`] decide and are pure; [`DeployHandle::token`] and [`DeployHandle::join`] do.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use dcos_api::types::PROTOCOL;
use dcos_api::types::join::{JoinAnswer, JoinRepository, JoinRequest, TokenAnswer, TokenRequest};
use dcos_core::credentials::Credentials;
use dcos_core::node::{ApiRole, NodeConfig, RepositoryFacts};
use dcos_core::{ExitCode, PackageSet, Problem, Role, Sha256};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Keep;
use crate::shell::DeployHandle;
use crate::trust::{self, InvalidCredentials};

/// The kind of these documents in the log.
pub const KIND: &str = "join-token";

/// How long a token is good if nothing is said: long enough to boot a machine, short enough to be forgotten in a log.
pub const LIFE: Duration = Duration::from_secs(3600);

/// No token is good for longer: what needs to last is no token but a credential.
pub const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a token that can't be used any more is remembered, so that its second use is told apart from nonsense.
const MEMORY: Duration = Duration::from_secs(7 * 24 * 3600);

/// The random bytes of a token: nobody guesses 192 bits.
pub const SECRET_BYTES: usize = 24;

const FORMAT: u32 = 1;

/// What is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    format: u32,
    /// The group that it leads into.
    pub group: String,
    /// What the new node will be.
    pub role: Role,
    /// What the new node shall run, if that was said.
    pub set: Option<PackageSet>,
    /// Who asked for it.
    pub created_by: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// Who used it.
    pub used: Option<Use>,
}

/// A use of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// The digest of the machine's own word.
    pub claim: Sha256,
    /// What the machine called itself.
    pub node: String,
    /// When.
    pub at: Timestamp,
}

/// A new token: the word to hand out, and the change of the log that makes it good.
#[derive(Clone, Debug)]
pub struct Minted {
    /// What is told to whoever asked.
    pub answer: TokenAnswer,
    /// To be carried out by [`DeployHandle::keep`] before the word is handed out.
    pub keep: Keep,
}

/// Makes a token of `secret`, which must be random. Pure: provisioning calls it for the machines that it starts.
///
/// # Errors
/// `invalid-token-request` if the group is empty or the time is none, or too long.
pub fn mint(
    request: &TokenRequest,
    by: Option<&str>,
    secret: &[u8; SECRET_BYTES],
    now: Timestamp,
) -> Result<Minted, Problem> {
    let refused =
        |why: &str| Problem::new(ExitCode::Refused, "invalid-token-request", format!("can't make a token: {why}"));
    let life = request.expires_in.map_or(LIFE, Duration::from_secs);
    if request.group.is_empty() {
        return Err(refused("it names no group"));
    }
    if request.set.as_ref().is_some_and(PackageSet::is_empty) {
        return Err(refused("the empty set can't run"));
    }
    if life.is_zero() || life > LONGEST_LIFE {
        return Err(refused("it must be good for 1 s to 30 days"));
    }
    let expires_at = now.checked_add(life).map_err(|_| refused("its time does not end"))?;
    let word: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let id = id_of(&word);
    let token = Token {
        format: FORMAT,
        group: request.group.clone(),
        role: request.role,
        set: request.set.clone(),
        created_by: by.map(str::to_owned),
        created_at: now,
        expires_at,
        used: None,
    };
    let keep = Keep { kind: KIND, id: id.clone(), before: None, after: Some(document(&token)?) };
    let answer = TokenAnswer { id, token: word, group: token.group, role: token.role, expires_at };
    Ok(Minted { answer, keep })
}

/// What is to be kept when a machine shows a token of which `kept` is known; `None` if it was this machine before.
///
/// # Errors
/// `unknown-token`, `expired-token`, `used-token`: each says why, and nothing is given away.
pub fn judge(kept: Option<&Token>, request: &JoinRequest, now: Timestamp) -> Result<Option<Token>, Problem> {
    let Some(token) = kept else {
        let detail = "no such join token was made here, or it is long over";
        return Err(Problem::new(ExitCode::NotFound, "unknown-token", detail)
            .hint("`dcos slave token --group GROUP` makes one"));
    };
    if now > token.expires_at {
        let detail = format!("the join token was good until {}", second(token.expires_at));
        return Err(Problem::new(ExitCode::Refused, "expired-token", detail)
            .hint("`dcos slave token --group GROUP` makes another one"));
    }
    if request.claim.len() < 16 {
        let detail = "the machine's claim is too short to tell it from others";
        return Err(Problem::new(ExitCode::Refused, "invalid-claim", detail));
    }
    let claim = Sha256::of(request.claim.as_bytes());
    match &token.used {
        Some(used) if used.claim == claim => Ok(None),
        Some(used) => {
            let detail = format!("the join token was used by {} at {}", used.node, second(used.at));
            Err(Problem::new(ExitCode::Conflict, "used-token", detail)
                .hint("each machine needs a token of its own: `dcos slave token --group GROUP` makes one"))
        }
        None => {
            let used = Some(Use { claim, node: request.node.clone(), at: now });
            Ok(Some(Token { used, ..token.clone() }))
        }
    }
}

impl DeployHandle {
    /// Makes a join token.
    ///
    /// # Errors
    /// As [`mint`], or that the controller can't act now.
    pub async fn token(&self, request: &TokenRequest, by: Option<String>) -> Result<TokenAnswer, Problem> {
        let failed = |error: std::io::Error| {
            Problem::new(ExitCode::Unexpected, "no-randomness", format!("can't make a token: {error}"))
        };
        let secret = tokio::task::spawn_blocking(random).await.map_err(std::io::Error::other);
        let secret = secret.and_then(|read| read).map_err(failed)?;
        let now = Timestamp::now();
        let minted = mint(request, by.as_deref(), &secret, now)?;
        self.forget_old(now).await?;
        self.keep(minted.keep).await?;
        Ok(minted.answer)
    }

    /// Takes a new machine in. `config` is this master's own: what it knows of repositories and masters, the new node is
    /// told.
    ///
    /// # Errors
    /// As [`judge`]; `no-desired-set` if nobody knows what the group runs: the token is good still.
    pub async fn join(&self, request: JoinRequest, config: &NodeConfig) -> Result<JoinAnswer, Problem> {
        let id = id_of(&request.token);
        // Somebody may use the same token in between: then what is found the second time is final.
        let mut tries = 0;
        loop {
            tries += 1;
            let before = self.documents(KIND).await?.into_iter().find(|(known, _)| *known == id).map(|(_, body)| body);
            let kept =
                before.clone().map(serde_json::from_value::<Token>).transpose().map_err(|error| unreadable(&error))?;
            let used = judge(kept.as_ref(), &request, Timestamp::now())?;
            let Some(kept) = kept else { continue };
            // All that can fail comes first, so that a token is not spent on an answer that can't be given.
            let answer = self.answer(&kept, config).await?;
            let Some(used) = used else { return Ok(answer) };
            let keep = Keep { kind: KIND, id: id.clone(), before, after: Some(document(&used)?) };
            match self.keep(keep).await {
                Ok(()) => {
                    tracing::info!(token = id, node = request.node, group = answer.group, "a machine joins");
                    return Ok(answer);
                }
                Err(problem) if problem.name() == "changed-meanwhile" && tries < 3 => {}
                Err(problem) => return Err(problem),
            }
        }
    }

    async fn answer(&self, token: &Token, config: &NodeConfig) -> Result<JoinAnswer, Problem> {
        let set = match &token.set {
            Some(set) => set.clone(),
            None => self.wanted(&token.group, token.role).await?,
        };
        let config = config.clone();
        let (role, group) = (token.role, token.group.clone());
        let read = tokio::task::spawn_blocking(move || told(&config, role, group, set));
        read.await.map_err(|error| Problem::new(ExitCode::Unexpected, "unexpected", error.to_string()))?
    }

    /// What the nodes of a group run: what they should run, or, where no deployment ever said, what they all do run.
    ///
    /// # Errors
    /// `no-desired-set` if nobody knows, or that the controller can't act now.
    pub async fn wanted(&self, group: &str, role: Role) -> Result<PackageSet, Problem> {
        if let Some(set) = self.desired(group.to_owned()).await? {
            return Ok(set);
        }
        let nodes = self.nodes().await?.nodes;
        let mut sets: Vec<PackageSet> =
            nodes.into_iter().filter(|node| node.group == group && node.role == role).filter_map(|it| it.set).collect();
        sets.sort_by_key(PackageSet::digest);
        sets.dedup();
        let refused = |why: String| {
            Problem::new(
                ExitCode::Conflict,
                "no-desired-set",
                format!("it is not known what group `{group}` runs: {why}"),
            )
        };
        match (sets.pop(), sets.is_empty()) {
            (Some(set), true) => Ok(set),
            (Some(_), false) => Err(refused("its nodes differ".to_owned())
                .hint("deploy one set to the whole group; then its new nodes get the same")),
            (None, _) => Err(refused(format!("no {role} of it answers"))
                .hint("say it when the token is made: `dcos slave token --group GROUP --set ID…`")),
        }
    }

    /// Forgets tokens that were over long ago.
    async fn forget_old(&self, now: Timestamp) -> Result<(), Problem> {
        for (id, body) in self.documents(KIND).await? {
            let over = serde_json::from_value::<Token>(body.clone())
                .is_ok_and(|token| token.expires_at.checked_add(MEMORY).is_ok_and(|forgotten| forgotten < now));
            if over {
                self.keep(Keep { kind: KIND, id, before: Some(body), after: None }).await?;
            }
        }
        Ok(())
    }
}

/// What a master's own configuration says that a new node needs. Reads the files that it names.
fn told(config: &NodeConfig, role: Role, group: String, set: PackageSet) -> Result<JoinAnswer, Problem> {
    let master = match (role, &config.mesos.zk) {
        (Role::Agent, None) => Some(config.origin().trim_start_matches("http://").to_owned()),
        (Role::Agent | Role::Master, _) => None,
    };
    let masters = match config.deploy.masters.as_slice() {
        [] => vec![config.origin()],
        masters => masters.to_vec(),
    };
    Ok(JoinAnswer {
        protocol: PROTOCOL,
        role,
        group,
        set,
        master,
        zk: config.mesos.zk.clone(),
        masters,
        release: config.repositories.release.as_ref().map(repository).transpose()?,
        site: config.repositories.site.as_ref().map(repository).transpose()?,
        credentials: config.deploy.join_credentials.as_deref().map(secret).transpose()?,
        mesos_credentials: config.deploy.join_mesos_credentials.as_deref().map(secret).transpose()?,
        roles: roles(config)?,
        insecure_allow_anonymous: config.limits.insecure_allow_anonymous,
    })
}

/// Who may do what on a new node: what they may here. Whoever this master is when it calls nodes has to be let in, or no
/// deployment would ever reach the node.
fn roles(config: &NodeConfig) -> Result<BTreeMap<String, ApiRole>, Problem> {
    let mut roles = config.roles.clone();
    let Some(path) = &config.deploy.credentials else { return Ok(roles) };
    let caller = trust::credential(path).map_err(|error| incomplete(&error))?;
    if let Some(path) = &config.deploy.join_mesos_credentials {
        let known = Credentials::parse(&secret(path)?).ok();
        if !known.is_some_and(|known| known.prove(&caller.principal, &caller.secret)) {
            let detail = format!(
                "`{}` does not have `{}` with the secret by which this master calls nodes",
                path.display(),
                caller.principal
            );
            return Err(Problem::new(ExitCode::Unreachable, "master-incomplete", detail).hint(
                "the principal and secret of `deploy.credentials` belong into it; nodes would refuse every deployment",
            ));
        }
    }
    let role = roles.entry(caller.principal).or_insert(ApiRole::Operator);
    if !matches!(role, ApiRole::Operator | ApiRole::Admin) {
        *role = ApiRole::Operator;
    }
    Ok(roles)
}

/// A file with secrets that a new node gets.
fn secret(path: &Path) -> Result<String, Problem> {
    trust::secret(path).map_err(|error| incomplete(&error))
}

fn incomplete(error: &InvalidCredentials) -> Problem {
    let detail = format!("this master can't tell a new node all that it needs: {}", Problem::chain(error));
    let problem = Problem::new(ExitCode::Unreachable, "master-incomplete", detail);
    match error.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

fn repository(facts: &RepositoryFacts) -> Result<JoinRepository, Problem> {
    Ok(JoinRepository {
        url: facts.url.clone(),
        root_json: facts.root_json.as_deref().map(text).transpose()?,
        ca: facts.ca.as_deref().map(text).transpose()?,
    })
}

fn text(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| {
        let detail = format!("this master can't read `{}`, which a new node needs: {error}", path.display());
        Problem::new(ExitCode::Unreachable, "master-incomplete", detail)
    })
}

fn id_of(word: &str) -> String {
    Sha256::of(word.as_bytes()).short(16)
}

fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn document(token: &Token) -> Result<Value, Problem> {
    serde_json::to_value(token)
        .map_err(|error| Problem::new(ExitCode::Unexpected, "unexpected", format!("can't write a token down: {error}")))
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let detail = format!("what is kept of the join token can't be read: {error}");
    Problem::new(ExitCode::Unexpected, "unreadable-token", detail).hint("a newer release may have made it")
}

fn random() -> std::io::Result<[u8; SECRET_BYTES]> {
    use std::io::Read as _;
    let mut bytes = [0; SECRET_BYTES];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "join_tests.rs"]
mod tests;
