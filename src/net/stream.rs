//! A connection, plain or TLS, that one thread reads and several may write.
//!
//! Reading blocks, on the thread that owns the connection. Writing never blocks unless it is asked to: every send is
//! `MSG_DONTWAIT`, and [`Stream::write_all`] polls between. The TLS state has a lock of its own that covers cryptography
//! and sends that cannot block.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use rustls::Connection;

use super::wake::{wait, wait_one};
use crate::net::Waker;

/// A TCP connection with or without TLS on it.
pub struct Stream {
    socket: TcpStream,
    tls: Option<Box<Mutex<Tls>>>,
    peer: SocketAddr,
    local: SocketAddr,
}

/// The TLS state, and the records that a full socket has left over.
struct Tls {
    connection: Connection,
    left: Vec<u8>,
}

/// What the other side has left open of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Both directions, as far as is known.
    There,
    /// At most that towards it: it sends nothing any more.
    Silent,
    /// Nothing.
    Gone,
}

/// Has the kernel ask a silent peer whether it is still there, and give up one that does not say so: a host that lost its power or
/// its network says no goodbye, and would keep its place for ever. Peers that are there notice nothing. A kernel that cannot do
/// it keeps the connection as it is.
fn expect_life(socket: &TcpStream) {
    let _ = sockopt::set_tcp_keepidle(socket, SILENCE);
    let _ = sockopt::set_tcp_keepintvl(socket, PROBE);
    let _ = sockopt::set_tcp_keepcnt(socket, PROBES);
    let _ = sockopt::set_tcp_user_timeout(socket, UNANSWERED.as_millis() as u32);
    let _ = sockopt::set_socket_keepalive(socket, true);
}

impl Stream {
    /// A plain connection.
    pub fn plain(socket: TcpStream) -> io::Result<Stream> {
        // Answers are small and each is one write: waiting to join them with the next would only delay.
        socket.set_nodelay(true)?;
        expect_life(&socket);
        Ok(Stream { peer: socket.peer_addr()?, local: socket.local_addr()?, socket, tls: None })
    }

    /// Puts TLS on a connection, on either side of it. The handshake happens with the first reads.
    pub fn tls(socket: TcpStream, connection: impl Into<Connection>) -> io::Result<Stream> {
        let mut stream = Stream::plain(socket)?;
        stream.tls = Some(Box::new(Mutex::new(Tls { connection: connection.into(), left: Vec::new() })));
        Ok(stream)
    }

    /// The other side's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Our own address on this connection.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether it is TLS.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads what has arrived, waiting for it until `until`: 0 at the end of the stream, `TimedOut` past the time.
    pub fn read(&self, buffer: &mut [u8], until: Option<Instant>) -> io::Result<usize> {
        match &self.tls {
            None => self.receive(buffer, until),
            Some(tls) => self.read_tls(tls, buffer, until),
        }
    }

    /// Apart, so that a plain connection's stack has no room for records.
    #[inline(never)]
    fn read_tls(&self, tls: &Mutex<Tls>, buffer: &mut [u8], until: Option<Instant>) -> io::Result<usize> {
        loop {
            if let Some(read) = self.read_plaintext(&mut lock(tls), buffer)? {
                return Ok(read);
            }
            let mut records = [0; RECORDS];
            let received = self.receive(&mut records, until)?;
            let mut tls = lock(tls);
            self.take_records(&mut tls, &records[..received])?;
            if received == 0 && tls.connection.is_handshaking() {
                return Ok(0);
            }
        }
    }

    /// Performs the TLS handshake, if there is one to perform, until `until` at the most.
    pub fn handshake(&self, until: Instant) -> io::Result<()> {
        self.tls.as_ref().map_or(Ok(()), |tls| self.handshake_tls(tls, until))
    }

