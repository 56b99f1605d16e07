//! Certificates and keys: what a TLS listener needs.
