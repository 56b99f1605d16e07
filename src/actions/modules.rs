//! ModuleCheck, ModuleLoad, Reload and LoggerRotate.

use crate::ami::{Classes, Event, Reply};
use crate::modules::{self, Module, Reload};
use crate::switch::{ActionSpec, Argument};
use crate::time::SwitchMicros;

use super::table::Row;
use super::{Call, Core};

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reloaded {
    /// It is done.
    Done,
    /// There is no such module, or it is not loaded.
    NotFound,
    /// The running configuration stays, for that reason.
    Failed(String),
    /// The module knows nothing that could be read again.
    Unsupported,
}

impl Core {
    /// Reloads a module, or everything, and tells that; a reload that fails is told too. (core/reload-event.)
    pub(super) fn reload(&self, name: Option<&[u8]>, now: SwitchMicros) -> Reloaded {
        let outcome = match name.map(|name| modules::find(name).filter(|module| self.is_loaded(module))) {
            None => self.read_again(),
            Some(None) => Reloaded::NotFound,
            Some(Some(module)) => match module.reload {
                Reload::Unsupported => Reloaded::Unsupported,
                Reload::Nothing => Reloaded::Done,
                Reload::Configuration => self.read_again(),
            },
        };
        self.publish(reload_event(name.unwrap_or(b"All"), &outcome), now);
        outcome
    }

    fn read_again(&self) -> Reloaded {
        match self.reloader.get().map_or(Ok(()), |reloader| reloader.reload()) {
            Ok(()) => Reloaded::Done,
            Err(why) => Reloaded::Failed(why),
        }
    }

    fn is_loaded(&self, module: &Module) -> bool {
        self.modules.is_loaded(module.name)
    }
}

fn reload_event(name: &[u8], outcome: &Reloaded) -> Event {
    let status: u8 = match outcome {
        Reloaded::Done => 0,
        Reloaded::NotFound => 2,
        Reloaded::Failed(_) => 3,
        Reloaded::Unsupported => 6,
    };
    Event::new("Reload", Classes::SYSTEM).with("Module", name).with("Status", status)
}

fn module_check(call: &Call<'_>, reply: &mut Reply<'_>) {
    match modules::find(call.message.value("Module")).filter(|module| call.core.is_loaded(module)) {
        Some(_) => reply.start("Success").header("Version", "").end(),
        None => reply.error("Module not loaded"),
    }
}

fn module_load(call: &Call<'_>, reply: &mut Reply<'_>) {
    let name = call.message.value("Module");
    let kind = call.message.value("LoadType").to_ascii_lowercase();
    if kind == b"reload" {
        return load_reload(call, name, reply);
    }
    let incomplete = "Incomplete ModuleLoad action.";
    if name.is_empty() {
        return reply.error(incomplete);
    }
    let Some(module) = by_file(name) else {
        return reply.error(match leaves_folder(name) {
            true => "Module must be in the configured modules directory.",
            false => "Module not found.",
        });
    };
    let modules = &call.core.modules;
    match kind.as_slice() {
        // The module is looked for first. (core/moduleload-type-after-module.)
        kind if !matches!(kind, b"load" | b"unload" | b"refresh") => return reply.error(incomplete),
        b"load" if modules.load(module) => reply.success("Module loaded."),
        b"load" => return reply.error("Could not load module."),
        b"unload" if modules.unload(module) => reply.success("Module unloaded."),
        b"refresh" if modules.unload(module) || modules.load(module) => {
            modules.load(module);
            reply.success("Module unloaded and loaded.");
        }
        _ => return reply.error("Could not unload module."),
    }
    let tell = |event| {
        let event = Event::new(event, Classes::SYSTEM).with("Module", module.name);
        call.core.publish(event.with("Status", "Success"), call.now);
    };
    if kind != b"load" {
        tell("Unload");
    }
    if kind != b"unload" {
        tell("Load");
    }
}

fn load_reload(call: &Call<'_>, name: &[u8], reply: &mut Reply<'_>) {
    let name = (!name.is_empty()).then_some(name);
    let done = if name.is_some() { "Module reloaded." } else { "All modules reloaded" };
    if name.is_some_and(|name| by_file(name).is_none()) {
        return reply.error("Module not found.");
    }
    match call.core.reload(name, call.now) {
        Reloaded::Done => reply.success(done),
        Reloaded::NotFound => reply.error("Module not found."),
        Reloaded::Unsupported => reply.error("Module does not support reload action."),
        Reloaded::Failed(why) => reply.error(why),
    }
}

/// ModuleLoad wants the name of the file, ending and all, and no part of the server. (core/moduleload-errors.)
fn by_file(name: &[u8]) -> Option<&'static Module> {
    let module = modules::find(name)?;
    (!module.is_builtin() && module.name.len() == name.len()).then_some(module)
}

/// Whether a name leads out of the folder that it is looked for in.
fn leaves_folder(name: &[u8]) -> bool {
    name.starts_with(b"/") || name.split(|&b| b == b'/').any(|part| part == b"..")
}

fn reload(call: &Call<'_>, reply: &mut Reply<'_>) {
    let name = call.message.value("Module");
    match call.core.reload((!name.is_empty()).then_some(name), call.now) {
        Reloaded::Done => reply.success("Module Reloaded"),
        Reloaded::NotFound => reply.error("No such module"),
        Reloaded::Unsupported => reply.error("Module does not support reload"),
        Reloaded::Failed(why) => reply.error(why),
    }
}