    /// Apart, for the same reason as [`Stream::read_tls`].
    #[inline(never)]
    fn handshake_tls(&self, tls: &Mutex<Tls>, until: Instant) -> io::Result<()> {
        // A client speaks first.
        self.flush(&mut lock(tls))?;
        while lock(tls).connection.is_handshaking() {
            let mut records = [0; RECORDS];
            let received = self.receive(&mut records, Some(until))?;
            self.take_records(&mut lock(tls), &records[..received])?;
            if received == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// The common name of the certificate that the client has shown, and that was verified, once the handshake is done.
    pub fn certificate_name(&self) -> Option<Vec<u8>> {
        let tls = lock(self.tls.as_ref()?);
        super::tls::common_name(tls.connection.peer_certificates()?.first()?)
    }

    /// Sleeps until something can be read (`true`), the waker is raised, or the time is over.
    pub fn wait(&self, waker: &Waker, until: Option<Instant>) -> io::Result<bool> {
        Ok(self.wait_beside(Some((waker.as_fd(), PollFlags::IN)), until)?[0])
    }

    /// Sleeps until something can be read, another descriptor is ready, or the time is over: which of the two it was.
    pub fn wait_beside(
        &self,
        other: Option<(BorrowedFd<'_>, PollFlags)>,
        until: Option<Instant>,
    ) -> io::Result<[bool; 2]> {
        if self.tls.as_ref().is_some_and(|tls| has_plaintext(&mut lock(tls))) {
            return Ok([true, false]);
        }
        let Some(other) = other else {
            return Ok([wait_one(self.as_fd(), PollFlags::IN, until)?, false]);
        };
        let ready = wait(&[(self.as_fd(), PollFlags::IN), other], until)?;
        Ok([ready[0], ready[1]])
    }

    /// What the other side has left open of the connection, by what has arrived.
    pub fn peer_state(&self) -> Peer {
        let mut fds = [PollFd::new(&self.socket, PollFlags::RDHUP)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut fds, Some(&now)) {
            Err(rustix::io::Errno::INTR) => Peer::There,
            Err(_) => Peer::Gone,
            Ok(_) if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) => Peer::Gone,
            Ok(_) if fds[0].revents().contains(PollFlags::RDHUP) => Peer::Silent,
            Ok(_) => Peer::There,
        }
    }

    /// Writes what the socket takes without waiting: how many of the bytes it took. Over TLS, bytes may be taken that a
    /// full socket holds back; then the next call takes nothing until they are out.
    pub fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return self.send_now(parts) };
        let mut tls = lock(tls);
        self.flush(&mut tls)?;
        let mut taken = 0;
        for part in parts {
            if !tls.left.is_empty() {
                break;
            }
            for chunk in part.chunks(RECORDS) {
                tls.connection.writer().write_all(chunk)?;
                taken += chunk.len();
                self.flush(&mut tls)?;
                if !tls.left.is_empty() {
                    break;
                }
            }
        }
        Ok(taken)
    }

