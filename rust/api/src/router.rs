//! The router, made from the table of [`crate::routes`].

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use dcos_core::{ExitCode, Problem};
use http::request;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use jiff::Timestamp;

use crate::Principal;
use crate::answer::{Failure, Said, ok, problem};
use crate::authorization::{Access, Needs};
use crate::available::Available;
use crate::backend::{DeployBackend, Leader, NodeBackend, ProvisionBackend};
use crate::handlers::{deploy, pins, pkg, provision, restart};
use crate::openapi;
use crate::origin;
use crate::parts::{Controller, Parts, Provisioner};
use crate::routes::{self, Deploy, Operation, ROUTES, Route, Verb};
use crate::types::health::Health;
use crate::types::records::AuditEntry;
use crate::ui;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

struct Shared {
    parts: Parts,
    available: Available,
}

impl App {
    pub(crate) fn node(&self) -> Arc<dyn NodeBackend> {
        Arc::clone(&self.0.parts.node)
    }

    pub(crate) fn available(&self) -> &Available {
        &self.0.available
    }

    pub(crate) fn access(&self) -> &Access {
        &self.0.parts.access
    }

    pub(crate) fn masters(&self) -> &[String] {
        match &self.0.parts.deploy {
            Controller::Elsewhere(masters) => masters,
            Controller::Here(_) | Controller::Broken(_) => &[],
        }
    }
}

/// The controller, for handlers that need it.
pub(crate) struct Control(pub(crate) Arc<dyn DeployBackend>);

impl FromRequestParts<App> for Control {
    type Rejection = Failure;

    async fn from_request_parts(_parts: &mut request::Parts, app: &App) -> Result<Self, Failure> {
        match &app.0.parts.deploy {
            Controller::Here(deploy) => Ok(Self(Arc::clone(deploy))),
            Controller::Broken(reason) => Err(reason.clone().into()),
            Controller::Elsewhere(_) => {
                Err(Problem::new(ExitCode::NotFound, "not-a-master", "this node is an agent").into())
            }
        }
    }
}

/// Provisioning, for handlers that need it.
pub(crate) struct Provision(pub(crate) Arc<dyn ProvisionBackend>);

impl FromRequestParts<App> for Provision {
    type Rejection = Failure;

    async fn from_request_parts(_parts: &mut request::Parts, app: &App) -> Result<Self, Failure> {
        match &app.0.parts.provision {
            Provisioner::Here(provision) => Ok(Self(Arc::clone(provision))),
            Provisioner::Broken(reason) => Err(reason.clone().into()),
            Provisioner::NotConfigured => {
                let detail = "no provider of machines is configured on this master";
                let problem = problem(StatusCode::SERVICE_UNAVAILABLE, "not-configured", detail);
                Err(problem.hint("name its file under `[provision]` of the masters' `node.toml`").into())
            }
        }
    }
}

/// The router of a node. It answers every path: what is no endpoint is a problem too.
pub fn router(parts: Parts) -> Router {
    if parts.access.is_insecure() {
        tracing::warn!("`limits.insecure_allow_anonymous` is set: whoever reaches the port may change this node");
    }
    let body_limit = parts.body_limit;
    let app = App(Arc::new(Shared { parts, available: Available::default() }));
    let mut router = Router::new();
    for route in ROUTES {
        let guarded = endpoint(&app, route).route_layer(middleware::from_fn_with_state((app.clone(), route), guard));
        router = router.route(route.path, guarded);
    }
    router
        .fallback(no_such_endpoint)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(body_limit))
        .with_state(app)
}

