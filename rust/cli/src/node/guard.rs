//! Who calls, by HTTP's Basic: what libprocess's realms do inside Mesos.
//!
//! A call without credentials goes on as nobody's, and the router's table decides what nobody may do. A call with wrong
//! ones ends here: whoever shows a secret wants to be somebody. At the dashboard everybody is asked, since a browser
//! names nobody until it is.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use dcos_api::Principal;
use dcos_api::routes::ROUTES;
use dcos_core::credentials::Credentials;
use dcos_core::{ExitCode, Problem};

/// The router with names to its calls, from the file of those who have some.
pub(super) fn guarded(router: Router, path: &Path) -> Result<Router, Problem> {
    let unusable = |why: String| {
        let detail = format!("the credentials in `{}` can't be used: {why}", path.display());
        Problem::new(ExitCode::Usage, "bad-credentials", detail).hint("it is `server.credentials` of the node's file")
    };
    super::private(path).map_err(unusable)?;
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let known = Credentials::parse(&text).map_err(|error| unusable(error.to_string()))?;
    Ok(router.layer(middleware::from_fn_with_state(Arc::new(known), name)))
}

async fn name(State(known): State<Arc<Credentials>>, mut request: Request, next: Next) -> Response {
    let principal = match request.headers().get(header::AUTHORIZATION) {
        None if is_a_door(request.uri().path()) => return refused("a name and a secret are needed here"),
        None => Principal(None),
        Some(value) => match value.to_str().ok().and_then(read).filter(|(name, secret)| known.prove(name, secret)) {
            Some((name, _)) => Principal(Some(name)),
            None => return refused("the name or the secret is wrong"),
        },
    };
    request.extensions_mut().insert(principal);
    next.run(request).await
}

/// The name and the secret of a header `Basic …`.
fn read(value: &str) -> Option<(String, String)> {
    let (scheme, rest) = value.split_once(' ')?;
    let bytes = base64::prelude::BASE64_STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, secret) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (name.to_owned(), secret.to_owned()))
}

fn is_a_door(path: &str) -> bool {
    ROUTES.iter().any(|route| route.is_a_door() && route.path == path)
}

fn refused(detail: &str) -> Response {
    let problem = Problem { status: 401, ..Problem::new(ExitCode::Refused, "unauthenticated", detail) };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(dcos_core::problem::MEDIA_TYPE)),
        (header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"dcos-node\"")),
    ];
    // A problem is texts and numbers, which are always JSON.
    let body = serde_json::to_string(&problem).unwrap_or_default();
    (StatusCode::UNAUTHORIZED, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn only_basic_with_a_name_is_read() {
        let read = |value: &str| read(value);
        assert_eq!(read("Basic cm9vdDpzZTpjcmV0"), Some(("root".to_owned(), "se:cret".to_owned())));
        assert_eq!(read("basic cm9vdDo="), Some(("root".to_owned(), String::new())));
        for value in ["", "Basic", "Basic ", "Bearer cm9vdDpzZTpjcmV0", "Basic cm9vdA==", "Basic !", "Basic /////w=="] {
            assert_eq!(read(value), None, "{value}");
        }
    }
}
