//! stand-in main

use std::sync::Arc;
use std::time::Duration;

use amibox::ami::Classes;
use amibox::config::{self, manager};

fn main() {
    let port = std::env::args().nth(1).and_then(|p| p.parse().ok()).unwrap_or(5038);
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
    let config = config::Config {
        manager: manager::Manager {
            enabled: true,
            webenabled: true,
            port,
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
        amibox: config::Amibox { astversion: "22.10.1".into() },
    };
    let daemon = amibox::server::Daemon::start(config).unwrap();
    eprintln!("{:?}", daemon.addresses().collect::<Vec<_>>());
    let mut signals = signal_hook::iterator::Signals::new([15, 2]).unwrap();
    signals.forever().next();
    daemon.stop();
}
