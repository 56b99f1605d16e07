//! Stand-in until the real one lands.
#![allow(missing_docs)]
use crate::ami::Classes;
use crate::ami::filter::Filter;
use std::sync::Arc;
use std::time::Duration;
#[derive(Clone)]
pub struct Secret(pub Vec<u8>);
impl Secret {
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}
#[derive(Clone, Debug)]
pub struct Manager {
    pub enabled: bool,
    pub webenabled: bool,
    pub port: u16,
    pub bindaddr: String,
    pub allowmultiplelogin: bool,
    pub displayconnects: bool,
    pub timestampevents: bool,
    pub brokeneventsaction: bool,
    pub authtimeout: Duration,
    pub authlimit: usize,
    pub httptimeout: Duration,
    pub disabledevents: Vec<Vec<u8>>,
    pub channelvars: Vec<Vec<u8>>,
    pub amiversion: String,
    pub users: Vec<Arc<User>>,
}
#[derive(Clone, Debug)]
pub struct User {
    pub name: Vec<u8>,
    pub secret: Secret,
    pub read: Classes,
    pub write: Classes,
    pub acl: super::acl::Acl,
    pub filters: Vec<Filter>,
    pub displayconnects: bool,
    pub allowmultiplelogin: bool,
    pub writetimeout: Duration,
}
impl Manager {
    pub fn user(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.users.iter().find(|user| user.name.eq_ignore_ascii_case(name))
    }
}
