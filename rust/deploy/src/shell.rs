//! The tasks around the controller.
//!
//! One thread owns the state and the log: it takes in events one by one, writes the facts of each step, and only then
//! hands out its actions. It is a thread and not a task, since writing blocks, and since nothing may come between a
//! write and what follows from it. Questions to nodes are tasks, a bounded number at once; each sends one answer back.
//! Two more tasks tell the time and read the inventory.
//!
//! A log that can't be written stops the controller: what it decided is not known to be kept, so nothing is done about
//! it. The state is then rebuilt from the log, again and again until that works, as after a restart.

mod behalf;
pub(crate) mod core;
mod create;
mod direct;
pub(crate) mod handle;
mod lead;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use dcos_api::backend::Leader;
use dcos_core::Problem;
use dcos_core::node::NodeConfig;
use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc};

use crate::backup::Restoring;
use crate::client::{ClientError, NodeClient};
use crate::event::{Action, Answer, Event, Now, Request, Trouble};
use crate::inventory::{Inventory, Listed, NoInventory};
use crate::store::StateStore;
use crate::trust::{InvalidCredentials, Trust};
use crate::view;

pub(crate) use self::create::catch_up_request;
pub use self::handle::{Created, DeployHandle};

/// How often the controller is told that time has passed.
const TICK: Duration = Duration::from_millis(250);

/// How often the inventory is read.
const INVENTORY: Duration = Duration::from_secs(2);

/// How many questions that may take long (fetching, validating, looking) are out at once.
const SLOW_QUESTIONS: usize = 32;

/// How many questions that decide about a restart are out at once. They never wait behind the slow ones.
const QUICK_QUESTIONS: usize = 256;

/// How many messages wait for the controller before those who send them must wait.
const MESSAGES: usize = 1_024;

