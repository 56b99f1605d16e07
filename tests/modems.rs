//! A switch of one's own: a bank of GSM modems behind AMI. It has actions that no Asterisk has, tells events that no Asterisk
//! tells, and everything in front of it (logins, classes, filters, policies, TLS, HTTP) is amibox's. The hardware is made up;
//! all that a maker of the real one writes is what stands before `mod support`.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use amibox::ami::{Classes, Event, Message, Reply};
use amibox::bus::Bus;
use amibox::server::Daemon;
use amibox::switch::{ActionSpec, Argument, Caller, Calls, Switch};
use amibox::time::SwitchMicros;

/// The modems, and where to tell of them.
struct Modems {
    bus: Bus,
    ports: Mutex<Vec<Port>>,
}

/// One modem.
struct Port {
    operator: &'static str,
    /// In dBm.
    signal: i32,
    sent: u64,
}

impl Modems {
    /// Called by the hardware when a text message has come.
    fn received(&self, port: usize, from: &str, text: &str) {
        let event = Event::new("GsmSmsReceived", Classes::MESSAGE)
            .with("Port", port)
            .with("From", from)
            .with("Text", text);
        self.tell(event);
    }

    fn tell(&self, event: Event) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.bus.publish(event, SwitchMicros::new(now.as_micros() as u64));
    }

    fn show(&self, reply: &mut Reply<'_>) {
        let mut list = reply.list("Modems will follow");
        for (number, port) in self.ports().iter().enumerate() {
            list.item("GsmModem", |item| {
                item.header("Port", number).header("Operator", port.operator).header("Signal", port.signal);
            });
        }
        list.complete("GsmModemsComplete");
    }

    fn send(&self, caller: &Caller<'_>, message: &Message, reply: &mut Reply<'_>) {
        let number: Option<usize> =
            std::str::from_utf8(message.value("Port")).ok().and_then(|text| text.parse().ok());
        let (to, text) = (message.value("To"), message.value("Text"));
        if to.is_empty() || text.is_empty() {
            return reply.error("To and Text must be specified");
        }
        let mut ports = self.ports();
        let Some((number, port)) = number.and_then(|number| Some((number, ports.get_mut(number)?))) else {
            return reply.error("No such port");
        };
        port.sent += 1;
        reply.success("Message sent");
        // Tells of it behind the answer, however long the lock is held: events are never in the way of an answer.
        self.tell(
            Event::new("GsmSmsSent", Classes::MESSAGE)
                .with("Port", number)
                .with("To", to)
                .with("By", caller.user),
        );
    }

    fn ports(&self) -> MutexGuard<'_, Vec<Port>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Switch for Modems {
    fn actions(&self) -> Vec<ActionSpec> {
        let show = ActionSpec::new(
            "GsmShowModems",
            Classes::REPORTING,
            "List the modems.",
            &[],
            "Answers with an event GsmModem for each modem; GsmModemsComplete comes last.",
        );
        let send = ActionSpec::new(
            "GsmSendSms",
            Classes::MESSAGE,
            "Send a text message.",
            SMS,
            "Answers when the modem has taken the message; GsmSmsSent tells everybody of it.",
        );
        vec![show, send]
    }

    fn perform(&self, caller: &Caller<'_>, message: &Message, reply: &mut Reply<'_>) {
        match message.action() {
            Some(name) if name.eq_ignore_ascii_case(b"GsmShowModems") => self.show(reply),
            _ => self.send(caller, message, reply),
        }
    }

    fn calls(&self) -> Calls {
        Calls { active: 0, processed: self.ports().iter().map(|port| port.sent).sum() }
    }
}

const SMS: &[Argument] = &[
    Argument::required("Port", "The modem's number, from 0."),
    Argument::required("To", "The number to send to."),
    Argument::required("Text", "What to send."),
];

mod support;

use std::time::Duration;

use support::ami::Client;
use support::{Door, Ports, TempDir};

const MANAGER: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\n\n\
    [ops]\nsecret = s\nread = all\nwrite = all\n[viewer]\nsecret = s\nread = message\nwrite = reporting\n";

/// How long anything here may take: generous, as it is there to end a hang and not to measure.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn the_modems_answer_and_tell() {
    let (ports, dir) = (Ports::claim(), TempDir::new("modems"));
    let port = ports.of(Door::Ami);
    dir.write("manager.conf", MANAGER.replacen("bindaddr", &format!("port = {port}\nbindaddr"), 1));
    let mut hardware = None;
    let daemon = Daemon::start_with(dir.path(), |_, bus| {
        let bank =
            [("Telia", -71), ("Elisa", -93)].map(|(operator, signal)| Port { operator, signal, sent: 0 });
        let modems = Arc::new(Modems { bus, ports: Mutex::new(bank.into()) });
        hardware = Some(Arc::clone(&modems));
        Ok::<Box<dyn Switch>, io::Error>(Box::new(modems))
    });
    let (daemon, hardware) = (daemon.expect("it starts"), hardware.expect("it was asked for"));
    let mut ops = Client::login(port, "ops", "s", "");
    let mut viewer = Client::login(port, "viewer", "s", "");

    let items = viewer.list("Action: GsmShowModems\nActionID: 1", "GsmModemsComplete");
    assert_eq!(items.iter().filter_map(|item| item.get("Operator")).collect::<Vec<_>>(), ["Telia", "Elisa"]);
    assert!(items.iter().all(|item| item.get("ActionID") == Some("1")));
    assert_eq!(items.last().and_then(|last| last.get("ListItems")), Some("2"));
    let listed = viewer.ask("Action: ListCommands");
    assert!(listed.get("GsmShowModems").is_some() && listed.get("GsmSendSms").is_none(), "{}", listed.text());

    let sms = "Action: GsmSendSms\nTo: 0401234567\nText: moi";
    assert_eq!(viewer.ask(&format!("{sms}\nPort: 1")).get("Message"), Some("Permission denied"));
    assert_eq!(ops.ask(&format!("{sms}\nPort: 9")).get("Message"), Some("No such port"));
    assert_eq!(ops.ask("Action: GsmSendSms\nPort: 1").get("Message"), Some("To and Text must be specified"));
    assert_eq!(ops.ask(&format!("{sms}\nPort: 1")).get("Message"), Some("Message sent"));
    let told = viewer.event("GsmSmsSent", LIMIT).expect("everybody is told");
    assert_eq!((told.get("Port"), told.get("By")), (Some("1"), Some("ops")));

    hardware.received(0, "0409876543", "hei\r\nSecret: x");
    let told = viewer.event("GsmSmsReceived", LIMIT).expect("everybody is told");
    assert_eq!(told.lines[1], "Privilege: message,all");
    assert_eq!(told.get("Text"), Some("hei  Secret: x"));
    // What is the server's own is there too.
    assert_eq!(ops.ask("Action: CoreStatus").get("CoreCurrentCalls"), Some("0"));
    daemon.stop();
}
