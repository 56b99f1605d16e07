//! The functions that reach out of the dialplan into other parts of the switch: the database, devices, presences.

use super::astdb_functions::Functions;
use super::dialplan::functions::encoding::to_base64;
use super::dialplan::substitute::Fault;
use super::dialplan::unbound::Others;
use super::states::States;

/// Those parts, for one question.
pub(super) struct Reaching<'s, 'f, 'a> {
    pub(super) astdb: &'f mut Functions<'s>,
    pub(super) states: &'a mut States,
}

impl Others for Reaching<'_, '_, '_> {
    fn read(&mut self, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Fault> {
        match name {
            b"DEVICE_STATE" => Ok(self.states.device(arguments).into()),
            b"PRESENCE_STATE" => self.presence(arguments),
            _ => self.astdb.read(name, arguments),
        }
    }

    fn write(&mut self, name: &[u8], arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
        match name {
            b"DEVICE_STATE" => self.states.set_device(arguments, value),
            b"PRESENCE_STATE" => self.states.set_presence(arguments, value),
            _ => self.astdb.write(name, arguments, value),
        }
    }
}

impl Reaching<'_, '_, '_> {
    /// `provider`, which field of it, and `e` for that in Base64. (states/presence-state-change.)
    fn presence(&self, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut parts = arguments.split(|&b| b == b',');
        let presence = parts.next().and_then(|name| self.states.presence(name)).ok_or(Fault::Arguments)?;
        let value = match parts.next().unwrap_or(b"value") {
            b"subtype" => presence.subtype,
            b"message" => presence.message,
            _ => presence.state.into(),
        };
        Ok(if parts.next() == Some(b"e") { to_base64(&value) } else { value })
    }
}
