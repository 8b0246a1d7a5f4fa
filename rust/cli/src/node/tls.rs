//! TLS for `dcos-node`: a listener whose connections have shaken hands already.
//!
//! Each handshake is a task of its own with a time to end, so that a caller who says nothing keeps nobody else waiting.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dcos_core::{ExitCode, Problem};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a caller may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How many connections may wait to be served.
const WAITING: usize = 64;

/// How long to wait after the system refused a connection: out of descriptors, most likely.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads certificate and key.
pub(super) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Problem> {
    let unusable = |path: &Path, why: String| {
        let detail = format!("TLS can't be served with `{}`: {why}", path.display());
        Problem::new(ExitCode::Usage, "bad-certificate", detail)
            .hint("`server.certificate` and `server.key` of the node's file are in PEM")
    };
    let read = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = read.map_err(|error| unusable(certificate, error.to_string()))?;
    super::private(key).map_err(|why| unusable(key, why))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| unusable(certificate, error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Connections that have shaken hands.
pub(super) struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    /// Takes connections off `listener` from now on.
    pub(super) fn new(listener: TcpListener, acceptor: TlsAcceptor) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            loop {
                let (stream, peer) = match listener.accept().await {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "a connection can't be taken");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                };
                let (sender, handshake) = (sender.clone(), acceptor.accept(stream));
                tokio::spawn(async move {
                    match tokio::time::timeout(HANDSHAKE, handshake).await {
                        // Nobody is left to serve it if this fails.
                        Ok(Ok(stream)) => drop(sender.send((stream, peer)).await),
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS was agreed on"),
                        Err(_) => tracing::debug!(%peer, "a handshake took too long"),
                    }
                });
            }
        });
        Ok(Self { address, ready })
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The task that takes connections never ends before the runtime does.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
