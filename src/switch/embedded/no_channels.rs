//! The actions on channels, bridges and states, for as long as this switch has none: what is missing from a request is named
//! in the order in which Asterisk asks for it, and whatever a request names is not there. A call cannot be made, and
//! Originate says so.
//!
//! The engine that has channels takes the place of this file, action by action.

use crate::ami::{Classes, Message, Reply, posix};
use crate::switch::{ActionSpec, Argument, Caller};

use super::dialplan::Dialplan;
use super::dialplan::access::needs_system;
use super::states::{States, hint_text, presence_headers};
use crate::date::Date;

/// Performs an action, if it is one of these.
pub(super) fn perform(
    caller: &Caller<'_>,
    dialplan: &Dialplan,
    states: &States,
    message: &Message,
    reply: &mut Reply<'_>,
) -> bool {
    let name = String::from_utf8_lossy(message.action().unwrap_or_default()).to_ascii_lowercase();
    let request = Request { caller, dialplan, states, message };
    match name.as_str() {
        "coreshowchannels" => reply.list("Channels will follow").complete("CoreShowChannelsComplete"),
        "coreshowchannelmap" => request.channel_map(reply),
        "status" => request.status(reply),
        "hangup" => request.hangup(reply),
        "originate" => reply.error(request.originate()),
        "bridgelist" => reply.list("Bridge listing will follow").complete("BridgeListComplete"),
        "devicestatelist" => request.device_state_list(reply),
        "presencestatelist" => request.presence_state_list(reply),
        "presencestate" => request.presence_state(reply),
        "extensionstate" => request.extension_state(reply),
        "extensionstatelist" => request.extension_state_list(reply),
        name => match refusal(name) {
            Some(refusal) => request.refuse(refusal, reply),
            None => return false,
        },
    }
    true
}

/// An action that only ever says what is missing or not there.
struct Refusal {
    /// Headers that must be there, in the order in which they are asked for, and what is said where one is not.
    needs: &'static [(&'static str, &'static str)],
    /// What is said of what is named; the value of the first header stands for `%`.
    absent: &'static str,
}

fn refusal(action: &str) -> Option<Refusal> {
    let refusal = |needs, absent| Some(Refusal { needs, absent });
    match action {
        "absolutetimeout" => refusal(
            &[("Channel", "No channel specified"), ("Timeout", "No timeout specified")],
            "No such channel",
        ),
        "agi" => refusal(&[("Channel", AGI_NEEDS), ("Command", AGI_NEEDS)], "Channel % does not exist."),
        "atxfer" | "blindtransfer" => refusal(
            &[("Channel", "No channel specified"), ("Exten", "No extension specified")],
            "Channel specified does not exist",
        ),
        "cancelatxfer" => refusal(&[("Channel", "No channel specified")], "Channel specified does not exist"),
        "bridge" => {
            refusal(&[("Channel1", BRIDGE_NEEDS), ("Channel2", BRIDGE_NEEDS)], "Channel1 does not exist: %")
        }
        "bridgeinfo" | "bridgedestroy" => refusal(
            &[("BridgeUniqueid", "BridgeUniqueid must be provided")],
            "Specified BridgeUniqueid not found",
        ),
        "bridgekick" => refusal(&[("Channel", "Channel must be provided")], "Channel does not exist"),
        "controlplayback" | "muteaudio" => {
            refusal(&[("Channel", "Channel not specified")], "No such channel")
        }
        "localoptimizeaway" => refusal(&[("Channel", "'Channel' not specified.")], "Channel does not exist."),
        "mixmonitor" | "stopmixmonitor" => refusal(&[("Channel", "No channel specified")], "No such channel"),
        "mixmonitormute" => refusal(
            &[
                ("Direction", "No direction specified. Must be read, write or both"),
                ("Channel", "No channel specified"),
            ],
            "No such channel",
        ),
        "playdtmf" | "playmf" | "sendflash" => refusal(&[], "Channel not found"),
        "redirect" => refusal(
            &[
                ("Channel", "Channel not specified"),
                ("Context", "Context not specified"),
                ("Exten", "Exten not specified"),
                ("Priority", "Priority not specified"),
            ],
            "Channel does not exist: %",
        ),
        "sendtext" => refusal(
            &[("Channel", "No channel specified"), ("Message", "No Message specified")],
            "No such channel",
        ),
        _ => None,
    }
}

