//! Messages become calls: the actions of the dialplan and of variables, and the console commands of both.

use super::show::{self, Missing, SET_GLOBAL, SHOW, Shown};
use super::substitute::{Scope, assign, read};
use super::{AddError, Dialplan, Line, Name, Priority, REGISTRAR};
use crate::ami::{Classes, Message, Reply};
use crate::switch::access;
use crate::switch::console::{CommandSpec, Outcome, Screen};
use crate::switch::embedded::numbers::whole;
use crate::switch::{ActionSpec, Argument, Caller};

/// ShowDialPlan. (core/showdialplan-*.)
pub(crate) fn show_dialplan(dialplan: &Dialplan, message: &Message, reply: &mut Reply<'_>) {
    let given = |name| Some(message.value(name)).filter(|value: &&[u8]| !value.is_empty());
    let (context, exten) = (given("Context"), given("Extension"));
    let (shown, totals) = match dialplan.show(context, exten) {
        Ok(shown) => shown,
        Err(Missing::Context) => {
            return reply.error([b"Did not find context ", context.unwrap_or_default()].concat());
        }
        Err(Missing::Extension) => {
            let (exten, context) = (exten.unwrap_or_default(), context.unwrap_or_default());
            return reply.error([b"Did not find extension ", exten, b"@", context].concat());
        }
    };
    let mut list = reply.list("DialPlan list will follow");
    for shown in shown {
        let (context, name, text) = match shown {
            Shown::Context(..) => continue,
            Shown::Line(context, extension, line) => {
                list.item("ListDialplan", |item| {
                    item.header("Context", &context.name).header("Extension", &extension.name);
                    line_headers(line, item);
                    item.header("Registrar", REGISTRAR);
                });
                continue;
            }
            Shown::Include(context, include) => (context, "IncludeContext", &include.text[..]),
            Shown::IgnorePattern(context, pattern) => (context, "IgnorePattern", pattern),
            Shown::Switch(context, switch) => (context, "Switch", switch),
        };
        list.item("ListDialplan", |item| {
            item.header("Context", &context.name).header(name, text).header("Registrar", REGISTRAR);
        });
    }
    list.complete_with("ShowDialPlanComplete", |end| {
        end.header("ListExtensions", totals.extensions);
        end.header("ListPriorities", totals.priorities);
        end.header("ListContexts", totals.contexts);
    });
}

fn line_headers(line: &Line, item: &mut Reply<'_>) {
    if let Some(label) = &line.label {
        item.header("ExtensionLabel", label);
    }
    match line.priority {
        Priority::Hint => item.header("Priority", "hint").header("Application", &line.app),
        Priority::Step(priority) => {
            item.header("Priority", priority).header("Application", &line.app).header("AppData", &line.data)
        }
    };
}

/// DialplanExtensionAdd. (core/dialplanextensionadd.)
pub(crate) fn add_extension(dialplan: &mut Dialplan, message: &Message, reply: &mut Reply<'_>) {
    let [context, exten, priority, app] =
        ["Context", "Extension", "Priority", "Application"].map(|name| message.value(name));
    if [context, exten, priority, app].iter().any(|value| value.is_empty()) {
        let needed =
            "Context, Extension, Priority, and Application must be defined for DialplanExtensionAdd.";
        return reply.error(needed);
    }
    let Some(priority) = parse_priority(priority) else {
        return reply.error("The priority specified was invalid.");
    };
    let (app, data) = (app.to_vec(), message.value("ApplicationData").to_vec());
    let replace = crate::ami::class::truth(message.value("Replace")) == Some(true);
    let line = Line { priority, label: None, app, data, place: None };
    match dialplan.add(context, Name::parse(exten), line, replace) {
        Ok(()) => reply.success("Added requested extension"),
        Err(AddError::Exists) => reply.error("That extension and priority already exist at that context"),
        Err(AddError::Pattern(_)) => reply.error("The extension specified was invalid."),
        Err(AddError::Full) => reply.error("There is no room for another extension"),
    }
}

/// DialplanExtensionRemove. (core/dialplanextensionremove.)
pub(crate) fn remove_extension(dialplan: &mut Dialplan, message: &Message, reply: &mut Reply<'_>) {
    let (context, exten) = (message.value("Context"), message.value("Extension"));
    if context.is_empty() || exten.is_empty() {
        return reply.error("Context and Extension must be provided for DialplanExtensionRemove");
    }
    let priority = match message.value("Priority") {
        b"" => None,
        text => match parse_priority(text) {
            None => return reply.error("The priority specified was invalid."),
            priority => priority,
        },
    };
    match (dialplan.remove(context, Name::parse(exten), priority), priority) {
        (false, _) => reply.error("Failed to remove requested extension"),
        (true, Some(_)) => reply.success("Removed the requested priority from the extension"),
        (true, None) => reply.success("Removed the requested extension"),
    }
}

fn parse_priority(text: &[u8]) -> Option<Priority> {
    if text.eq_ignore_ascii_case(b"hint") {
        return Some(Priority::Hint);
    }
    let number = whole(text)?;
    (1..=super::MAX_PRIORITY).contains(&number).then_some(Priority::Step(number))
}