/// The handler of a row of the table.
fn endpoint(app: &App, route: &'static Route) -> MethodRouter<App> {
    let filter = match route.verb {
        Verb::Get => MethodFilter::GET,
        Verb::Post => MethodFilter::POST,
        Verb::Delete => MethodFilter::DELETE,
    };
    match route.operation {
        Operation::Health => on(filter, move |State(app): State<App>| async move { health(&app, route.part()) }),
        Operation::OpenApi => on(filter, move || async move { openapi::answer(route.part()) }),
        Operation::Active => on(filter, pkg::active),
        Operation::Packages => on(filter, pkg::packages),
        Operation::Package => on(filter, pkg::package),
        Operation::Available => on(filter, pkg::available),
        Operation::State => on(filter, pkg::state),
        Operation::Metrics => on(filter, pkg::metrics),
        Operation::Fetch => on(filter, pkg::fetch),
        Operation::Verify => on(filter, pkg::verify),
        Operation::Repair => on(filter, pkg::repair),
        Operation::Gc => on(filter, pkg::gc),
        Operation::Jobs => on(filter, pkg::jobs),
        Operation::Job => on(filter, pkg::job),
        Operation::CancelJob => on(filter, pkg::cancel_job),
        Operation::Validate => on(filter, pkg::validate),
        Operation::RemovePackage => on(filter, pkg::remove),
        Operation::RestartStatus => on(filter, restart::status),
        Operation::Begin => on(filter, restart::begin),
        Operation::Go => on(filter, restart::go),
        Operation::CancelAttempt => on(filter, restart::cancel),
        Operation::Deploy(_) | Operation::Provision(_) if matches!(app.0.parts.deploy, Controller::Elsewhere(_)) => {
            on(filter, deploy::elsewhere)
        }
        Operation::Deploy(Deploy::List) => on(filter, deploy::list),
        Operation::Deploy(Deploy::Summary) => on(filter, deploy::summary),
        Operation::Deploy(Deploy::Create) => on(filter, deploy::create),
        Operation::Deploy(Deploy::Show) => on(filter, deploy::show),
        Operation::Deploy(Deploy::Command) => on(filter, deploy::command),
        Operation::Deploy(Deploy::Nodes) => on(filter, deploy::nodes),
        Operation::Deploy(Deploy::Halts) => on(filter, deploy::halts),
        Operation::Deploy(Deploy::Halt) => on(filter, deploy::halt),
        Operation::Deploy(Deploy::Resume) => on(filter, deploy::resume),
        Operation::Deploy(Deploy::Pulse) => on(filter, deploy::pulse),
        Operation::Deploy(Deploy::Ping) => on(filter, deploy::ping),
        Operation::Deploy(Deploy::Events) => on(filter, deploy::events),
        Operation::Deploy(Deploy::Node) => on(filter, deploy::node),
        Operation::Deploy(Deploy::NodeAvailable) => on(filter, deploy::node_available),
        Operation::Deploy(Deploy::NodePackage) => on(filter, deploy::node_package),
        Operation::Deploy(Deploy::Desired) => on(filter, deploy::desired),
        Operation::Deploy(Deploy::Audit) => on(filter, deploy::audit),
        Operation::Deploy(Deploy::Backup) => on(filter, deploy::backup),
        Operation::Deploy(Deploy::Restore) => on(filter, deploy::restore),
        Operation::Deploy(Deploy::Metrics) => on(filter, deploy::metrics),
        Operation::Deploy(Deploy::Token) => on(filter, deploy::token),
        Operation::Deploy(Deploy::Join) => on(filter, deploy::join),
        Operation::Deploy(Deploy::WhoAmI) => on(filter, deploy::who_am_i),
        Operation::Deploy(Deploy::Pins) => on(filter, pins::list),
        Operation::Deploy(Deploy::Pin) => on(filter, pins::pin),
        Operation::Deploy(Deploy::Unpin) => on(filter, pins::unpin),
        Operation::Deploy(Deploy::Ui) => on(filter, ui::page),
        Operation::Provision(routes::Provision::Slaves) => on(filter, provision::slaves),
        Operation::Provision(routes::Provision::Slave) => on(filter, provision::slave),
        Operation::Provision(routes::Provision::Operations) => on(filter, provision::operations),
        Operation::Provision(routes::Provision::Operation) => on(filter, provision::operation),
        Operation::Provision(routes::Provision::Cancel) => on(filter, provision::cancel),
        Operation::Provision(routes::Provision::Add) => on(filter, provision::add),
        Operation::Provision(routes::Provision::Decommission) => on(filter, provision::decommission),
    }
}

/// A part that is in the router works, save one that could not be started.
fn health(app: &App, part: &'static str) -> Response {
    match (part, &app.0.parts.deploy, &app.0.parts.provision) {
        ("deploy", Controller::Broken(reason), _) | ("provision", _, Provisioner::Broken(reason)) => {
            Failure::from(reason.clone()).into_response()
        }
        _ => ok(&Health { part: part.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }),
    }
}

