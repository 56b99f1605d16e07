//! Why calls end: the causes of ITU-T Q.850, by number.

/// What a cause is called.
pub(crate) fn text(cause: u8) -> &'static str {
    CAUSES.iter().find(|(number, ..)| *number == cause).map_or("Unknown", |(_, _, text)| text)
}

/// The cause of a symbolic name, such as `USER_BUSY`.
pub(crate) fn by_name(name: &[u8]) -> Option<u8> {
    let name = if name.get(..10).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"AST_CAUSE_")) {
        &name[10..]
    } else {
        name
    };
    CAUSES.iter().find(|(_, own, _)| own.as_bytes().eq_ignore_ascii_case(name)).map(|(number, ..)| *number)
}

pub(crate) const NORMAL: u8 = 16;
pub(crate) const BUSY: u8 = 17;
pub(crate) const NO_ANSWER: u8 = 19;
pub(crate) const REJECTED: u8 = 21;
pub(crate) const ANSWERED_ELSEWHERE: u8 = 26;
pub(crate) const NO_ROUTE: u8 = 3;
pub(crate) const CONGESTION: u8 = 34;
pub(crate) const SUBSCRIBER_ABSENT: u8 = 20;
pub(crate) const NOT_IMPLEMENTED: u8 = 66;

/// Number, symbolic name, and the text that is told.
const CAUSES: &[(u8, &str, &str)] = &[
    (1, "UNALLOCATED", "Unallocated (unassigned) number"),
    (2, "NO_ROUTE_TRANSIT_NET", "No route to specified transmit network"),
    (3, "NO_ROUTE_DESTINATION", "No route to destination"),
    (6, "CHANNEL_UNACCEPTABLE", "Channel unacceptable"),
    (7, "CALL_AWARDED_DELIVERED", "Call awarded and being delivered in an established channel"),
    (14, "NUMBER_PORTED_NOT_HERE", "Number ported elsewhere"),
    (16, "NORMAL_CLEARING", "Normal Clearing"),
    (17, "USER_BUSY", "User busy"),
    (18, "NO_USER_RESPONSE", "No user responding"),
    (19, "NO_ANSWER", "User alerting, no answer"),
    (20, "SUBSCRIBER_ABSENT", "Subscriber absent"),
    (21, "CALL_REJECTED", "Call Rejected"),
    (22, "NUMBER_CHANGED", "Number changed"),
    (26, "ANSWERED_ELSEWHERE", "Answered elsewhere"),
    (27, "DESTINATION_OUT_OF_ORDER", "Destination out of order"),
    (28, "INVALID_NUMBER_FORMAT", "Invalid number format"),
    (29, "FACILITY_REJECTED", "Facility rejected"),
    (30, "RESPONSE_TO_STATUS_ENQUIRY", "Response to STATus ENQuiry"),
    (31, "NORMAL_UNSPECIFIED", "Normal, unspecified"),
    (34, "NORMAL_CIRCUIT_CONGESTION", "Circuit/channel congestion"),
    (38, "NETWORK_OUT_OF_ORDER", "Network out of order"),
    (41, "NORMAL_TEMPORARY_FAILURE", "Temporary failure"),
    (42, "SWITCH_CONGESTION", "Switching equipment congestion"),
    (43, "ACCESS_INFO_DISCARDED", "Access information discarded"),
    (44, "REQUESTED_CHAN_UNAVAIL", "Requested channel not available"),
    (50, "FACILITY_NOT_SUBSCRIBED", "Facility not subscribed"),
    (52, "OUTGOING_CALL_BARRED", "Outgoing call barred"),
    (54, "INCOMING_CALL_BARRED", "Incoming call barred"),
    (57, "BEARERCAPABILITY_NOTAUTH", "Bearer capability not authorized"),
    (58, "BEARERCAPABILITY_NOTAVAIL", "Bearer capability not available"),
    (65, "BEARERCAPABILITY_NOTIMPL", "Bearer capability not implemented"),
    (66, "CHAN_NOT_IMPLEMENTED", "Channel not implemented"),
    (69, "FACILITY_NOT_IMPLEMENTED", "Facility not implemented"),
    (81, "INVALID_CALL_REFERENCE", "Invalid call reference value"),
    (88, "INCOMPATIBLE_DESTINATION", "Incompatible destination"),
    (95, "INVALID_MSG_UNSPECIFIED", "Invalid message unspecified"),
    (96, "MANDATORY_IE_MISSING", "Mandatory information element is missing"),
    (97, "MESSAGE_TYPE_NONEXIST", "Message type nonexist."),
    (98, "WRONG_MESSAGE", "Wrong message"),
    (99, "IE_NONEXIST", "Info. element nonexist or not implemented"),
    (100, "INVALID_IE_CONTENTS", "Invalid information element contents"),
    (101, "WRONG_CALL_STATE", "Message not compatible with call state"),
    (102, "RECOVERY_ON_TIMER_EXPIRE", "Recover on timer expiry"),
    (103, "MANDATORY_IE_LENGTH_ERROR", "Mandatory IE length error"),
    (111, "PROTOCOL_ERROR", "Protocol error, unspecified"),
    (127, "INTERWORKING", "Interworking, unspecified"),
];
