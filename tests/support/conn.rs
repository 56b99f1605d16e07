//! The client's end of one connection, plain or TLS, and what has arrived on it that nobody has read yet.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct, SignatureScheme, StreamOwned,
};

/// How long a connection, and a TLS handshake, may take to come about.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a server may leave what we send unread.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// The shortest wait for data: zero would mean no limit to the socket.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// What goes over the TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// The bytes as they are.
    Plain,
    /// TLS, of any version or of one.
    Tls(Option<TlsVersion>),
}

/// A TLS version that a client insists on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// One connection.
pub(crate) struct Conn {
    stream: Stream,
    /// What has arrived and was not taken yet.
    pub(crate) unread: Vec<u8>,
    /// Whether the server's side is at its end, cleanly or by a reset.
    pub(crate) closed: bool,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Conn {
    /// Connects to a port of 127.0.0.1, and for TLS shakes hands. Any certificate will do.
    pub(crate) fn open(port: u16, wire: Wire) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let socket = TcpStream::connect_timeout(&address, CONNECT_LIMIT)?;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(SEND_LIMIT))?;
        let stream = match wire {
            Wire::Plain => Stream::Plain(socket),
            Wire::Tls(version) => Stream::Tls(Box::new(shake_hands(socket, client_config(version))?)),
        };
        Ok(Self { stream, unread: Vec::new(), closed: false })
    }

    /// Connects over TLS and shows a certificate: two PEM files, and the key of the second.
    pub(crate) fn open_as(port: u16, certificate: &[u8], key: &[u8]) -> io::Result<Self> {
        let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(io::Error::other)?;
        let config = client_builder(rustls::ALL_VERSIONS)
            .with_client_auth_cert(chain.map_err(io::Error::other)?, key)
            .map_err(io::Error::other)?;
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nodelay(true)?;
        let stream = Stream::Tls(Box::new(shake_hands(socket, Arc::new(config))?));
        Ok(Self { stream, unread: Vec::new(), closed: false })
    }

    /// The certificate that the server has shown, in DER.
    pub(crate) fn server_certificate(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => Some(stream.conn.peer_certificates()?.first()?.to_vec()),
        }
    }

    /// Reads once. False when nothing came within that time, or the server has closed.
    pub(crate) fn fill(&mut self, wait: Duration) -> bool {
        if self.closed {
            return false;
        }
        let deadline = Instant::now() + wait.max(SHORTEST_WAIT);
        let mut chunk = [0; 16 * 1024];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.read(&mut chunk, left.max(SHORTEST_WAIT)) {
                Ok(0) => break,
                Ok(n) => {
                    self.unread.extend_from_slice(&chunk[..n]);
                    return true;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return false;
                }
                // A reset, or TLS cut off without a word, is an end like any other.
                Err(_) => break,
            }
        }
        self.closed = true;
        false
    }

    /// The next line with its line feed, or none when it did not come in time.
    pub(crate) fn line(&mut self, limit: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + limit;
        let mut searched = 0;
        loop {
            if let Some(at) = self.unread[searched..].iter().position(|&b| b == b'\n') {
                return Some(self.take(searched + at + 1));
            }
            searched = self.unread.len();
            if !self.fill(left_until(deadline)) && (self.closed || Instant::now() >= deadline) {
                return None;
            }
        }
    }

    /// The next `count` bytes, or fewer when no more came in time.
    pub(crate) fn exactly(&mut self, count: usize, limit: Duration) -> Vec<u8> {
        let deadline = Instant::now() + limit;
        while self.unread.len() < count {
            if !self.fill(left_until(deadline)) && (self.closed || Instant::now() >= deadline) {
                break;
            }
        }
        self.take(count.min(self.unread.len()))
    }

    /// Everything up to the end of the stream; what came until then when the end does not come in time.
    pub(crate) fn rest(&mut self, limit: Duration) -> Vec<u8> {
        let deadline = Instant::now() + limit;
        while self.fill(left_until(deadline)) {}
        std::mem::take(&mut self.unread)
    }

    /// Sends all of it.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(bytes),
            Stream::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        }
    }

    /// Sends no more, and still reads.
    pub(crate) fn shut(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.shutdown(Shutdown::Write),
            Stream::Tls(tls) => {
                tls.conn.send_close_notify();
                tls.flush()?;
                tls.sock.shutdown(Shutdown::Write)
            }
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let tail = self.unread.split_off(count);
        std::mem::replace(&mut self.unread, tail)
    }

    fn read(&mut self, into: &mut [u8], wait: Duration) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(socket) => {
                socket.set_read_timeout(Some(wait))?;
                socket.read(into)
            }
            Stream::Tls(tls) => {
                tls.sock.set_read_timeout(Some(wait))?;
                tls.read(into)
            }
        }
    }
}

fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn shake_hands(
    mut socket: TcpStream,
    config: Arc<ClientConfig>,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    let mut conn = ClientConnection::new(config, name).map_err(io::Error::other)?;
    socket.set_read_timeout(Some(CONNECT_LIMIT))?;
    while conn.is_handshaking() {
        conn.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(conn, socket))
}

/// One configuration a version, as making one takes longer than a handshake.
fn client_config(version: Option<TlsVersion>) -> Arc<ClientConfig> {
    static CONFIGS: OnceLock<[Arc<ClientConfig>; 3]> = OnceLock::new();
    let configs = CONFIGS.get_or_init(|| {
        [
            Arc::new(new_client_config(rustls::ALL_VERSIONS)),
            Arc::new(new_client_config(&[&rustls::version::TLS12])),
            Arc::new(new_client_config(&[&rustls::version::TLS13])),
        ]
    });
    let index = match version {
        None => 0,
        Some(TlsVersion::V12) => 1,
        Some(TlsVersion::V13) => 2,
    };
    Arc::clone(&configs[index])
}

fn new_client_config(versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    client_builder(versions).with_no_client_auth()
}

fn client_builder(
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = Arc::new(ring::default_provider());
    let anyone = Arc::new(TrustAnyone { algorithms: provider.signature_verification_algorithms });
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("ring's provider has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(anyone)
}

/// Takes any certificate for anyone's: the tests' own certificates are signed by nobody. The signatures of the
/// handshake are checked all the same, as they are the server's work.
#[derive(Debug)]
struct TrustAnyone {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for TrustAnyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
