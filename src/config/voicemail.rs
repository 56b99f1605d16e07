//! voicemail.conf: the mailboxes, as far as clients are told of them. Their passwords are read past and kept nowhere.

use super::complaint::{Complaint, did_you_mean, quote};
use super::ini::{Category, Document, Variable};
use super::settings::{Settings, Unused};
use crate::ami::class::truth;

/// What voicemail.conf says.
#[derive(Clone, Debug, Default)]
pub struct Voicemail {
    /// Every mailbox, in the order of the file.
    pub mailboxes: Vec<Mailbox>,
}

/// A mailbox: a line `NUMBER = PASSWORD,NAME,EMAIL,PAGER,OPTION=VALUE|...` of its context's section. An option counts before
/// the same key in `[general]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mailbox {
    /// The section it stands in.
    pub context: Vec<u8>,
    /// Its number.
    pub number: Vec<u8>,
    /// Whose it is. Default: empty, like those of all the texts below that name no other.
    pub fullname: Vec<u8>,
    /// Where new messages are told of.
    pub email: Vec<u8>,
    /// Where they are told of shortly.
    pub pager: Vec<u8>,
    /// `serveremail`: the sender of what is told. Default: asterisk.
    pub serveremail: Vec<u8>,
    /// `fromstring`: the sender's name.
    pub fromstring: Vec<u8>,
    /// `mailcmd`: the command that would send mail. It is told and never run. Default: /usr/sbin/sendmail -t.
    pub mailcmd: Vec<u8>,
    /// `language`.
    pub language: Vec<u8>,
    /// `tz`: the time zone.
    pub tz: Vec<u8>,
    /// `callback`: the context for calling back.
    pub callback: Vec<u8>,
    /// `dialout`: the context for dialling out.
    pub dialout: Vec<u8>,
    /// `exitcontext`: the context for leaving.
    pub exitcontext: Vec<u8>,
    /// `attachfmt`: the format of attached messages.
    pub attachfmt: Vec<u8>,
    /// `saydurationm`, in minutes: how long a message is before its length is said. Default: 2.
    pub saydurationm: u32,
    /// `envelope`: whether date and time are said. Default: yes.
    pub envelope: bool,
    /// `saycid`: whether the caller is said. Default: no.
    pub saycid: bool,
    /// `attach`: whether messages are attached to mails. Default: yes.
    pub attach: bool,
    /// `delete`: whether messages go once they are mailed. Default: no.
    pub delete: bool,
    /// `volgain`, in decibels: how much louder an attached message is made. Default: 0.
    pub volgain: f64,
    /// `review`: whether callers may listen to what they have said. Default: no.
    pub review: bool,
    /// `operator`: whether callers may ask for an operator. Default: no.
    pub operator: bool,
    /// `maxmsg`: how many messages it holds. Default: 100.
    pub maxmsg: u32,
    /// `maxsecs`, in seconds: how long a message may be; 0 for no limit. Default: 0.
    pub maxsecs: u32,
}

impl Voicemail {
    /// The mailbox of that number in that context.
    pub fn mailbox(&self, context: &[u8], number: &[u8]) -> Option<&Mailbox> {
        self.mailboxes.iter().find(|mailbox| mailbox.context == context && mailbox.number == number)
    }

    pub(super) fn read(document: &Document, complaints: &mut Vec<Complaint>) -> Voicemail {
        let sections: Vec<_> =
            document.categories().iter().filter(|section| !section.is_template()).collect();
        let named = |section: &&&Category, name: &[u8]| section.name().eq_ignore_ascii_case(name);
        let general: Vec<_> = sections.iter().filter(|section| named(section, GENERAL)).copied().collect();
        let contexts = sections.iter().filter(|section| !named(section, GENERAL) && !named(section, ZONES));
        check_general(document, complaints);
        let mut voicemail = Voicemail::default();
        for (section, line) in
            contexts.flat_map(|section| section.variables().iter().map(move |line| (section, line)))
        {
            if voicemail.mailboxes.len() == MAX_MAILBOXES {
                let (file, number) = document.place(line);
                let text = format!(
                    "there are {MAX_MAILBOXES} mailboxes already: {} and what follows is left out",
                    quote(line.name())
                );
                complaints.push(Complaint::warning(file, number, text));
                break;
            }
            check_options(document, line, complaints);
            voicemail.mailboxes.push(Mailbox::read(section.name(), line.name(), line.value(), &general));
        }
        voicemail
    }
}

