//! The floor: a bare server, a thread for each connection, that knows just enough to be loaded as amibox is. It looks at
//! nothing it is not forced to, so nothing that works this way can be much faster.
//!
//! Over AMI it greets, takes any login, and the user's name says what the connection is for. Every blank line is answered
//! with 63 bytes, which is as long as the answer to a Ping. Over HTTP every request head is answered with the same page.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};

use crate::client::{CALLER, Framing, LISTENER, PUBLISHER};
use crate::process::end_with_parent;

/// Serves until the load generator is gone.
pub(crate) fn run(ami: &str, http: &str) -> io::Result<()> {
    end_with_parent();
    let ami = TcpListener::bind(ami)?;
    let http = TcpListener::bind(http)?;
    std::thread::spawn(move || accept(&http, serve_http));
    let listeners = Listeners::default();
    accept(&ami, move |socket| serve_ami(socket, &listeners))
}

/// The sockets that are told what a publisher sends.
type Listeners = Arc<Mutex<Vec<TcpStream>>>;

fn accept(
    listener: &TcpListener,
    serve: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static,
) -> io::Result<()> {
    loop {
        let (socket, _) = listener.accept()?;
        let serve = serve.clone();
        std::thread::spawn(move || {
            // A client that goes away is how every connection here ends.
            let _ = socket.set_nodelay(true).and_then(|()| serve(socket));
        });
    }
}

fn serve_ami(mut socket: TcpStream, listeners: &Listeners) -> io::Result<()> {
    socket.write_all(GREETING)?;
    let mut login = [0; 1024];
    let read = socket.read(&mut login)?;
    let names = |user: &str| login[..read].windows(user.len()).any(|text| text == user.as_bytes());
    if names(LISTENER) {
        // Before the answer: whoever has it is told everything.
        listeners.lock().expect("no thread panics").push(socket.try_clone()?);
    }
    socket.write_all(ANSWER)?;
    if names(PUBLISHER) {
        relay(socket, listeners)
    } else if names(CALLER) {
        answer_packets(socket, 1)
    } else {
        answer_packets(socket, usize::MAX)
    }
}

/// Answers so many packets.
fn answer_packets(mut socket: TcpStream, mut left: usize) -> io::Result<()> {
    let mut input = Input::new();
    while left > 0 {
        let (packets, _) = input.read(&mut socket)?;
        socket.write_all(&ANSWERS[..packets * ANSWER.len()])?;
        left = left.saturating_sub(packets);
    }
    Ok(())
}

/// Answers packets, and sends them on as they are to every listener, waiting for each.
fn relay(mut socket: TcpStream, listeners: &Listeners) -> io::Result<()> {
    let mut input = Input::new();
    loop {
        let (packets, bytes) = input.read(&mut socket)?;
        socket.write_all(&ANSWERS[..packets * ANSWER.len()])?;
        for mut listener in listeners.lock().expect("no thread panics").iter() {
            let _ = listener.write_all(bytes);
        }
    }
}

fn serve_http(mut socket: TcpStream) -> io::Result<()> {
    let page = [PAGE, ANSWER].concat();
    let mut input = Input::new();
    loop {
        for _ in 0..input.read(&mut socket)?.0 {
            socket.write_all(&page)?;
        }
    }
}

/// What has arrived on a connection.
struct Input {
    bytes: Vec<u8>,
    filled: usize,
    used: usize,
}

impl Input {
    fn new() -> Input {
        Input { bytes: vec![0; INPUT], filled: 0, used: 0 }
    }

    /// Reads once: how many packets that has completed, and their bytes. The end of the stream is an error.
    fn read(&mut self, socket: &mut TcpStream) -> io::Result<(usize, &[u8])> {
        self.bytes.copy_within(self.used..self.filled, 0);
        self.filled -= self.used;
        let read = socket.read(&mut self.bytes[self.filled..])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.filled += read;
        let (packets, used) = Framing::Packets.split(&self.bytes[..self.filled], usize::MAX);
        self.used = used;
        Ok((packets, &self.bytes[..used]))
    }
}

/// The argument that makes this binary a floor; its two addresses follow.
pub(crate) const ROLE: &str = "floor";

const GREETING: &[u8] = b"Asterisk Call Manager/0.0\r\n";

/// 63 bytes.
const ANSWER: &[u8] = b"Response: Success\r\nPing: Pong\r\nTimestamp: 1282739190.454046\r\n\r\n";

/// As many as one read may ask for, for all threads: a packet is four bytes at least.
static ANSWERS: LazyLock<Vec<u8>> = LazyLock::new(|| ANSWER.repeat(INPUT / 4));

/// As long as the head of an answer to a Ping over HTTP.
const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: floor\r\nDate: Wed, 25 Aug 2010 12:19:50 GMT\r\n\
    Cache-Control: no-cache, no-store\r\nContent-type: text/plain\r\n\
    Set-Cookie: mansession_id=\"0123456789abcdef0123456789abcdef\"; Version=1; Max-Age=60\r\n\
    Pragma: SuppressEvents\r\nContent-Length: 63\r\n\r\n";

const INPUT: usize = 16 * 1024;
