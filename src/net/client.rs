//! Connections that we open: plain or TLS, within a time.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};
use rustix::event::PollFlags;
use rustix::net::sockopt;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

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
    /// A file that cannot be read or holds no certificate, and a name that no certificate can be for. Where a fingerprint says
    /// which certificate is taken, nobody needs to vouch for it.
    pub fn load(settings: &UpstreamTls, dir: &Path) -> Result<ClientTls, TlsError> {
        let file = settings.cafile.as_deref().unwrap_or(Path::new(SYSTEM_ROOTS));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::new(file, error))?;
        let builder = match settings.fingerprint {
            None => builder.with_root_certificates(roots(&dir.join(file))?),
            Some(fingerprint) => {
                let pin = Pin { fingerprint, algorithms: provider.signature_verification_algorithms };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(pin))
            }
        };
        let mut config = builder.with_no_client_auth();
        // A connection lasts: there is nothing to resume.
        config.resumption = rustls::client::Resumption::disabled();
        let name = settings.servername.clone().map(ServerName::try_from).transpose();
        let name = name.map_err(|error| TlsError::new(Path::new("tlsservername"), error))?;
        Ok(ClientTls { config: Arc::new(config), name })
    }
}

/// Takes one certificate and no other.
#[derive(Debug)]
struct Pin {
    fingerprint: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if digest(&SHA256, certificate).as_ref() == self.fingerprint {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General("its certificate has another fingerprint".to_owned()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
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