/// A request, and what it may be held against.
struct Request<'a> {
    caller: &'a Caller<'a>,
    dialplan: &'a Dialplan,
    states: &'a States,
    message: &'a Message,
}

impl Request<'_> {
    fn value(&self, name: &str) -> &[u8] {
        self.message.value(name)
    }

    fn may_system(&self) -> bool {
        self.caller.write.intersects(Classes::SYSTEM)
    }

    fn refuse(&self, refusal: Refusal, reply: &mut Reply<'_>) {
        let Refusal { needs, absent } = refusal;
        if let Some((_, missing)) = needs.iter().find(|(name, _)| self.value(name).is_empty()) {
            return reply.error(*missing);
        }
        let named = needs.first().map(|(name, _)| self.value(name)).unwrap_or_default();
        match absent.split_once('%') {
            None => reply.error(absent),
            Some((before, after)) => reply.error([before.as_bytes(), named, after.as_bytes()].concat()),
        }
    }

    /// The message ends in a line feed of its own. (core/coreshowchannelmap-errors.)
    fn channel_map(&self, reply: &mut Reply<'_>) {
        let message = match self.value("Channel") {
            b"" => "CoreShowChannelMap requires a channel.",
            _ => "Could not get channel snapshot",
        };
        reply.start("Error").raw(b"Message: ").raw(message.as_bytes()).raw(b"\n\r\n").end();
    }

    fn status(&self, reply: &mut Reply<'_>) {
        if needs_system(self.value("Variables")) && !self.may_system() {
            return reply.error("Status Access Forbidden: Variables");
        }
        if !self.value("Channel").is_empty() {
            return reply.error("No such channel");
        }
        reply.list("Channel status will follow").complete_with("StatusComplete", |end| {
            end.header("Items", 0);
        });
    }

    /// Of one channel, or of those that an expression between slashes fits. (calls/hangup-errors.)
    fn hangup(&self, reply: &mut Reply<'_>) {
        let channel = self.value("Channel");
        let Some(pattern) = channel.strip_prefix(b"/") else {
            return reply.error(if channel.is_empty() { "No channel specified" } else { "No such channel" });
        };
        let Some(pattern) = pattern.strip_suffix(b"/") else {
            return reply.error("Regex format invalid, Channel param should be /regex/");
        };
        match posix::compile(pattern) {
            Err(_) => reply.error([b"Regex compile failed on: ", channel].concat()),
            Ok(_) => reply.list("Channels hung up will follow").complete("ChannelsHungupListComplete"),
        }
    }

    /// What is wrong with the request; where nothing is, that the call cannot be made. (calls/originate-errors.)
    fn originate(&self) -> &'static str {
        let (channel, application) = (self.value("Channel"), self.value("Application"));
        if channel.is_empty() {
            return "Channel not specified";
        }
        if !channel.contains(&b'/') {
            return "Invalid channel";
        }
        let is_number = |text: &[u8]| text.strip_prefix(b"-").unwrap_or(text).iter().all(u8::is_ascii_digit);
        if !is_number(self.value("Timeout")) {
            return "Invalid timeout";
        }
        if !application.is_empty() {
            return match self.may_run(application, self.value("Data")) {
                true => "Originate failed",
                false => "Originate Access Forbidden: app or data blacklisted",
            };
        }
        self.to_extension()
    }

    fn to_extension(&self) -> &'static str {
        let (exten, context, priority) = (self.value("Exten"), self.value("Context"), self.value("Priority"));
        let now = Date::from_micros(self.caller.micros);
        let number = match std::str::from_utf8(priority).ok().and_then(|text| text.parse::<u32>().ok()) {
            Some(number) => number,
            None if priority.is_empty() => 0,
            None => match self.dialplan.find_label(context, exten, priority, b"", &now) {
                Some(number) => number,
                None => return "Invalid priority",
            },
        };
        if exten.is_empty() || context.is_empty() || number == 0 {
            return "Originate with 'Exten' requires 'Context' and 'Priority'";
        }
        match self.dialplan.exists(context, exten, number, b"", &now) {
            true => "Originate failed",
            false => "Extension does not exist.",
        }
    }

    /// Some applications take the class system, and a queue with an AGI that or the class agi.
    /// (permission/originate-application-classes, calls/originate-forbidden-application.)
    fn may_run(&self, application: &[u8], data: &[u8]) -> bool {
        if self.may_system() {
            return true;
        }
        let is = |name: &&str| application.eq_ignore_ascii_case(name.as_bytes());
        let reaches =
            |text: &str| data.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()));
        if SYSTEM_APPLICATIONS.iter().any(is) || needs_system(data) || reaches("DB(") {
            return false;
        }
        if is(&"Exec") || is(&"ExecIf") || is(&"TryExec") {
            return !SYSTEM_APPLICATIONS.iter().any(|name| reaches(&format!("{name}(")));
        }
        let with_agi = is(&"Queue") && data.split(|&b| b == b',').nth(5).is_some_and(|agi| !agi.is_empty());
        !with_agi || self.caller.write.intersects(Classes::AGI)
    }

    fn presence_state(&self, reply: &mut Reply<'_>) {
        let provider = self.value("Provider");
        if provider.is_empty() {
            return reply.error("No provider specified");
        }
        let Some(presence) = self.states.presence(provider) else {
            return reply.error([b"Invalid provider ", provider, b" or provider in invalid state"].concat());
        };
        reply.start("Success").header("Message", "Presence State").header("State", presence.state);
        if !presence.subtype.is_empty() {
            reply.header("Subtype", &presence.subtype);
        }
        if !presence.message.is_empty() {
            reply.header("Message", &presence.message).header("PresenceMessage", &presence.message);
        }
        reply.end();
    }

    fn presence_state_list(&self, reply: &mut Reply<'_>) {
        let mut list = reply.list("Presence State Changes will follow");
        for (name, presence) in self.states.presences() {
            list.item("PresenceStateChange", |item| {
                presence_headers(name, presence, |header, value| {
                    item.header(header, value);
                });
            });
        }
        list.complete("PresenceStateListComplete");
    }

    fn device_state_list(&self, reply: &mut Reply<'_>) {
        let mut list = reply.list("Device State Changes will follow");
        for (name, state) in self.states.devices() {
            list.item("DeviceStateChange", |item| {
                item.header("Device", name).header("State", state);
            });
        }
        list.complete("DeviceStateListComplete");
    }

    fn extension_state(&self, reply: &mut Reply<'_>) {
        let (exten, context) = (self.value("Exten"), self.value("Context"));
        if exten.is_empty() {
            return reply.error("Extension not specified");
        }
        let context = if context.is_empty() { b"default" } else { context };
        let hint = hint_text(self.dialplan, context, exten, &Date::from_micros(self.caller.micros));
        reply.start("Success").header("Message", "Extension Status");
        self.state_headers(exten, context, &hint, reply);
        reply.end();
    }

    /// Patterns are not told: they are not one extension. (core/extensionstatelist-many.)
    fn extension_state_list(&self, reply: &mut Reply<'_>) {
        let mut list = reply.list("Extension Statuses will follow");
        for hint in self.dialplan.hints().filter(|hint| !hint.exten.starts_with(b"_")) {
            list.item("ExtensionStatus", |item| {
                self.state_headers(hint.exten, hint.context, hint.text, item);
            });
        }
        list.complete("ExtensionStateListComplete");
    }

    fn state_headers(&self, exten: &[u8], context: &[u8], hint: &[u8], reply: &mut Reply<'_>) {
        let (status, text) = self.states.status(hint);
        reply.header("Exten", exten).header("Context", context).header("Hint", hint);
        reply.header("Status", status).header("StatusText", text);
    }
}