fn logger_rotate(_: &Call<'_>, reply: &mut Reply<'_>) {
    reply.success("Reloaded the logger and rotated log files");
}

pub(super) const ACTIONS: &[Row] = &[
    Row::own(
        ActionSpec::new(
            "ModuleCheck",
            Classes::SYSTEM,
            "Ask whether a module is loaded.",
            &[Argument::required(
                "Module",
                "Its name in Asterisk, such as res_agi.so or manager, in any case.",
            )],
            "Succeeds where it is loaded. The header Version is always empty. There are the modules whose work this server does; \
             the console command module show lists them.",
        ),
        module_check,
    ),
    Row::own(
        ActionSpec::new(
            "ModuleLoad",
            Classes::SYSTEM,
            "Load, unload or reload a module.",
            &[
                Argument::optional(
                    "Module",
                    "The file's name, such as func_md5.so. Without one a reload is of everything.",
                ),
                Argument::required("LoadType", "load, unload, reload, or refresh, which unloads and loads."),
            ],
            "No code is ever loaded from a file: modules are names for parts of this server. Those of the dialplan's functions \
             (func_...) can be unloaded, and then the functions are gone; the others stay. The events Load and Unload tell of it.",
        ),
        module_load,
    ),
    Row::own(
        ActionSpec::new(
            "Reload",
            Classes::SYSTEM.and(Classes::CONFIG),
            "Read the configuration again.",
            &[Argument::optional(
                "Module",
                "Its name, such as manager, http or pbx_config.so; all without one.",
            )],
            "A configuration with an error in it changes nothing, and the answer says so; the log has every complaint. The event \
             Reload tells of it either way: its Status is 0 where it is done, 2 for no such module, 3 for an error, and 6 \
             where the module cannot be reloaded.",
        ),
        reload,
    ),
    Row::own(
        ActionSpec::new(
            "LoggerRotate",
            Classes::SYSTEM.and(Classes::REPORTING),
            "Begin new log files.",
            &[],
            "Succeeds and does nothing: this server writes its log to standard error, and whoever keeps it rotates it.",
        ),
        logger_rotate,
    ),
];

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use crate::config::Config;

    #[test]
    fn reloads_are_told_and_name_their_failure() {
        struct Broken;
        impl super::super::Reload for Broken {
            fn reload(&self) -> Result<(), String> {
                Err("manager.conf:3 is wrong".to_owned())
            }
        }
        let bench = Bench::new(Config::default());
        let check = |lines: &str, answer: &str, event: &str| {
            let place = bench.core.bus.head();
            assert_eq!(bench.run(lines), format!("{answer}\n\n"), "{lines}");
            let event = match event {
                "" => String::new(),
                event => format!("Event: Reload\nPrivilege: system,all\n{event}\n\n"),
            };
            assert_eq!(bench.events_since(place), event, "{lines}");
        };
        check("Action: Reload", "Response: Success\nMessage: Module Reloaded", "Module: All\nStatus: 0");
        bench.core.set_reloader(Box::new(Broken));
        let failed = "Response: Error\nMessage: manager.conf:3 is wrong";
        check("Action: Reload\nModule: manager", failed, "Module: manager\nStatus: 3");
        check("Action: ModuleLoad\nLoadType: reload", failed, "Module: All\nStatus: 3");
        let done = "Response: Success\nMessage: Module Reloaded";
        check("Action: Reload\nModule: logger", done, "Module: logger\nStatus: 0");
        let unsupported = "Response: Error\nMessage: Module does not support reload";
        check("Action: Reload\nModule: func_md5.so", unsupported, "Module: func_md5.so\nStatus: 6");
        check(
            "Action: ModuleLoad\nLoadType: reload\nModule: x.so",
            "Response: Error\nMessage: Module not found.",
            "",
        );
    }

    #[test]
    fn modules_are_loaded_by_the_names_of_their_files_alone() {
        let bench = Bench::new(Config::default());
        let check = |kind: &str, name: &str, expect: &str| {
            let answer = bench.run(&format!("Action: ModuleLoad\nLoadType: {kind}\nModule: {name}"));
            assert_eq!(answer.lines().nth(1), Some(format!("Message: {expect}").as_str()), "{kind} {name}");
        };
        check("load", "../../etc/passwd", "Module must be in the configured modules directory.");
        check("load", "/etc/passwd", "Module must be in the configured modules directory.");
        check("unload", "x/../../y.so", "Module must be in the configured modules directory.");
        check("load", "x..so", "Module not found.");
        check("load", "", "Incomplete ModuleLoad action.");
        check("", "func_md5.so", "Incomplete ModuleLoad action.");
        check("unload", "manager", "Module not found.");
        check("unload", "pbx_config.so", "Could not unload module.");
        check("refresh", "pbx_config.so", "Could not unload module.");
        let place = bench.core.bus.head();
        check("unload", "func_md5.so", "Module unloaded.");
        check("refresh", "func_md5.so", "Module unloaded and loaded.");
        let told = bench.events_since(place);
        let told: Vec<_> = told.lines().filter(|line| line.starts_with("Event: ")).collect();
        assert_eq!(told, ["Event: Unload", "Event: Unload", "Event: Load"]);
        assert!(bench.core.modules.is_loaded("func_md5"));
    }
}
