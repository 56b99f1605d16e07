//! Stand-in until the real one lands.
#![allow(missing_docs)]
pub mod manager;
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
