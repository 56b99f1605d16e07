//! Park, ParkedCalls and Parkinglots.

use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument};

use super::super::parking::Wish;
use super::{Answer, Ask, Needs, Row, number, refuse, status::snapshot_with, with_line_feed};

fn park(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let name = ask.value("Channel");
    if name.is_empty() {
        return refuse(reply, "Channel not specified");
    }
    let timeout = match ask.value("Timeout") {
        b"" => None,
        text => match number::<u64>(text) {
            Some(timeout) => Some(timeout),
            None => return refuse(reply, "Invalid Timeout value."),
        },
    };
    let Some(id) = ask.channel("Channel") else {
        return refuse(reply, [b"Channel does not exist: ", name].concat());
    };
    let lot = ask.value("Parkinglot");
    if ask.engine.parking_lot(lot).is_none() || !ask.engine.is_free(id) {
        return with_line_feed(reply, "Error", "Park action failed");
    }
    let wish = Wish {
        lot: lot.to_vec(),
        space: number(ask.value("ParkingSpace")),
        timeout,
        come_back: ask.value("TimeoutChannel").to_vec(),
    };
    ask.engine.park_away(id, &wish);
    with_line_feed(reply, "Success", "Park successful")
}

fn calls(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let lot = ask.value("ParkingLot");
    if !lot.is_empty() && ask.engine.parking_lot(lot).is_none() {
        return refuse(reply, "Requested parking lot could not be found.");
    }
    let mut list = reply.list("Parked calls will follow");
    for (id, parked) in ask.engine.parked_calls(lot) {
        let snapshot = snapshot_with(ask.engine, id, "Parkee");
        list.item_id_last("ParkedCall", |item| {
            super::super::channel::Lines::add(item, &snapshot);
            ask.engine.put_parked(item, &parked);
        });
    }
    let count = list.count();
    list.complete_with("ParkedCallsComplete", |end| {
        end.header("Total", count);
    });
    Answer::Done
}

fn lots(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let mut list = reply.list("Parking lots will follow");
    for lot in ask.engine.settings.parking.iter().flat_map(|settings| &settings.lots) {
        list.item("Parkinglot", |item| {
            item.header("Name", &lot.name)
                .header("StartSpace", lot.first)
                .header("StopSpace", lot.last)
                .header("Timeout", lot.time);
        });
    }
    list.complete("ParkinglotsComplete");
    Answer::Done
}

pub(super) const ACTIONS: &[Row] = &[
    Row::new(
        ActionSpec::new(
            "Park",
            Classes::CALL,
            "Park a channel.",
            &[
                Argument::required("Channel", "The channel's name."),
                Argument::optional("TimeoutChannel", "Whom to call when nobody fetches it."),
                Argument::optional("AnnounceChannel", "Who is told the space; there is no sound here."),
                Argument::optional("Timeout", "How long it may stay, in milliseconds."),
                Argument::optional("Parkinglot", "The lot; default if nothing is said."),
                Argument::optional("ParkingSpace", "The space; a free one if nothing is said."),
            ],
            "What the channel does is given up. The event ParkedCall tells the space.",
        ),
        park,
    )
    .needs(Needs::Parking),
    Row::new(
        ActionSpec::new(
            "ParkedCalls",
            Classes::CALL,
            "List the parked calls.",
            &[Argument::optional("ParkingLot", "Only those of that lot.")],
            "Answers with a list: an event ParkedCall for each call, and ParkedCallsComplete last.",
        ),
        calls,
    )
    .needs(Needs::Parking),
    Row::new(
        ActionSpec::new(
            "Parkinglots",
            Classes::CALL,
            "List the parking lots.",
            &[],
            "Answers with a list: an event Parkinglot for each lot, and ParkinglotsComplete last.",
        ),
        lots,
    )
    .needs(Needs::Parking),
];
