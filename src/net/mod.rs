//! Sockets, without any protocol: streams that are plain or TLS, listeners, and what wakes a sleeping thread.

pub mod client;
pub mod listener;
pub mod network;
pub mod stream;
pub mod tls;
pub mod wake;

pub use listener::Listener;
pub use network::Network;
pub use stream::Stream;
pub use wake::Waker;
