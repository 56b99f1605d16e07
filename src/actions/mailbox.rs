//! MailboxStatus, MailboxCount and the Voicemail actions. The mailboxes are those of voicemail.conf, and they are empty:
//! nothing here records.

use crate::ami::{Classes, Reply};
use crate::config::voicemail::Mailbox;
use crate::switch::{ActionSpec, Argument};

use super::Call;
use super::table::Row;

fn mailbox_status(call: &Call<'_>, reply: &mut Reply<'_>) {
    about_mailbox(call, "Mailbox Status", &["Waiting"], reply);
}

fn mailbox_count(call: &Call<'_>, reply: &mut Reply<'_>) {
    about_mailbox(call, "Mailbox Message Count", &["UrgMessages", "NewMessages", "OldMessages"], reply);
}

/// A mailbox that is not there has no message either. (core/mailbox.)
fn about_mailbox(call: &Call<'_>, message: &str, counts: &[&str], reply: &mut Reply<'_>) {
    let mailbox = call.message.value("Mailbox");
    if mailbox.is_empty() {
        return reply.error("Mailbox not specified");
    }
    reply.start("Success").header("Message", message).header("Mailbox", mailbox);
    for name in counts {
        reply.header(name, 0);
    }
    reply.end();
}

fn users_list(call: &Call<'_>, reply: &mut Reply<'_>) {
    let config = call.core.config();
    if config.voicemail.mailboxes.is_empty() {
        return reply.success("There are no voicemail users currently defined.");
    }
    let mut list = reply.list("Voicemail user list will follow");
    for mailbox in &config.voicemail.mailboxes {
        list.item("VoicemailUserEntry", |item| describe(mailbox, item));
    }
    list.complete("VoicemailUserEntryComplete");
}

fn user_status(call: &Call<'_>, reply: &mut Reply<'_>) {
    with_mailbox(call, "There is no voicemail user of the given info.", reply, |mailbox, reply| {
        let mut list = reply.list("Voicemail user detail will follow");
        list.item("VoicemailUserDetail", |item| describe(mailbox, item));
        list.complete("VoicemailUserDetailComplete");
    });
}

fn box_summary(call: &Call<'_>, reply: &mut Reply<'_>) {
    with_mailbox(call, "There is no voicemail user matching the given user.", reply, |_, reply| {
        reply.list("Voicemail box detail will follow").complete("VoicemailBoxDetailComplete");
    });
}