/// Lets a request pass if its caller has what the row demands, and logs every change that was asked for, refused or not.
async fn guard(State((app, route)): State<(App, &'static Route)>, request: Request, next: Next) -> Response {
    let principal = request.extensions().get::<Principal>().cloned().unwrap_or_default();
    let allowed = app.0.parts.access.check(&principal, route.needs);
    let allowed = match route.verb {
        Verb::Get => allowed,
        Verb::Post | Verb::Delete => allowed.and_then(|()| origin::check(request.headers())),
    };
    if allowed.is_ok()
        && route.is_the_leaders()
        && let Some(elsewhere) = elsewhere(&app, request.uri())
    {
        return elsewhere;
    }
    if route.verb == Verb::Get {
        return match allowed {
            Ok(()) => next.run(request).await,
            Err(refused) => Failure::from(refused).into_response(),
        };
    }
    let asked = (request.method().clone(), request.uri().path().to_owned());
    let begun = Instant::now();
    let was_allowed = allowed.is_ok() && route.needs != Needs::Nothing;
    let response = match allowed {
        Ok(()) => next.run(request).await,
        Err(refused) => Failure::from(refused).into_response(),
    };
    log(route, &principal, &asked, begun, &response);
    // Strangers without a name could fill the record with nothing but refusals, also of what is open to everybody; the
    // log has those.
    if route.is_recorded() && (was_allowed || principal.0.is_some() || response.status().is_success()) {
        let entry = entry(principal, asked, &response);
        record(&app, entry).await;
    }
    response
}

/// What the record of changes shall say of a request and its answer.
fn entry(principal: Principal, (method, path): (Method, String), response: &Response) -> AuditEntry {
    let said = response.extensions().get::<Said>();
    AuditEntry {
        number: 0,
        at: Timestamp::now(),
        by: principal.0,
        method: method.to_string(),
        path,
        about: said.map(|said| said.about.clone()).unwrap_or_default(),
        status: response.status().as_u16(),
        refusal: said.and_then(|said| said.refusal.clone()),
    }
}

/// Writes a change that was asked of the cluster into the controller's record, refused or not.
async fn record(app: &App, entry: AuditEntry) {
    let Controller::Here(controller) = &app.0.parts.deploy else { return };
    if controller.leader() == Leader::Here
        && let Err(problem) = controller.record(entry).await
    {
        // What was asked for has happened or not all the same; the log has it.
        tracing::warn!(problem = problem.detail, "a change is missing in the record of changes");
    }
}

/// Where the caller is sent from a master that does not lead.
fn elsewhere(app: &App, uri: &Uri) -> Option<Response> {
    let Controller::Here(controller) = &app.0.parts.deploy else { return None };
    match controller.leader() {
        Leader::Here => None,
        Leader::Nobody(problem) => Some(Failure::from(problem).into_response()),
        Leader::At(origin) => {
            let target = uri.path_and_query().map_or("/", |target| target.as_str());
            let detail = format!("the master at {origin} leads, and decides");
            // An origin is plain text, and so is what was a request's target.
            let location = HeaderValue::try_from(format!("{origin}{target}")).ok()?;
            let mut response =
                Failure::from(problem(StatusCode::TEMPORARY_REDIRECT, "not-leading", detail)).into_response();
            response.headers_mut().insert(header::LOCATION, location);
            Some(response)
        }
    }
}

/// Pings and pulses come by the second and change nothing that lasts, so they are logged where somebody looks for them.
fn log(route: &Route, principal: &Principal, asked: &(Method, String), begun: Instant, response: &Response) {
    let heartbeat = matches!(route.operation, Operation::Deploy(Deploy::Ping | Deploy::Pulse));
    let unnoted = heartbeat && response.status().is_success();
    // Thousands a second, and nearly always for nobody.
    if unnoted && !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let (method, path) = asked;
    let status = response.status().as_u16();
    let by = principal.0.as_deref().unwrap_or("nobody");
    let said = response.extensions().get::<Said>().map_or_else(String::new, |said| {
        let parts = [Some(said.about.as_str()), said.refusal.as_deref()];
        parts.into_iter().flatten().filter(|part| !part.is_empty()).fold(String::new(), |line, part| line + ": " + part)
    });
    // What callers chose must not look like a line of its own.
    let said = said.replace(char::is_control, " ");
    let took = begun.elapsed().as_millis();
    if unnoted {
        tracing::debug!("{method} {path} by {by}: {status} in {took} ms{said}");
    } else {
        tracing::info!("{method} {path} by {by}: {status} in {took} ms{said}");
    }
}

async fn no_such_endpoint(uri: Uri) -> Failure {
    let detail = format!("there is no endpoint `{}`", uri.path());
    Problem::new(ExitCode::NotFound, "no-such-endpoint", detail).into()
}

async fn no_such_method(method: Method, uri: Uri) -> Response {
    let detail = format!("the endpoint `{}` does not take {method}", uri.path());
    Failure::from(problem(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", detail)).into_response()
}
