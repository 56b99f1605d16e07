//! Stand-in until the real one lands.
#![allow(missing_docs)]
mod complaint;
pub mod edit;
pub mod ini;
pub mod manager;

pub use complaint::{Complaint, Level};

pub mod acl {
    #[derive(Clone, Debug, Default)]
    pub struct Acl;
    impl Acl {
        pub fn permits(&self, _: std::net::IpAddr) -> bool {
            true
        }
    }
}
#[derive(Clone, Debug, Default)]
pub struct Asterisk {
    pub systemname: Option<Vec<u8>>,
    pub maxcalls: Option<u32>,
    pub maxload: Option<f64>,
    pub live_dangerously: bool,
}
#[derive(Clone, Debug)]
pub struct Amibox {
    pub astversion: String,
}
#[derive(Clone, Debug, Default)]
pub struct Http {
    pub enabled: bool,
}
#[derive(Clone, Debug)]
pub struct Config {
    pub manager: manager::Manager,
    pub http: Http,
    pub asterisk: Asterisk,
    pub amibox: Amibox,
}

#[derive(Debug)]
pub struct Loaded {
    pub config: Option<Config>,
    pub complaints: Vec<Complaint>,
}

/// A user of the quick start on port 15038.
pub fn load(_: &std::path::Path) -> Loaded {
    use crate::ami::Classes;
    use std::sync::Arc;
    use std::time::Duration;
    let user = |name: &str, secret: &str, classes| {
        Arc::new(manager::User {
            name: name.into(),
            secret: manager::Secret(secret.into()),
            read: classes,
            write: classes,
            acl: Default::default(),
            filters: vec![],
            displayconnects: false,
            allowmultiplelogin: true,
            writetimeout: Duration::from_millis(100),
        })
    };
    let config = Config {
        manager: manager::Manager {
            enabled: true,
            webenabled: true,
            port: 15038,
            bindaddr: "127.0.0.1".into(),
            allowmultiplelogin: true,
            displayconnects: false,
            timestampevents: false,
            brokeneventsaction: false,
            authtimeout: Duration::from_secs(30),
            authlimit: 50,
            httptimeout: Duration::from_secs(60),
            disabledevents: vec![],
            channelvars: vec![],
            amiversion: "1.1".into(),
            users: vec![
                user("hello", "world", Classes::NONE),
                user("admin", "swordfish", Classes::ALL),
                user("reader", "pw", Classes::USER),
            ],
        },
        http: Default::default(),
        asterisk: Default::default(),
        amibox: Amibox { astversion: "22.10.1".into() },
    };
    Loaded { config: Some(config), complaints: vec![] }
}
