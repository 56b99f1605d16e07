//! Connections that we open: plain or TLS, within a time.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::net::sockopt;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::Stream;
use super::tls::{TlsError, roots};
use super::wake::wait_one;
use crate::config::gateway::UpstreamTls;

/// How to speak TLS to a server of a certain name.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// Reads who may vouch for the server; relative names are below `dir`.
    ///
    /// # Errors
    /// A file that cannot be read or holds no certificate, and a name that no certificate can be for.
    pub fn load(settings: &UpstreamTls, dir: &Path) -> Result<ClientTls, TlsError> {
        let file = settings.cafile.as_deref().unwrap_or(Path::new(SYSTEM_ROOTS));
        let roots = roots(&dir.join(file))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::new(file, error))?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        // A connection lasts: there is nothing to resume.
        config.resumption = rustls::client::Resumption::disabled();
        let name = settings.servername.clone().map(ServerName::try_from).transpose();
        let name = name.map_err(|error| TlsError::new(Path::new("tlsservername"), error))?;
        Ok(ClientTls { config: Arc::new(config), name })
    }
}

/// Connects, within that time. Over TLS the certificate has to be for the name that [`ClientTls`] has, or else for `host`;
/// the handshake is done when this returns.
///
/// # Errors
/// Nobody is there, or does not answer in time (`TimedOut`), or shows a certificate that nobody vouches for (`InvalidData`).
pub fn connect(
    host: &str,
    address: SocketAddr,
    tls: Option<&ClientTls>,
    until: Instant,
) -> io::Result<Stream> {
    let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let socket = TcpStream::connect_timeout(&address, left)?;
    if socket.local_addr()? == socket.peer_addr()? {
        // The kernel chose the very port that nobody listens at for our own side.
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    let Some(tls) = tls else { return Stream::plain(socket) };
    let name = match &tls.name {
        Some(name) => name.clone(),
        None => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
    };
    let connection = ClientConnection::new(Arc::clone(&tls.config), name).map_err(io::Error::other)?;
    let stream = Stream::tls(socket, connection)?;
    stream.handshake(until)?;
    Ok(stream)
}

/// Asks for room for so many bytes that arrive before they are read; the kernel may give less.
pub fn widen(stream: &Stream, bytes: usize) {
    let _ = sockopt::set_socket_recv_buffer_size(stream, bytes);
}

/// Whether something has arrived on a connection on which nothing was asked: an end, most often.
pub fn has_news(stream: &Stream) -> bool {
    // What cannot be polled cannot be used either.
    wait_one(std::os::fd::AsFd::as_fd(stream), PollFlags::IN | PollFlags::RDHUP, Some(Instant::now()))
        .unwrap_or(true)
}

/// Where Debian, Alpine and most others keep the certificates that the system trusts.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
