//! A repository's folder over HTTP, for trying out and for tests. In earnest any web server does.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tower_http::services::ServeDir;

use crate::error::RepoError;

/// A server that listens, and answers once it is [run](Self::run).
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on `address` (port 0 takes a free one) for whoever wants files of `folder`.
    ///
    /// # Errors
    /// If `folder` is not a repository, or the address can't be had.
    pub async fn bind(folder: &Path, address: SocketAddr) -> Result<Self, RepoError> {
        if !folder.join(dcos_core::index::FILE_NAME).is_file() {
            return Err(RepoError::NoIndex(folder.to_owned()));
        }
        let listener = TcpListener::bind(address).await.map_err(RepoError::io("listen on", address.to_string()))?;
        let address = listener.local_addr().map_err(RepoError::io("listen on", address.to_string()))?;
        Ok(Self { folder: folder.to_owned(), listener, address })
    }

    /// The repository's URL.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Answers until the process ends.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn run(self) -> Result<(), RepoError> {
        let router = axum::Router::new()
            .fallback_service(ServeDir::new(&self.folder).append_index_html_on_directories(false))
            .layer(middleware::from_fn(only_published));
        axum::serve(self.listener, router).await.map_err(RepoError::io("serve", self.folder))
    }
}

/// Hides what is not published: locks and files that are being written begin with a dot.
async fn only_published(request: Request, next: Next) -> Response {
    if !is_published(request.uri()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let range = request.headers().get("range").and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
    let response = next.run(request).await;
    tracing::info!(%method, %uri, range, status = response.status().as_u16(), "served");
    response
}

fn is_published(uri: &Uri) -> bool {
    // `%2e` is a dot; no name of ours begins with a character that needs escaping.
    uri.path().split('/').all(|part| !part.starts_with('.') && !part.to_ascii_lowercase().starts_with("%2e"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::is_published;

    #[test]
    fn names_with_a_dot_in_front_are_hidden() {
        for (path, published) in [
            ("/index.json", true),
            ("/packages/a/a--1.tar.gz", true),
            ("/.lock", false),
            ("/packages/a/.a--1.tar.gz.new", false),
            ("/%2Elock", false),
            ("/../etc/passwd", false),
        ] {
            assert_eq!(is_published(&path.parse().unwrap()), published, "{path}");
        }
    }
}