/// Reports what `[general]` says wrong, for a mailbox takes it without a word.
fn check_general(document: &Document, complaints: &mut Vec<Complaint>) {
    let mut unused = Unused::default();
    let mut settings = Settings::of(document, GENERAL, complaints);
    for (key, kind) in OPTIONS {
        if let Some(line) = settings.last(key)
            && let Err((expected, usual)) = kind.check(line.value())
        {
            settings.keep(line, expected, usual);
        }
    }
    settings.unused(UNUSED, &mut unused);
    settings.with_prefix("email", &mut unused);
    settings.with_prefix("pager", &mut unused);
    settings.with_prefix("imap", &mut unused);
    settings.with_prefix("odbc", &mut unused);
    settings.with_prefix("vm-", &mut unused);
    settings.finish();
    unused.report(document, complaints);
}

/// The same for the options of a mailbox's line.
fn check_options(document: &Document, line: &Variable, complaints: &mut Vec<Complaint>) {
    let options = line.value().splitn(5, |&b| b == b',').nth(4).unwrap_or_default();
    for option in options.split(|&b| b == b'|').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty()) {
        let at = option.iter().position(|&b| b == b'=').unwrap_or(option.len());
        let (name, value) =
            (option[..at].trim_ascii(), option.get(at + 1..).unwrap_or_default().trim_ascii());
        let is = |key: &str| name.eq_ignore_ascii_case(key.as_bytes());
        let text = match OPTIONS.iter().find(|(key, _)| is(key)) {
            Some((key, kind)) => match kind.check(value) {
                Ok(()) => continue,
                Err((expected, usual)) => format!("{key} = {}: not {expected}; using {usual}", quote(value)),
            },
            None if UNUSED.iter().any(|key| is(key)) => continue,
            None => {
                let hint = did_you_mean(name, OPTIONS.iter().map(|(key, _)| *key));
                format!("unknown option {}, ignored{hint}", quote(name))
            }
        };
        let (file, number) = document.place(line);
        let mailbox = line.name().escape_ascii();
        complaints.push(Complaint::warning(file, number, format!("mailbox {mailbox}: {text}")));
    }
}