    /// Whether a full socket holds back nothing that was taken.
    pub fn is_flushed(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| lock(tls).left.is_empty())
    }

    /// Writes all of it, waiting for the socket as long as it takes something within `stall`: `TimedOut` otherwise.
    pub fn write_all(&self, mut bytes: &[u8], stall: Duration) -> io::Result<()> {
        loop {
            let taken = self.send(&[IoSlice::new(bytes)])?;
            bytes = &bytes[taken..];
            if bytes.is_empty() && self.is_flushed() {
                return Ok(());
            }
            if taken == 0 || !self.is_flushed() {
                let until = Instant::now() + stall;
                if !wait_one(self.as_fd(), PollFlags::OUT, Some(until))? {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
    }

    /// Ends the connection in both directions: a thread that reads from it wakes up. Over TLS it says goodbye first.
    pub fn shutdown(&self) {
        if let Some(tls) = &self.tls {
            let mut tls = lock(tls);
            tls.connection.send_close_notify();
            let _ = self.flush(&mut tls);
        }
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Ends our direction, then drops what still arrives for a moment: closing a socket with unread input would reset the
    /// connection, and the other side might lose the last answer.
    pub fn finish(&self) {
        if let Some(tls) = &self.tls {
            let mut tls = lock(tls);
            tls.connection.send_close_notify();
            let _ = self.flush(&mut tls);
        }
        if self.socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let until = Instant::now() + LINGER;
        let mut rest = vec![0; RECORDS];
        for _ in 0..LINGER_READS {
            if !matches!(self.receive(&mut rest, Some(until)), Ok(1..)) {
                return;
            }
        }
    }

    fn receive(&self, buffer: &mut [u8], until: Option<Instant>) -> io::Result<usize> {
        loop {
            if until.is_some() && !wait_one(self.as_fd(), PollFlags::IN, until)? {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((read, _)) => return Ok(read),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn send_now(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let sent = match parts {
            [single] => send(&self.socket, single, flags),
            _ => sendmsg(&self.socket, parts, &mut SendAncillaryBuffer::default(), flags),
        };
        match sent {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
            sent => Ok(sent?),
        }
    }

    fn take_records(&self, tls: &mut Tls, mut records: &[u8]) -> io::Result<()> {
        if records.is_empty() {
            // The end of the stream: rustls is told so that it can tell a clean end from a cut one.
            tls.connection.read_tls(&mut records)?;
        }
        while !records.is_empty() {
            tls.connection.read_tls(&mut records)?;
            if let Err(error) = tls.connection.process_new_packets() {
                // The alert that says why is on its way.
                let _ = self.flush(tls);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        self.flush(tls)
    }

    /// Plaintext that is there already; `None` where more records are needed.
    fn read_plaintext(&self, tls: &mut Tls, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match tls.connection.reader().read(buffer) {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            // An end without a goodbye is an end: AMI's packets say themselves where they end.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    /// Sends the records that are there, as far as the socket takes them.
    fn flush(&self, tls: &mut Tls) -> io::Result<()> {
        while tls.connection.wants_write() {
            tls.connection.write_tls(&mut tls.left)?;
        }
        while !tls.left.is_empty() {
            match self.send_now(&[IoSlice::new(&tls.left)])? {
                0 => return Ok(()),
                sent => drop(tls.left.drain(..sent)),
            }
        }
        tls.left.shrink_to(0);
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn has_plaintext(tls: &mut Tls) -> bool {
    tls.connection
        .process_new_packets()
        .is_ok_and(|state| state.plaintext_bytes_to_read() > 0 || state.peer_has_closed())
}

fn lock(tls: &Mutex<Tls>) -> std::sync::MutexGuard<'_, Tls> {
    // A panic within rustls would end its connection; the state is not used by any other.
    tls.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How much of a TLS stream is received at once, and given to rustls at once: a record is 16 KiB at the most.
const RECORDS: usize = 4096;

/// How long the rest of a peer's input is dropped after our last answer, and in how many reads at the most.
const LINGER: Duration = Duration::from_millis(200);
const LINGER_READS: usize = 16;

/// After how much silence a peer is asked whether it is there: once a minute costs nothing, and keeps the way open through what
/// forgets idle connections.
const SILENCE: Duration = Duration::from_secs(60);
/// How long after the last question the next one comes, and after how many without an answer the connection ends.
const PROBE: Duration = Duration::from_secs(10);
const PROBES: u32 = 6;
/// How long what was sent may stay unacknowledged; then the connection ends.
const UNANSWERED: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn silent_peers_are_asked_whether_they_are_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = Stream::plain(socket).unwrap();
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        let longest = sockopt::tcp_keepidle(&stream).unwrap()
            + sockopt::tcp_keepintvl(&stream).unwrap() * sockopt::tcp_keepcnt(&stream).unwrap();
        assert!(longest <= Duration::from_secs(120), "{longest:?}");
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 120_000);
    }
}
