//! What this server is made of, by the names that Asterisk gives its modules: clients ask for those.
//!
//! It knows which are loaded, which can be unloaded and which take a reload; it does not know what any of them does. A handle
//! goes to whoever has to stop doing something when its module is unloaded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A handle to the state of all modules. They all begin loaded.
#[derive(Clone, Debug)]
pub struct Modules(Arc<[AtomicBool]>);

/// A module, described.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// Its name: with `.so` where Asterisk has a file of that name, without where it is part of the server itself.
    pub name: &'static str,
    /// What it is for.
    pub text: &'static str,
    /// What a reload of it does.
    pub reload: Reload,
}

/// What the reload of a module does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Nothing: it says that it cannot.
    Unsupported,
    /// Nothing, as it has no settings here; it succeeds, as a client would expect.
    Nothing,
    /// The configuration is read again.
    Configuration,
}

impl Default for Modules {
    fn default() -> Modules {
        Modules(MODULES.iter().map(|_| AtomicBool::new(true)).collect())
    }
}

impl Modules {
    /// Whether a module of that name, in any case, with or without its `.so`, is there and loaded.
    pub fn is_loaded(&self, name: &str) -> bool {
        find(name.as_bytes()).is_some_and(|module| self.state(module).load(Ordering::Relaxed))
    }

    /// Those that are loaded, in the order of their names.
    pub fn loaded(&self) -> impl Iterator<Item = &'static Module> {
        MODULES.iter().filter(|module| self.state(module).load(Ordering::Relaxed))
    }

    /// Loads a module; `false` where it is loaded already.
    pub fn load(&self, module: &'static Module) -> bool {
        !self.state(module).swap(true, Ordering::Relaxed)
    }

    /// Unloads a module; `false` where it is not loaded, or cannot be unloaded.
    pub fn unload(&self, module: &'static Module) -> bool {
        module.can_unload() && self.state(module).swap(false, Ordering::Relaxed)
    }

    fn state(&self, module: &Module) -> &AtomicBool {
        let index = MODULES.iter().position(|known| known.name == module.name);
        &self.0[index.expect("a module is made nowhere but in the table")]
    }
}

impl Module {
    /// Whether it is part of the server itself, and no file in Asterisk either.
    pub fn is_builtin(&self) -> bool {
        !self.name.ends_with(SUFFIX)
    }

    /// Whether it can be unloaded: only what the dialplan's functions are made of, as nothing else depends on that.
    pub fn can_unload(&self) -> bool {
        self.name.starts_with("func_")
    }
}

/// The module of that name in any case; its `.so` may be missing. (core/modulecheck.)
pub fn find(name: &[u8]) -> Option<&'static Module> {
    MODULES.iter().find(|module| {
        let bare = module.name.strip_suffix(SUFFIX).unwrap_or(module.name);
        name.eq_ignore_ascii_case(module.name.as_bytes()) || name.eq_ignore_ascii_case(bare.as_bytes())
    })
}

const SUFFIX: &str = ".so";

use Reload::{Configuration, Nothing, Unsupported};

const fn module(name: &'static str, reload: Reload, text: &'static str) -> Module {
    Module { name, text, reload }
}

