//! Where names and numbers that must not repeat come from. The same start gives the same ones.

use crate::time::SwitchMicros;

/// A source of unique ids, serial numbers and random bits.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    random: u64,
    unique: u64,
    local: u32,
}

impl Ids {
    /// A source that begins with these random bits.
    pub(crate) fn new(seed: u64) -> Ids {
        Ids { random: seed, unique: 0, local: 0 }
    }

    /// The unique id of a channel that begins at that time: its second, and a counter.
    pub(crate) fn unique(&mut self, now: SwitchMicros) -> Vec<u8> {
        let counter = self.unique;
        self.unique += 1;
        format!("{}.{counter}", now.seconds()).into_bytes()
    }

    /// The serial number of a pair of Local channels, or of what else shares theirs.
    pub(crate) fn local(&mut self) -> u32 {
        let serial = self.local;
        self.local = serial.wrapping_add(1);
        serial
    }

    /// Random bits: fair enough for choosing queue members, and for nothing that must not be guessed.
    pub(crate) fn random(&mut self) -> u64 {
        // SplitMix64, by Sebastiano Vigna.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A version 4 UUID, RFC 9562.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.random(), self.random());
        let version = (high & !0xf000) | 0x4000;
        let variant = (low & !(3 << 62)) | (2 << 62);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            version >> 32,
            (version >> 16) & 0xffff,
            version & 0xffff,
            variant >> 48,
            variant & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let (mut one, mut two) = (Ids::new(7), Ids::new(7));
        assert_eq!(one.unique(SwitchMicros::new(1_795_407_482_000_001)), b"1795407482.0");
        assert_eq!(one.unique(SwitchMicros::from_seconds(1_795_407_483)), b"1795407483.1");
        assert_eq!((one.local(), one.local()), (0, 1));
        let uuid = one.uuid();
        assert_eq!(uuid, two.uuid());
        assert_ne!(uuid, two.uuid());
        assert_eq!((uuid.len(), &uuid[14..15], uuid.matches('-').count()), (36, "4", 4));
    }
}
