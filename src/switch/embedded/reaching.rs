//! The functions that reach out of the dialplan into other parts of the switch: the database, devices, presences.

use super::astdb::Store;
use super::dialplan::functions::encoding::to_base64;
use super::dialplan::substitute::Fault;
use super::dialplan::unbound::Others;
use super::states::States;

/// Those parts, for one question.
pub(super) struct Reaching<'a> {
    pub(super) astdb: &'a Store,
    pub(super) states: &'a mut States,
    /// `live_dangerously`: whether a client may reach the database by a function.
    pub(super) trusted: bool,
}

impl Reaching<'_> {
    fn closed(&self) -> Result<(), Fault> {
        if self.trusted { Ok(()) } else { Err(Fault::Forbidden) }
    }
}

impl Others for Reaching<'_> {
    fn read(&mut self, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Fault> {
        Ok(match name {
            b"DB" => {
                self.closed()?;
                let (family, key) = entry(arguments)?;
                self.astdb.get(family, key).map(|value| value.to_vec()).unwrap_or_default()
            }
            b"DB_EXISTS" => {
                let (family, key) = entry(arguments)?;
                Vec::from(if self.astdb.get(family, key).is_some() { "1" } else { "0" })
            }
            b"DB_DELETE" => {
                self.closed()?;
                let (family, key) = entry(arguments)?;
                let gone = self.astdb.del_soon(family, key).map_err(|_| Fault::Full)?;
                gone.map(|value| value.to_vec()).unwrap_or_default()
            }
            b"DB_KEYCOUNT" => self.astdb.names_below(arguments).len().to_string().into_bytes(),
            b"DB_KEYS" => self.astdb.names_below(arguments).join(&b','),
            b"DEVICE_STATE" => self.states.device(arguments).into(),
            b"PRESENCE_STATE" => {
                let mut parts = arguments.split(|&b| b == b',');
                let presence =
                    parts.next().and_then(|name| self.states.presence(name)).ok_or(Fault::Arguments)?;
                let value = match parts.next().unwrap_or(b"value") {
                    b"subtype" => presence.subtype,
                    b"message" => presence.message,
                    _ => presence.state.into(),
                };
                if parts.next() == Some(b"e") { to_base64(&value) } else { value }
            }
            _ => return Err(Fault::Unknown),
        })
    }

    fn write(&mut self, name: &[u8], arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
        match name {
            b"DB" => {
                self.closed()?;
                let (family, key) = entry(arguments)?;
                // Not waited for: the dialplan is held meanwhile.
                self.astdb.put_soon(family, key, value).map_err(|_| Fault::Full)
            }
            b"DEVICE_STATE" => self.states.set_device(arguments, value),
            b"PRESENCE_STATE" => self.states.set_presence(arguments, value),
            _ => Err(Fault::Unknown),
        }
    }
}

/// `family/key`.
fn entry(arguments: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let at = arguments.iter().position(|&b| b == b'/').ok_or(Fault::Arguments)?;
    Ok((&arguments[..at], &arguments[at + 1..]))
}
