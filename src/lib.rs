//! amibox: an Asterisk Manager Interface server that stands alone.

pub mod ami;
