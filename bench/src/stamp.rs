//! What a generated payload begins with: who sent it, as which, and when.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | [`MAGIC`] |
//! | 4..8 | flow |
//! | 8..12 | sequence number in its flow, from 0 |
//! | 12..20 | time of sending, nanoseconds of `CLOCK_MONOTONIC`; left out where the payload is shorter |
//!
//! All in network byte order. A payload of less than [`SHORT`] bytes has no stamp.

/// Says that a payload is stamped.
pub const MAGIC: [u8; 4] = *b"SLCE";

/// Bytes of a stamp with a time.
pub const FULL: usize = 20;

/// Bytes of one without.
pub const SHORT: usize = 12;

/// A stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Which flow.
    pub flow: u32,
    /// Which packet of it.
    pub sequence: u32,
    /// When it was sent; `None` where there was no room to say so.
    pub time: Option<u64>,
}

/// How many bytes of a payload of `room` bytes are stamped.
#[must_use]
pub const fn len(room: usize) -> usize {
    match room {
        FULL.. => FULL,
        SHORT.. => SHORT,
        _ => 0,
    }
}

impl Stamp {
    /// Writes it to the beginning of `payload`, as much as has room, and returns how many bytes that is.
    pub fn write(&self, payload: &mut [u8]) -> usize {
        let len = len(payload.len());
        let mut bytes = [0; FULL];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.flow.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[12..].copy_from_slice(&self.time.unwrap_or(0).to_be_bytes());
        payload[..len].copy_from_slice(&bytes[..len]);
        len
    }

    /// The stamp of `payload`, if it has one.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        let (magic, rest) = payload.split_first_chunk()?;
        let (flow, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let time = rest.first_chunk().map(|time| u64::from_be_bytes(*time));
        (*magic == MAGIC).then_some(Self {
            flow: u32::from_be_bytes(*flow),
            sequence: u32::from_be_bytes(*sequence),
            time,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { flow: 70_000, sequence: u32::MAX, time: Some(1 << 60) };

    #[test]
    fn what_is_written_is_read() {
        let mut payload = [0xee; 30];
        assert_eq!(STAMP.write(&mut payload), FULL);
        assert_eq!(Stamp::read(&payload), Some(STAMP));
        assert_eq!(payload[FULL..], [0xee; 10], "the rest is left alone");
    }

    #[test]
    fn a_short_payload_has_no_time_and_a_shorter_one_no_stamp() {
        let mut payload = [0xee; FULL - 1];
        assert_eq!(STAMP.write(&mut payload), SHORT);
        assert_eq!(Stamp::read(&payload), Some(Stamp { time: None, ..STAMP }));
        assert_eq!(payload[SHORT..], [0xee; FULL - 1 - SHORT]);
        let mut payload = [0xee; SHORT - 1];
        assert_eq!(STAMP.write(&mut payload), 0);
        assert_eq!((Stamp::read(&payload), payload), (None, [0xee; SHORT - 1]));
    }

    #[test]
    fn other_payloads_have_no_stamp() {
        let mut payload = [0; FULL];
        STAMP.write(&mut payload);
        payload[3] ^= 1;
        assert_eq!(Stamp::read(&payload), None);
        assert_eq!(Stamp::read(&[]), None);
    }
}