/// Getvar, of the channel whose scope it is, or of none; no scope, where the channel that it names is not there.
/// (core/getvar-*, calls/getvar-functions.)
pub(crate) fn getvar(
    caller: &Caller<'_>,
    message: &Message,
    scope: Option<&mut dyn Scope>,
    reply: &mut Reply<'_>,
) {
    let name = message.value("Variable");
    if name.is_empty() {
        return reply.error("No variable specified");
    }
    if access::needs_system(name) && !caller.write.intersects(Classes::SYSTEM) {
        return reply.error("GetVar Access Forbidden: Variable");
    }
    let Some(scope) = scope else { return reply.error("No such channel") };
    // What cannot be read is empty.
    let value = read(name, scope).unwrap_or_default();
    reply.start("Success").header("Variable", name).header("Value", value).end();
}

/// Setvar, of the channel whose scope it is, or of none; no scope, where the channel that it names is not there.
/// (core/setvar-*, calls/setvar-getvar-channel.)
pub(crate) fn setvar(message: &Message, scope: Option<&mut dyn Scope>, reply: &mut Reply<'_>) {
    let name = message.value("Variable");
    if name.is_empty() {
        return reply.error("No variable specified");
    }
    let Some(scope) = scope else { return reply.error("No such channel") };
    match assign(name, message.value("Value"), scope) {
        Ok(()) => reply.success("Variable Set"),
        Err(_) => reply.error("Variable not set"),
    }
}

/// Runs a console command of the dialplan's, if it is one. (core/command-echo, core/command-many-lines.)
pub(crate) fn command(scope: &mut dyn Scope, words: &[&[u8]], screen: &mut Screen) -> Option<Outcome> {
    if let Some(arguments) = SET_GLOBAL.arguments(words) {
        let [name, value] = arguments else { return Some(Outcome::Usage) };
        if scope.set_global(name, value).is_err() {
            screen.line("There is no room for another variable");
            return Some(Outcome::Failed);
        }
        screen.line("");
        screen.line([b"    -- Global variable '", *name, b"' set to '", value, b"'"].concat());
        return Some(Outcome::Done);
    }
    let arguments = SHOW.arguments(words)?;
    Some(show::show(scope.surroundings().dialplan, arguments, screen))
}

/// The console commands of the dialplan.
pub(crate) const COMMANDS: &[CommandSpec] = &[SET_GLOBAL, SHOW];

/// The actions of the dialplan and of variables.
pub(crate) const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "ShowDialPlan",
        Classes::CONFIG.and(Classes::REPORTING),
        "List the dialplan, or a part of it.",
        &[
            Argument::optional(
                "Extension",
                "Only this extension, or the patterns that it fits, included contexts among them.",
            ),
            Argument::optional("Context", "Only this context."),
        ],
        "Answers with a list: an event ListDialplan for each priority, hint, include, ignore pattern and switch, in the order in \
         which extensions are tried, and ShowDialPlanComplete with the sums last.",
    ),
    ActionSpec::new(
        "DialplanExtensionAdd",
        Classes::SYSTEM,
        "Add a priority to an extension.",
        &[
            Argument::required("Context", "The context; it is made where there is none of the name."),
            Argument::required("Extension", "A name or a pattern, and the caller's number behind a slash."),
            Argument::required("Priority", "A number from 1, or hint."),
            Argument::required("Application", "The application to run, or for a hint the devices."),
            Argument::optional("ApplicationData", "The application's arguments."),
            Argument::optional("Replace", "yes, to put it in the place of what is there."),
        ],
        "The dialplan changes until it is read again from its file, which is left as it is.",
    ),
    ActionSpec::new(
        "DialplanExtensionRemove",
        Classes::SYSTEM,
        "Remove an extension, or one of its priorities.",
        &[
            Argument::required("Context", "The context."),
            Argument::required("Extension", "The name or pattern, and the caller's number behind a slash."),
            Argument::optional("Priority", "A number, or hint; without it all of the extension goes."),
        ],
        "The dialplan changes until it is read again from its file, which is left as it is.",
    ),
    ActionSpec::new(
        "Getvar",
        Classes::CALL.and(Classes::REPORTING),
        "Tell the value of a variable or of a dialplan function.",
        &[
            Argument::optional("Channel", "The channel whose it is; without one it is a global variable."),
            Argument::required("Variable", "Its name, or a function with its arguments in parentheses."),
        ],
        "Answers with Variable and Value. What is not there, or not to be read by clients, is empty. Functions that evaluate text \
         take the class system.",
    ),
    ActionSpec::new(
        "Setvar",
        Classes::CALL,
        "Set a variable or a dialplan function.",
        &[
            Argument::optional("Channel", "The channel whose it is; without one it is a global variable."),
            Argument::required("Variable", "Its name, or a function with its arguments in parentheses."),
            Argument::optional("Value", "The new value."),
        ],
        "The event VarSet tells of variables that were set.",
    ),
];

#[cfg(test)]
mod tests;