const MODULES: &[Module] = &[
    module("acl", Configuration, "Lists of who may come from where"),
    module("app_agent_pool.so", Configuration, "Agents who log in to take calls"),
    module("app_celgenuserevent.so", Unsupported, "CEL events from the dialplan"),
    module("app_confbridge.so", Configuration, "Conferences"),
    module("app_controlplayback.so", Unsupported, "Sounds that a caller can steer"),
    module("app_dial.so", Unsupported, "Dialing"),
    module("app_exec.so", Unsupported, "Applications by name"),
    module("app_mixmonitor.so", Unsupported, "Recording of calls"),
    module("app_playback.so", Unsupported, "Sounds"),
    module("app_queue.so", Configuration, "Queues"),
    module("app_senddtmf.so", Unsupported, "Sending digits"),
    module("app_stack.so", Unsupported, "Subroutines in the dialplan"),
    module("app_userevent.so", Unsupported, "User events from the dialplan"),
    module("app_verbose.so", Unsupported, "Messages from the dialplan"),
    module("app_voicemail.so", Configuration, "Mailboxes"),
    module("bridge_holding.so", Unsupported, "Bridges for channels that wait"),
    module("bridge_native_rtp.so", Unsupported, "Bridges whose media go past the server"),
    module("bridge_simple.so", Unsupported, "Bridges for two channels"),
    module("bridge_softmix.so", Unsupported, "Bridges that mix many channels"),
    module("cdr", Configuration, "Call detail records"),
    module("cdr_manager.so", Configuration, "Call detail records as events"),
    module("cel", Configuration, "Channel event logging"),
    module("cel_manager.so", Configuration, "Channel event logging as events"),
    module("dnsmgr", Nothing, "Names of hosts"),
    module("dsp", Nothing, "Signal detection"),
    module("enum", Nothing, "Telephone numbers in the DNS"),
    module("extconfig", Nothing, "Configuration kept elsewhere"),
    module("features", Configuration, "Features during a call"),
    module("func_base64.so", Unsupported, "Base64 in the dialplan"),
    module("func_callerid.so", Unsupported, "Caller and connected line in the dialplan"),
    module("func_cdr.so", Unsupported, "Call detail records in the dialplan"),
    module("func_channel.so", Unsupported, "Channels in the dialplan"),
    module("func_cut.so", Unsupported, "Fields of lists in the dialplan"),
    module("func_db.so", Unsupported, "The database in the dialplan"),
    module("func_devstate.so", Unsupported, "States of devices in the dialplan"),
    module("func_dialplan.so", Unsupported, "Questions about the dialplan"),
    module("func_env.so", Unsupported, "The environment in the dialplan"),
    module("func_global.so", Unsupported, "Global and shared variables in the dialplan"),
    module("func_logic.so", Unsupported, "Conditions in the dialplan"),
    module("func_math.so", Unsupported, "Arithmetic in the dialplan"),
    module("func_md5.so", Unsupported, "MD5 digests in the dialplan"),
    module("func_presencestate.so", Unsupported, "Presence in the dialplan"),
    module("func_strings.so", Unsupported, "Strings in the dialplan"),
    module("func_timeout.so", Unsupported, "Time limits of channels in the dialplan"),
    module("http", Configuration, "The web server"),
    module("indications", Nothing, "Tones of countries"),
    module("logger", Nothing, "The log"),
    module("manager", Configuration, "The manager interface"),
    module("pbx_config.so", Configuration, "The dialplan from extensions.conf"),
    module("plc", Nothing, "Concealment of lost packets"),
    module("res_agi.so", Unsupported, "AGI commands over the manager interface"),
    module("res_fax.so", Nothing, "Faxes"),
    module("res_manager_devicestate.so", Unsupported, "The list of device states"),
    module("res_manager_presencestate.so", Unsupported, "The list of presence states"),
    module("res_mutestream.so", Unsupported, "Muting channels"),
    module("res_parking.so", Configuration, "Parking calls"),
    module("res_sorcery_memory_cache.so", Unsupported, "Caches of configuration objects"),
    module("udptl", Nothing, "Faxes over UDP"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_by_name() {
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(find(name.as_bytes()).map(|module| module.name), expect, "{name}");
        };
        check("func_md5.so", Some("func_md5.so"));
        check("FUNC_MD5", Some("func_md5.so"));
        check("manager", Some("manager"));
        check("manager.so", None);
        check("func_md", None);
        check("", None);
        assert!(MODULES.is_sorted_by_key(|module| module.name));
    }

    #[test]
    fn only_functions_come_and_go() {
        let (modules, function, part) = (Modules::default(), find(b"func_md5"), find(b"manager"));
        let (function, part) = (function.unwrap(), part.unwrap());
        assert!(modules.is_loaded("func_md5") && !modules.load(function));
        assert!(modules.unload(function) && !modules.unload(function));
        assert!(!modules.clone().is_loaded("func_md5.so"));
        assert!(modules.loaded().all(|module| module.name != function.name));
        assert!(modules.load(function) && modules.is_loaded("func_md5"));
        assert!(!modules.unload(part) && modules.is_loaded("manager"));
    }
}
