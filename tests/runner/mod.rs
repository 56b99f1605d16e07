//! Plays wire transcripts: the format, the placeholders, and the player. The same rules as the referee
//! `tests/transcripts/transcript.py`, so that either can be asked.

pub(crate) mod clock;
pub(crate) mod fence;
pub(crate) mod pattern;
pub(crate) mod play;
pub(crate) mod script;