const AGI_NEEDS: &str = "Both, Channel and Command are *required*";
const BRIDGE_NEEDS: &str = "Missing channel parameter in request";

/// Applications that run programs, or write files.
const SYSTEM_APPLICATIONS: &[&str] =
    &["System", "TrySystem", "AGI", "EAGI", "DeadAGI", "ExternalIVR", "MixMonitor", "Originate", "SendMail"];

const STATE: Classes = Classes::SYSTEM.and(Classes::REPORTING);
const ON_CALLS: Classes = Classes::SYSTEM.and(Classes::CALL);
const ASKING: Classes = Classes::CALL.and(Classes::REPORTING);
const CHANNEL: Argument = Argument::required("Channel", "The channel's name.");
const BRIDGE: Argument = Argument::required("BridgeUniqueid", "The bridge's id.");

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "CoreShowChannels",
        STATE,
        "List the channels that are up.",
        &[],
        "Answers with a list: an event CoreShowChannel for each channel, and CoreShowChannelsComplete last.",
    ),
    ActionSpec::new(
        "CoreShowChannelMap",
        STATE,
        "List the channels that are connected with one.",
        &[CHANNEL],
        "Answers with a list of those that can hear the channel, through however many bridges.",
    ),
    ActionSpec::new(
        "Status",
        Classes::SYSTEM.and(Classes::CALL).and(Classes::REPORTING),
        "Tell how channels stand.",
        &[
            Argument::optional("Channel", "Only this channel."),
            Argument::optional("Variables", "Names, parted by commas, of variables to tell with each."),
        ],
        "Answers with an event Status for each channel and StatusComplete last.",
    ),
    ActionSpec::new(
        "Hangup",
        ON_CALLS,
        "Hang a channel up.",
        &[
            Argument::required(
                "Channel",
                "The channel's name, or an expression between slashes that fits several.",
            ),
            Argument::optional("Cause", "The number of the cause that it is told."),
        ],
        "Ends the call of the channel. With an expression it answers with a list of those that were hung up.",
    ),
    ActionSpec::new(
        "Originate",
        Classes::ORIGINATE,
        "Make a call.",
        &[
            Argument::required("Channel", "Whom to call, as technology/address."),
            Argument::optional("Exten", "The extension to connect it with; takes Context and Priority."),
            Argument::optional("Context", "The extension's context."),
            Argument::optional("Priority", "The priority or its label."),
            Argument::optional("Application", "The application to connect it with instead."),
            Argument::optional("Data", "The application's arguments."),
            Argument::optional("Timeout", "How many milliseconds it may ring."),
            Argument::optional("CallerID", "The caller's id to show."),
            Argument::optional("Variable", "name=value to set on the channel; may stand more than once."),
            Argument::optional(
                "Async",
                "true answers before the call is; an event OriginateResponse tells then.",
            ),
        ],
        "Calls the channel and, once it has answered, runs the extension or the application on it. This switch has no channels \
         yet: the request is checked, and then it fails.",
    ),
    ActionSpec::new(
        "Redirect",
        Classes::CALL,
        "Send a channel to another extension.",
        &[
            CHANNEL,
            Argument::required("Context", "The context to go to."),
            Argument::required("Exten", "The extension to go to."),
            Argument::required("Priority", "The priority to go to."),
            Argument::optional(
                "ExtraChannel",
                "A second channel, with ExtraContext, ExtraExten and ExtraPriority.",
            ),
        ],
        "The channel leaves what it is doing and goes on there.",
    ),
    ActionSpec::new(
        "AbsoluteTimeout",
        ON_CALLS,
        "Limit how long a channel may last.",
        &[CHANNEL, Argument::required("Timeout", "How many seconds from now on; 0 for no limit.")],
        "The channel is hung up when the time is over.",
    ),
    ActionSpec::new(
        "AGI",
        Classes::AGI,
        "Give a channel an AGI command.",
        &[
            CHANNEL,
            Argument::required("Command", "The command."),
            Argument::optional("CommandID", "An id that the event of its end carries."),
        ],
        "For a channel that runs asynchronous AGI. The event AsyncAGIExec tells the result.",
    ),
    ActionSpec::new(
        "Atxfer",
        Classes::CALL,
        "Begin an attended transfer.",
        &[
            CHANNEL,
            Argument::required("Exten", "Whom to ask."),
            Argument::optional("Context", "The extension's context."),
        ],
        "The channel's other side waits while it talks to the extension.",
    ),
    ActionSpec::new(
        "CancelAtxfer",
        Classes::CALL,
        "Give an attended transfer up.",
        &[CHANNEL],
        "The channel is back with the other side that waited.",
    ),
    ActionSpec::new(
        "BlindTransfer",
        Classes::CALL,
        "Transfer the other side of a channel.",
        &[
            CHANNEL,
            Argument::required("Exten", "Where to."),
            Argument::optional("Context", "The extension's context."),
        ],
        "The other side goes to the extension, and the channel is free.",
    ),
    ActionSpec::new(
        "Bridge",
        Classes::CALL,
        "Connect two channels.",
        &[
            Argument::required("Channel1", "One channel."),
            Argument::required("Channel2", "The other channel."),
            Argument::optional("Tone", "Which of them hears a tone: no, Channel1, Channel2 or Both."),
        ],
        "Both leave what they are doing.",
    ),
    ActionSpec::new(
        "BridgeList",
        Classes::NONE,
        "List the bridges.",
        &[Argument::optional("BridgeType", "Only bridges of this type.")],
        "Answers with an event BridgeListItem for each bridge and BridgeListComplete last.",
    ),
    ActionSpec::new(
        "BridgeInfo",
        Classes::NONE,
        "Tell about a bridge.",
        &[BRIDGE],
        "Answers with an event for each channel in it and BridgeInfoComplete last.",
    ),
    ActionSpec::new(
        "BridgeDestroy",
        Classes::NONE,
        "End a bridge.",
        &[BRIDGE],
        "Its channels go on with what comes behind it for them.",
    ),
    ActionSpec::new(
        "BridgeKick",
        Classes::NONE,
        "Take a channel out of its bridge.",
        &[CHANNEL, Argument::optional("BridgeUniqueid", "The bridge that it must be in.")],
        "The channel goes on with what comes behind the bridge for it.",
    ),
    ActionSpec::new(
        "ControlPlayback",
        Classes::CALL,
        "Control a sound that a channel plays.",
        &[CHANNEL, Argument::required("Control", "stop, forward, reverse, pause or restart.")],
        "Only for a sound that was begun to be controlled.",
    ),
    ActionSpec::new(
        "LocalOptimizeAway",
        ON_CALLS,
        "Let a Local channel take itself out of a call.",
        &[CHANNEL],
        "For one that was told not to.",
    ),
    ActionSpec::new(
        "MixMonitor",
        Classes::SYSTEM,
        "Record a call.",
        &[CHANNEL, Argument::optional("File", "Where to."), Argument::optional("Options", "How.")],
        "Both directions become one recording.",
    ),
    ActionSpec::new(
        "MixMonitorMute",
        ON_CALLS,
        "Silence a recording.",
        &[
            CHANNEL,
            Argument::required("Direction", "read, write or both."),
            Argument::required("State", "1 for silence, 0 for sound."),
        ],
        "The recording goes on with silence in that direction.",
    ),
    ActionSpec::new(
        "StopMixMonitor",
        ON_CALLS,
        "End a recording.",
        &[CHANNEL],
        "Ends what MixMonitor began.",
    ),
    ActionSpec::new(
        "MuteAudio",
        Classes::SYSTEM,
        "Silence a channel.",
        &[
            CHANNEL,
            Argument::required("Direction", "in, out or all."),
            Argument::required("State", "on for silence, off for sound."),
        ],
        "The channel is not heard, does not hear, or both.",
    ),
    ActionSpec::new(
        "PlayDTMF",
        Classes::CALL,
        "Send a digit to a channel.",
        &[
            CHANNEL,
            Argument::required("Digit", "The digit."),
            Argument::optional("Duration", "How many milliseconds."),
        ],
        "As if the other side had pressed it.",
    ),
    ActionSpec::new(
        "PlayMF",
        Classes::CALL,
        "Send an MF digit to a channel.",
        &[
            CHANNEL,
            Argument::required("Digit", "The digit."),
            Argument::optional("Duration", "How many milliseconds."),
        ],
        "As trunks of old exchanges do.",
    ),
    ActionSpec::new(
        "SendFlash",
        Classes::CALL,
        "Send a hook flash to a channel.",
        &[CHANNEL],
        "As if its hook had been pressed.",
    ),
    ActionSpec::new(
        "SendText",
        Classes::CALL,
        "Send a text to a channel.",
        &[CHANNEL, Argument::required("Message", "The text.")],
        "Where its technology can show one.",
    ),
    ActionSpec::new(
        "DeviceStateList",
        ASKING,
        "List the devices' states.",
        &[],
        "Answers with an event DeviceStateChange for each device that is known and DeviceStateListComplete last.",
    ),
    ActionSpec::new(
        "PresenceState",
        ASKING,
        "Ask for a presence.",
        &[Argument::required("Provider", "Whose, such as CustomPresence:bob.")],
        "Answers with State and, where they are set, Subtype and Message.",
    ),
    ActionSpec::new(
        "PresenceStateList",
        ASKING,
        "List the presences.",
        &[],
        "Answers with an event PresenceStateChange for each one that is known and PresenceStateListComplete last.",
    ),
    ActionSpec::new(
        "ExtensionState",
        ASKING,
        "Ask how an extension's hint stands.",
        &[
            Argument::required("Exten", "The extension."),
            Argument::optional("Context", "Its context; default unless it is given."),
        ],
        "Answers with the hint and its state: a number in Status and its name in StatusText; -1 where there is no hint.",
    ),
    ActionSpec::new(
        "ExtensionStateList",
        ASKING,
        "List the hints' states.",
        &[],
        "Answers with an event ExtensionStatus for each hint and ExtensionStateListComplete last.",
    ),
];