/// What a value is to be, and what counts where it is not.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Yes(&'static str),
    Number(&'static str),
    Decimal(&'static str),
}

impl Kind {
    fn check(self, value: &[u8]) -> Result<(), (&'static str, &'static str)> {
        let text = std::str::from_utf8(value).unwrap_or("?");
        match self {
            Kind::Yes(usual) if truth(value).is_none() => Err(("yes or no", usual)),
            Kind::Number(usual) if text.parse::<u32>().is_err() => Err(("a number", usual)),
            Kind::Decimal(usual) if !text.parse::<f64>().is_ok_and(f64::is_finite) => {
                Err(("a number", usual))
            }
            _ => Ok(()),
        }
    }
}

impl Mailbox {
    fn read(context: &[u8], number: &[u8], value: &[u8], general: &[&Category]) -> Mailbox {
        let mut fields = value.splitn(5, |&b| b == b',').map(<[u8]>::trim_ascii).skip(1);
        let mut field = || fields.next().unwrap_or_default().to_vec();
        let (fullname, email, pager, options) = (field(), field(), field(), field());
        let options = Options { own: &options, general };
        let text = |key| options.get(key).unwrap_or_default().to_vec();
        let or = |key, default: &str| options.get(key).unwrap_or(default.as_bytes()).to_vec();
        let yes = |key, default| options.get(key).and_then(truth).unwrap_or(default);
        let number_of = |key, default| options.parse(key).unwrap_or(default);
        Mailbox {
            context: context.to_vec(),
            number: number.to_vec(),
            fullname,
            email,
            pager,
            serveremail: or("serveremail", "asterisk"),
            fromstring: text("fromstring"),
            mailcmd: or("mailcmd", "/usr/sbin/sendmail -t"),
            language: text("language"),
            tz: text("tz"),
            callback: text("callback"),
            dialout: text("dialout"),
            exitcontext: text("exitcontext"),
            attachfmt: text("attachfmt"),
            saydurationm: number_of("saydurationm", 2),
            envelope: yes("envelope", true),
            saycid: yes("saycid", false),
            attach: yes("attach", true),
            delete: yes("delete", false),
            volgain: options.parse("volgain").filter(|gain: &f64| gain.is_finite()).unwrap_or(0.0),
            review: yes("review", false),
            operator: yes("operator", false),
            maxmsg: number_of("maxmsg", 100),
            maxsecs: number_of("maxsecs", 0),
        }
    }
}

/// What a mailbox's line says, and `[general]` for the rest.
struct Options<'a> {
    own: &'a [u8],
    general: &'a [&'a Category],
}

impl<'a> Options<'a> {
    fn get(&self, key: &str) -> Option<&'a [u8]> {
        let mut own = self.own.split(|&b| b == b'|').filter_map(|option| {
            let at = option.iter().position(|&b| b == b'=')?;
            let (name, value) = (option[..at].trim_ascii(), option[at + 1..].trim_ascii());
            name.eq_ignore_ascii_case(key.as_bytes()).then_some(value)
        });
        let lines = self.general.iter().flat_map(|section| section.variables());
        let general = || lines.clone().rfind(|line| line.is(key.as_bytes())).map(|line| line.value());
        own.next_back().or_else(general)
    }

    fn parse<N: std::str::FromStr>(&self, key: &str) -> Option<N> {
        std::str::from_utf8(self.get(key)?).ok()?.parse().ok()
    }
}

const GENERAL: &[u8] = b"general";
/// The section of time zones, which are no mailboxes.
const ZONES: &[u8] = b"zonemessages";

/// The keys that `[general]` or a mailbox's options may have, as [`Mailbox`] describes them.
const OPTIONS: &[(&str, Kind)] = &[
    ("serveremail", Kind::Text),
    ("fromstring", Kind::Text),
    ("mailcmd", Kind::Text),
    ("language", Kind::Text),
    ("tz", Kind::Text),
    ("callback", Kind::Text),
    ("dialout", Kind::Text),
    ("exitcontext", Kind::Text),
    ("attachfmt", Kind::Text),
    ("saydurationm", Kind::Number("2")),
    ("envelope", Kind::Yes("yes")),
    ("saycid", Kind::Yes("no")),
    ("attach", Kind::Yes("yes")),
    ("delete", Kind::Yes("no")),
    ("volgain", Kind::Decimal("0")),
    ("review", Kind::Yes("no")),
    ("operator", Kind::Yes("no")),
    ("maxmsg", Kind::Number("100")),
    ("maxsecs", Kind::Number("0")),
];
/// Those that Asterisk has beside them: no message is recorded here, nor mailed.
const UNUSED: &[&str] = &[
    "adsifdn",
    "adsisec",
    "adsiver",
    "aliasescontext",
    "auth-function",
    "backupdeleted",
    "charset",
    "cidinternalcontexts",
    "directoryinfo",
    "externnotify",
    "externpass",
    "externpasscheck",
    "externpassnotify",
    "expungeonhangup",
    "forcegreetings",
    "forcename",
    "format",
    "forward_urgent_auto",
    "hidefromdir",
    "leaveurgent",
    "listen-control-forward-key",
    "listen-control-pause-key",
    "listen-control-restart-key",
    "listen-control-reverse-key",
    "listen-control-stop-key",
    "locale",
    "maxgreet",
    "maxlogins",
    "maxmessage",
    "maxsilence",
    "messagewrap",
    "minpassword",
    "minsecs",
    "moveheard",
    "msg_id_incompat",
    "nextaftercmd",
    "passwordlocation",
    "pollfreq",
    "pollmailboxes",
    "preprocess",
    "sayduration",
    "saydurationinfo",
    "searchcontexts",
    "sendvoicemail",
    "silencethreshold",
    "skipms",
    "smdienable",
    "smdiport",
    "tempgreetwarn",
    "usedirectory",
    "userscontext",
];