/// That there is no such mailbox is a success. (core/voicemailuserstatus.)
fn with_mailbox(
    call: &Call<'_>,
    missing: &str,
    reply: &mut Reply<'_>,
    tell: impl FnOnce(&Mailbox, &mut Reply<'_>),
) {
    let (context, number) = (call.message.value("Context"), call.message.value("Mailbox"));
    if context.is_empty() || number.is_empty() {
        return reply.error("Need 'Context' and 'Mailbox' parameters.");
    }
    match call.core.config().voicemail.mailbox(context, number) {
        Some(mailbox) => tell(mailbox, reply),
        None => reply.success(missing),
    }
}

fn describe(mailbox: &Mailbox, item: &mut Reply<'_>) {
    let yes = |on: bool| if on { "Yes" } else { "No" };
    item.header("VMContext", &mailbox.context)
        .header("VoiceMailbox", &mailbox.number)
        .header("Fullname", &mailbox.fullname)
        .header("Email", &mailbox.email)
        .header("Pager", &mailbox.pager)
        .header("ServerEmail", &mailbox.serveremail)
        .header("FromString", &mailbox.fromstring)
        .header("MailCommand", &mailbox.mailcmd)
        .header("Language", &mailbox.language)
        .header("TimeZone", &mailbox.tz)
        .header("Callback", &mailbox.callback)
        .header("Dialout", &mailbox.dialout)
        .header("UniqueID", "")
        .header("ExitContext", &mailbox.exitcontext)
        .header("SayDurationMinimum", mailbox.saydurationm)
        .header("SayEnvelope", yes(mailbox.envelope))
        .header("SayCID", yes(mailbox.saycid))
        .header("AttachMessage", yes(mailbox.attach))
        .header("AttachmentFormat", &mailbox.attachfmt)
        .header("DeleteMessage", yes(mailbox.delete))
        .header("VolumeGain", format_args!("{:.2}", mailbox.volgain))
        .header("CanReview", yes(mailbox.review))
        .header("CanMarkUrgent", "Yes")
        .header("CallOperator", yes(mailbox.operator))
        .header("MaxMessageCount", mailbox.maxmsg)
        .header("MaxMessageLength", mailbox.maxsecs)
        .header("NewMessageCount", 0)
        .header("OldMessageCount", 0);
}

fn refresh(_: &Call<'_>, reply: &mut Reply<'_>) {
    reply.success("Refresh sent");
}

fn move_message(call: &Call<'_>, reply: &mut Reply<'_>) {
    about_message(call, &["Mailbox", "Context", "Folder", "ID", "ToFolder"], reply);
}

fn remove_message(call: &Call<'_>, reply: &mut Reply<'_>) {
    about_message(call, &["Mailbox", "Context", "Folder", "ID"], reply);
}

fn forward_message(call: &Call<'_>, reply: &mut Reply<'_>) {
    about_message(call, &["Mailbox", "Context", "Folder", "ID", "ToMailbox", "ToContext", "ToFolder"], reply);
}

/// What touches a message fails, as there is none: that it did not is never said.
fn about_message(call: &Call<'_>, needed: &[&str], reply: &mut Reply<'_>) {
    match needed.iter().find(|name| call.message.value(name).is_empty()) {
        Some(name) => reply.error(format_args!("{name} not specified, required")),
        None => reply.error("Message not found"),
    }
}

const STATE: Classes = Classes::CALL.and(Classes::REPORTING);
const BOX: Argument = Argument::required("Mailbox", "The mailbox's number.");
const CONTEXT: Argument = Argument::required("Context", "The section of voicemail.conf that it stands in.");
const ADDRESS: &[Argument] =
    &[Argument::required("Mailbox", "A mailbox, such as 100@default, or several parted by &.")];
const FOLDER: Argument = Argument::required("Folder", "The folder that the message is in.");
const ID: Argument = Argument::required("ID", "The message's id.");

pub(super) const ACTIONS: &[Row] = &[
    Row::own(
        ActionSpec::new(
            "MailboxStatus",
            STATE,
            "Ask whether messages are waiting.",
            ADDRESS,
            "Answers with Waiting: 1 where there is a message, and 0 where there is none, or no such mailbox.",
        ),
        mailbox_status,
    ),
    Row::own(
        ActionSpec::new(
            "MailboxCount",
            STATE,
            "Count the messages of a mailbox.",
            ADDRESS,
            "Answers with the numbers of urgent, new and old messages; they are 0 where there is no such mailbox.",
        ),
        mailbox_count,
    ),
    Row::own(
        ActionSpec::new(
            "VoicemailUsersList",
            STATE,
            "List the mailboxes.",
            &[],
            "Answers with a list: an event VoicemailUserEntry for each mailbox of voicemail.conf, with its settings and without \
             its password, and VoicemailUserEntryComplete last.",
        ),
        users_list,
    ),
    Row::own(
        ActionSpec::new(
            "VoicemailUserStatus",
            STATE,
            "Tell the settings of a mailbox.",
            &[CONTEXT, BOX],
            "Answers with a list of one event, VoicemailUserDetail, and VoicemailUserDetailComplete. That there is no such \
             mailbox is told with Response: Success.",
        ),
        user_status,
    ),
    Row::own(
        ActionSpec::new(
            "VoicemailBoxSummary",
            STATE,
            "List the messages of a mailbox.",
            &[CONTEXT, BOX],
            "Answers with a list of its messages, and VoicemailBoxDetailComplete. That there is no such mailbox is told with \
             Response: Success.",
        ),
        box_summary,
    ),
    Row::own(
        ActionSpec::new(
            "VoicemailRefresh",
            Classes::USER,
            "Have the state of mailboxes looked at again.",
            &[
                Argument::optional("Context", "Only mailboxes of this section."),
                Argument::optional("Mailbox", "Only the mailbox of this number."),
            ],
            "Always succeeds: the state told here is never an old one.",
        ),
        refresh,
    ),
    Row::own(
        ActionSpec::new(
            "VoicemailMove",
            Classes::USER,
            "Move a message to another folder.",
            &[BOX, CONTEXT, FOLDER, ID, Argument::required("ToFolder", "The folder that it goes to.")],
            "Fails where the message is not there.",
        ),
        move_message,
    ),
    Row::own(
        ActionSpec::new(
            "VoicemailRemove",
            Classes::USER,
            "Delete a message.",
            &[BOX, CONTEXT, FOLDER, ID],
            "Fails where the message is not there.",
        ),
        remove_message,
    ),
    Row::own(
        ActionSpec::new(
            "VoicemailForward",
            Classes::USER,
            "Forward a message to another mailbox.",
            &[
                BOX,
                CONTEXT,
                FOLDER,
                ID,
                Argument::required("ToMailbox", "The number of the mailbox that it goes to."),
                Argument::required("ToContext", "The section of voicemail.conf that that one stands in."),
                Argument::required("ToFolder", "The folder there."),
            ],
            "Fails where the message is not there.",
        ),
        forward_message,
    ),
];

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use crate::config::Config;

    #[test]
    fn a_message_that_is_not_there_is_not_moved() {
        let bench = Bench::new(Config::default());
        let check = |lines: &str, expect: &str| {
            assert_eq!(bench.run(lines), format!("Response: Error\nMessage: {expect}\n\n"), "{lines}");
        };
        check("Action: VoicemailRemove\nMailbox: 1", "Context not specified, required");
        check("Action: VoicemailRemove\nMailbox: 1\nContext: a\nFolder: b\nID: c", "Message not found");
        check(
            "Action: VoicemailMove\nMailbox: 1\nContext: a\nFolder: b\nID: c",
            "ToFolder not specified, required",
        );
    }
}
