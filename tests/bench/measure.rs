//! Measurements by turns, their medians, and how a figure is written.

use std::io;
use std::time::Duration;

use crate::server::Kind;

/// What is to be measured, and how thoroughly.
pub(crate) struct Plan {
    /// How long one measurement takes, without its warm-up.
    pub(crate) time: Duration,
    /// How many measurements there are of each kind.
    pub(crate) repeats: u16,
    /// Whether the floor is measured as well.
    pub(crate) floor: bool,
    /// Rows are picked whose name holds one of these; none means all.
    pub(crate) words: Vec<String>,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { time: Duration::from_secs(2), repeats: 3, floor: true, words: Vec::new() }
    }
}

/// What one measurement gave: one figure or several, and what has to be said of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) figures: Vec<f64>,
    pub(crate) notes: Vec<String>,
}

impl From<f64> for Sample {
    fn from(figure: f64) -> Sample {
        Sample { figures: vec![figure], notes: Vec::new() }
    }
}

/// How figures are written.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    PerSecond,
    Milliseconds,
    Microseconds,
    KiB,
    Count,
}

/// The medians of a row, each figure beside its ratio.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) floor: Vec<f64>,
    pub(crate) amibox: Vec<f64>,
    pub(crate) ratio: Vec<f64>,
    pub(crate) notes: Vec<String>,
}

/// Measures two servers by turns, so that whatever else the machine does falls on both. The lower one may be left out.
pub(crate) fn by_turns(
    repeats: u16,
    [lower, upper]: [Kind; 2],
    floor: bool,
    mut measure: impl FnMut(Kind) -> io::Result<Sample>,
) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let (mut floors, mut boxes, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..repeats {
        let below = if floor {
            Some(measure(lower).map_err(|error| io::Error::other(format!("{lower}: {error}")))?)
        } else {
            None
        };
        let above = measure(upper)?;
        if let Some(below) = below {
            ratios
                .push(above.figures.iter().zip(&below.figures).map(|(above, below)| above / below).collect());
            floors.push(below.figures);
            outcome.notes.extend(below.notes.iter().map(|note| format!("{lower}: {note}")));
        }
        outcome.notes.extend(above.notes);
        boxes.push(above.figures);
    }
    outcome.notes.sort();
    outcome.notes.dedup();
    (outcome.floor, outcome.amibox, outcome.ratio) = (medians(&floors), medians(&boxes), medians(&ratios));
    Ok(outcome)
}

/// The median of each column.
fn medians(samples: &[Vec<f64>]) -> Vec<f64> {
    let columns = samples.first().map_or(0, Vec::len);
    (0..columns)
        .map(|column| percentile(&mut samples.iter().map(|row| row[column]).collect::<Vec<_>>(), 0.5))
        .collect()
}

/// The value below which such a part of the samples lies; NaN where there are none.
pub(crate) fn percentile(samples: &mut [f64], part: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let last = samples.len().saturating_sub(1);
    samples.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Figures as a table's cell: `26,100/s`, `0.21 / 0.80 ms`.
pub(crate) fn cell(figures: &[f64], unit: Unit) -> String {
    let (digits, suffix) = match unit {
        Unit::PerSecond => (0, "/s"),
        Unit::Milliseconds => (2, " ms"),
        Unit::Microseconds => (0, " µs"),
        Unit::KiB => (1, " KiB"),
        Unit::Count => (0, ""),
    };
    join(figures, suffix, |figure| match unit {
        Unit::PerSecond => thousands(figure),
        _ => format!("{figure:.digits$}"),
    })
}

/// Ratios as a table's cell: `0.97 / 1.12`.
pub(crate) fn ratio_cell(ratios: &[f64]) -> String {
    join(ratios, "", |ratio| if ratio < 10.0 { format!("{ratio:.2}") } else { format!("{ratio:.1}") })
}

fn join(figures: &[f64], suffix: &str, write: impl Fn(f64) -> String) -> String {
    if figures.is_empty() {
        return "–".to_owned();
    }
    figures.iter().map(|figure| write(*figure)).collect::<Vec<_>>().join(" / ") + suffix
}

/// Three digits count, the others are zeros: nothing here is known better.
fn thousands(figure: f64) -> String {
    let unit = 10f64.powf((figure.abs().max(1.0).log10().floor() - 2.0).max(0.0));
    let digits = format!("{:.0}", (figure / unit).round() * unit);
    let grouped: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).expect("digits")).collect();
    grouped.join(",")
}