/// A shell that can't be started.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// Nodes can't be asked.
    #[error("can't start the controller of deployments")]
    Client(#[source] ClientError),
    /// The credentials that its configuration names can't be used.
    #[error("can't start the controller of deployments")]
    Credentials(#[source] InvalidCredentials),
    /// The thread can't be made.
    #[error("can't start the thread of the controller")]
    Thread(#[source] std::io::Error),
    /// There is no runtime for its tasks.
    #[error("the controller of deployments needs a tokio runtime around it")]
    Runtime(#[source] tokio::runtime::TryCurrentError),
}

/// What the controller's thread is told.
pub(crate) enum Message {
    /// Something to take in.
    Event(Event),
    /// An order, and where its outcome goes.
    Order(handle::Given),
    /// Something to read from the state.
    Read(handle::Reader),
    /// A backup to put in the place of everything.
    Restore(Restoring),
    /// Whether this master leads, as it says itself.
    Leads(bool),
}

/// What tasks share.
#[derive(Debug)]
struct Shared {
    client: NodeClient,
    inventory: Inventory,
    slow: Semaphore,
    quick: Semaphore,
    /// The origins of the nodes that were listed last, by their names and by their addresses.
    urls: RwLock<HashMap<String, String>>,
    /// Who leads.
    lead: RwLock<Leader>,
}

impl Shared {
    /// The origin of a listed node, by its name or its address. Thousands of pings ask for it each second.
    fn url_of(&self, node: &str) -> Option<String> {
        self.urls.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(node).cloned()
    }

    fn lead(&self) -> Leader {
        self.lead.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn set_lead(&self, lead: Leader) {
        *self.lead.write().unwrap_or_else(std::sync::PoisonError::into_inner) = lead;
    }

    /// Reads the inventory, and keeps where its nodes are. Only the master that leads has one.
    async fn refresh(&self) -> Result<Vec<Listed>, NoInventory> {
        let read = match self.lead() {
            Leader::Here => self.inventory.read().await,
            Leader::At(_) | Leader::Nobody(_) => Err(NoInventory::NotLeading),
        };
        let listed = read.iter().flatten();
        let urls = listed.flat_map(|node| {
            let address = node.url.split_once("://").map_or("", |(_, address)| address);
            [node.node.as_str(), address].map(|name| (name.to_owned(), node.url.clone()))
        });
        // Whoever panicked while writing left either the old map or the new one.
        *self.urls.write().unwrap_or_else(std::sync::PoisonError::into_inner) = urls.collect();
        read
    }
}

/// Starts the controller of this master. It opens its log on its own thread; the handle's methods wait for that.
///
/// # Errors
/// If there is no runtime, or a thread or a client can't be made.
pub fn start(node: &NodeConfig, store: Box<dyn StateStore>) -> Result<DeployHandle, ShellError> {
    // Nodes refuse to report to an origin that their configuration does not name; they know their masters anyway.
    let origin = node.origin();
    let report_to = node.deploy.masters.iter().find(|url| url.trim_end_matches('/') == origin).map(|_| origin);
    let trust = Trust::of(node).map_err(ShellError::Credentials)?;
    let client = NodeClient::new(report_to, trust).map_err(ShellError::Client)?;
    let inventory = Inventory::new(client.clone(), node);
    // Without ZooKeeper a master is the only one; with it, it leads once it says so.
    let lead = if node.mesos.zk.is_none() { Leader::Here } else { lead::unknown() };
    launch((client, inventory, lead), &node.origin(), store)
}

/// Starts a controller outside of any master, by the same rules: it goes on with what the log says is under way, and asks
/// only the nodes of that. To open the log is to take it from whatever master has it.
///
/// # Errors
/// If there is no runtime, or a thread or a client can't be made; or if the log can't be read.
pub async fn direct(trust: Trust, store: Box<dyn StateStore>) -> Result<DeployHandle, Problem> {
    let unexpected = |error: ShellError| unavailable("controller-failed", Problem::chain(&error));
    let client = NodeClient::new(None, trust).map_err(|error| unexpected(ShellError::Client(error)))?;
    let inventory = Inventory::direct(client.clone());
    let handle = launch((client, inventory, Leader::Here), "", store).map_err(unexpected)?;
    let nodes = handle.read(|state, _| view::nodes_under_way(state)).await?;
    handle.shared.inventory.name(nodes);
    Ok(handle)
}

fn launch(
    (client, inventory, lead): (NodeClient, Inventory, Leader),
    origin: &str,
    store: Box<dyn StateStore>,
) -> Result<DeployHandle, ShellError> {
    let runtime = tokio::runtime::Handle::try_current().map_err(ShellError::Runtime)?;
    let shared = Arc::new(Shared {
        inventory,
        client,
        slow: Semaphore::new(SLOW_QUESTIONS),
        quick: Semaphore::new(QUICK_QUESTIONS),
        urls: RwLock::default(),
        lead: RwLock::new(lead),
    });
    let (sender, receiver) = mpsc::channel(MESSAGES);
    let handle = DeployHandle::new(sender.clone(), Arc::clone(&shared));
    let leads = shared.lead() == Leader::Here;
    // What the shell itself holds must not keep it alive once nobody else does.
    let tasks = Tasks { runtime, sender: sender.downgrade(), shared, start: Instant::now() };
    tasks.spawn_clock();
    tasks.spawn_inventory();
    if !leads {
        tasks.spawn_lead(origin.to_owned());
    }
    let core = self::core::Core::new(store, tasks, leads);
    let thread = std::thread::Builder::new().name("dcos-deploy".to_owned());
    thread.spawn(move || core.run(receiver)).map_err(ShellError::Thread)?;
    Ok(handle)
}

/// Where the controller's thread sends its actions.
#[derive(Clone)]
struct Tasks {
    runtime: tokio::runtime::Handle,
    sender: mpsc::WeakSender<Message>,
    shared: Arc<Shared>,
    start: Instant,
}

impl Tasks {
    fn spawn_clock(&self) {
        let sender = self.sender.clone();
        self.runtime.spawn(async move {
            let mut clock = tokio::time::interval(TICK);
            clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                clock.tick().await;
                let Some(sender) = sender.upgrade() else { return };
                if sender.send(Message::Event(Event::Tick)).await.is_err() {
                    return;
                }
            }
        });
    }

    fn spawn_inventory(&self) {
        let (sender, shared) = (self.sender.clone(), Arc::clone(&self.shared));
        self.runtime.spawn(async move {
            let mut clock = tokio::time::interval(INVENTORY);
            clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                clock.tick().await;
                if sender.strong_count() == 0 {
                    return;
                }
                match shared.refresh().await {
                    Ok(listed) => {
                        let seen = listed.iter().map(Listed::seen).collect();
                        let Some(sender) = sender.upgrade() else { return };
                        if sender.send(Message::Event(Event::Inventory(seen))).await.is_err() {
                            return;
                        }
                    }
                    // Whoever waits for it says so; the master is away for some seconds in every upgrade.
                    Err(why) => tracing::debug!(%why, "there is no list of nodes"),
                }
            }
        });
    }
}

impl self::core::Outside for Tasks {
    fn now(&self) -> Now {
        let mono = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { wall: Timestamp::now(), mono }
    }

    fn another_leads(&self) -> bool {
        self.shared.lead() != Leader::Here
    }

    fn take(&self, action: Action) {
        match action {
            Action::Ask { deployment, index, token, node, url, request } => {
                let (sender, shared) = (self.sender.clone(), Arc::clone(&self.shared));
                self.runtime.spawn(async move {
                    let answer = ask(&shared, &url, request).await;
                    tracing::debug!(node, ?answer, "a node was asked");
                    if let (Some(answer), Some(sender)) = (answer, sender.upgrade()) {
                        let event = Event::Answered { deployment, index, token, answer };
                        // Nobody is left to hear it if this fails.
                        sender.send(Message::Event(event)).await.ok();
                    }
                });
            }
            Action::CatchUp { deployment, nodes } => {
                if let Some(sender) = self.sender.upgrade() {
                    let handle = DeployHandle::new(sender, Arc::clone(&self.shared));
                    self.runtime.spawn(async move { handle.catch_up(deployment, nodes).await });
                }
            }
            Action::ReadRegistry => {
                let (sender, shared) = (self.sender.clone(), Arc::clone(&self.shared));
                self.runtime.spawn(async move {
                    let demands = shared.inventory.demands().await;
                    if let Some(sender) = sender.upgrade() {
                        // Nobody is left to hear it if this fails.
                        sender.send(Message::Event(Event::Registry(demands))).await.ok();
                    }
                });
            }
            Action::Reply(..) => {}
        }
    }
}

/// Asks a node, when it is the question's turn.
async fn ask(shared: &Shared, url: &str, request: Request) -> Option<Answer> {
    let turns = match request {
        Request::Fetch(_)
        | Request::Validate(_)
        | Request::Job(_)
        | Request::Remove(_)
        | Request::Verify(_)
        | Request::Gc => &shared.slow,
        Request::Begin { .. } | Request::Go(_) | Request::Status(_) | Request::Set | Request::Cancel(_) => {
            &shared.quick
        }
    };
    // The semaphores are never closed.
    let _turn = turns.acquire().await;
    let answer = shared.client.ask(url, request).await;
    if shared.inventory.is_direct() { answer.map(direct::without_masters) } else { answer }
}

/// A refusal for as long as the controller can't act.
fn unavailable(name: &str, text: String) -> Problem {
    Problem::new(dcos_core::ExitCode::Unreachable, name, text)
}

/// A node's trouble as a sentence.
fn because(trouble: &Trouble) -> String {
    trouble.to_string()
}