/// How many mailboxes are read: VoicemailUsersList tells of all of them at once.
const MAX_MAILBOXES: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::ini::{self, memory::Memory};
    use super::*;

    fn read(text: &str) -> Voicemail {
        let parsed = ini::parse(&Memory::new(&[("v.conf", text.as_bytes())]), Path::new("v.conf")).unwrap();
        let mut complaints = Vec::new();
        let voicemail = Voicemail::read(&parsed.document, &mut complaints);
        assert!(complaints.is_empty(), "{complaints:?}");
        voicemail
    }

    #[test]
    fn a_mailbox_is_its_line_and_what_general_says() {
        let text = "[general]\nmaxmsg = 5\ntz = here\n[zonemessages]\nx = y\n[default]\n\
                    100 = 1234, Alice ,a@b,p@b,tz=there|attach=no\n7 = 1\n";
        let voicemail = read(text);
        let alice = voicemail.mailbox(b"default", b"100").unwrap();
        assert_eq!(
            (&alice.fullname[..], &alice.pager[..], &alice.tz[..]),
            (&b"Alice"[..], &b"p@b"[..], &b"there"[..])
        );
        assert_eq!((alice.attach, alice.maxmsg, alice.saydurationm), (false, 5, 2));
        let bare = voicemail.mailbox(b"default", b"7").unwrap();
        assert_eq!((&bare.fullname[..], &bare.tz[..], bare.attach), (&b""[..], &b"here"[..], true));
        assert_eq!(voicemail.mailboxes.len(), 2);
        assert_eq!(voicemail.mailbox(b"other", b"7"), None);
    }

    #[test]
    fn wrong_values_and_unknown_keys_are_reported() {
        let text = "[general]\nmaxmsg = many\nformat = wav\nemailbody = x\natach = no\n[default]\n\
                    1 = 99,A,,,envelope=perhaps|tz=x|pollfreq=1|vlogain=1\n";
        let parsed = ini::parse(&Memory::new(&[("v.conf", text.as_bytes())]), Path::new("v.conf")).unwrap();
        let mut complaints = Vec::new();
        Voicemail::read(&parsed.document, &mut complaints);
        let found: Vec<_> =
            complaints.iter().map(|found| found.to_string().replace("/etc/x/v.conf:", "")).collect();
        let expect = [
            "2: warning: maxmsg = \"many\": not a number; using 100",
            "5: warning: unknown setting \"atach\", ignored; did you mean \"attach\"?",
            " warning: not used by amibox: format, email*",
            "7: warning: mailbox 1: envelope = \"perhaps\": not yes or no; using yes",
            "7: warning: mailbox 1: unknown option \"vlogain\", ignored; did you mean \"volgain\"?",
        ];
        assert_eq!(found, expect);
    }

    #[test]
    fn a_password_is_kept_nowhere() {
        let shown = format!("{:?}", read("[default]\n100 = 98765,Alice\n").mailboxes);
        assert!(!shown.contains("98765") && !shown.contains("57, 56, 55"), "{shown}");
    }
}
