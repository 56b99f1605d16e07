//! amibox: an Asterisk Manager Interface server that stands alone.
