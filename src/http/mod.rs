//! HTTP/1.1 without the network: requests are taken apart, answers put together, AMI answers turned into bodies.
//!
//! Nothing here knows a socket, a thread, a file or a clock, nor what an action is. What `tests/transcripts/http` shows
//! is followed to the byte, so that old clients see what they know.

mod blocks;
pub mod body;
pub mod browser;
pub mod buffer;
pub mod cookie;
pub mod digest;
pub mod files;
pub mod form;
pub mod html;
pub mod json;
pub mod multipart;
pub mod mxml;
mod parameters;
pub mod request;
pub mod response;

pub use request::{HeadScan, Method, Request};
pub use response::{Answer, Page};

/// How an AMI answer is shown over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it goes over TCP.
    Rawman,
    /// XML, an element for each response and event.
    Mxml,
    /// A page with a table and a form.
    Manager,
    /// JSON, our own.
    Json,
}

impl Encoding {
    /// What the answer's `Content-type` says.
    pub fn content_type(self) -> &'static str {
        match self {
            Encoding::Rawman => "text/plain",
            Encoding::Mxml => "text/xml",
            Encoding::Manager => "text/html",
            Encoding::Json => "application/json",
        }
    }

    /// Turns the bytes that a TCP client would have got into a body.
    pub fn encode(self, wire: &[u8], names: mxml::Names<'_>, form: html::Form, out: &mut Vec<u8>) {
        match self {
            Encoding::Rawman => out.extend_from_slice(wire),
            Encoding::Mxml => mxml::encode(wire, names, out),
            Encoding::Manager => html::encode(wire, form, out),
            Encoding::Json => json::encode(wire, out),
        }
    }
}
