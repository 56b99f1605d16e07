//! The protocol without the network: bytes become messages, answers and events become bytes.
//!
//! Nothing here knows a socket, a thread, a file or a clock.

pub mod class;
pub mod decode;
pub mod event;
pub mod filter;
pub mod message;
pub(crate) mod number;
pub(crate) mod posix;
pub mod reply;

pub use class::Classes;
pub use event::Event;
pub use message::Message;
pub use reply::Reply;
