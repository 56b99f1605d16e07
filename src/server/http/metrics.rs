//! The page `/metrics`: every counter and gauge, in the text format that Prometheus reads (version 0.0.4).

use std::fmt::Write;

use crate::actions::Core;
use crate::http::Answer;
use crate::panics;
use crate::switch::Figure;

/// The page as it is now.
pub(super) fn page(core: &Core) -> Answer {
    let counters =
        core.metrics.all().into_iter().map(|(name, help, value)| Figure::counter(name, help, value));
    let mut figures: Vec<Figure> = counters.collect();
    let (kept, calls) = (core.bus.kept(0), core.switch.calls());
    let published = "Events published, those of disabledevents aside.";
    figures.push(Figure::counter("events_published", published, core.bus.head()));
    let delivered = "Events sent, each counted for every session that got it.";
    figures.push(Figure::counter("events_delivered", delivered, core.sessions.delivered()));
    figures.push(Figure::gauge("sessions", "Sessions that there are.", core.sessions.all().len() as u64));
    figures.push(Figure::gauge(
        "event_log_events",
        "Events in the log, for those that are behind.",
        kept.events as u64,
    ));
    figures.push(Figure::gauge("event_log_bytes", "Their bytes.", kept.bytes as u64));
    figures.push(Figure::gauge("calls", "Calls that are up.", calls.active));
    figures.push(Figure::counter("calls_processed", "All calls that there have been.", calls.processed));
    figures.push(Figure::counter("panics", "Panics: mistakes of the program.", panics::count()));
    figures.extend(core.switch.figures());
    let mut answer = Answer::ok();
    answer.header("Content-type", "text/plain; version=0.0.4");
    answer.body = render(&figures).into_bytes();
    answer
}

/// Figures of one name stand together, under one description.
fn render(figures: &[Figure]) -> String {
    let mut page = String::new();
    let mut names: Vec<&str> = Vec::new();
    for first in figures {
        if names.contains(&first.name) {
            continue;
        }
        names.push(first.name);
        let (suffix, kind) = if first.grows { ("_total", "counter") } else { ("", "gauge") };
        let name = format!("amibox_{}{suffix}", first.name);
        // Writing to memory does not fail.
        let _ = writeln!(page, "# HELP {name} {}\n# TYPE {name} {kind}", first.help);
        for figure in figures.iter().filter(|figure| figure.name == first.name) {
            let label =
                figure.label.as_ref().map(|(label, value)| format!("{{{label}=\"{}\"}}", escape(value)));
            let _ = writeln!(page, "{name}{} {}", label.unwrap_or_default(), figure.value);
        }
    }
    page
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_one_name_stand_together() {
        let of = |server: &str, value| Figure {
            label: Some(("server", server.to_owned())),
            ..Figure::gauge("upstream_up", "Whether the server is there.", value)
        };
        let figures = [of("a", 1), Figure::counter("actions", "Actions run.", 7), of("b\"\\", 0)];
        assert_eq!(
            render(&figures),
            "# HELP amibox_upstream_up Whether the server is there.\n# TYPE amibox_upstream_up gauge\n\
             amibox_upstream_up{server=\"a\"} 1\namibox_upstream_up{server=\"b\\\"\\\\\"} 0\n\
             # HELP amibox_actions_total Actions run.\n# TYPE amibox_actions_total counter\namibox_actions_total 7\n"
        );
    }
}
