//! The MSS option of SYN and SYN-ACK (RFC 9293 §3.7.1).

use super::is_alterable;
use crate::checksum::update;
use crate::offload::{ChecksumMode, ip_len};
use crate::wire::{Fragment, Headers, Protocol, ipv4, ipv6, tcp};

/// MTUs of the links on both sides of the way, in bytes of IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mtus {
    /// Where the packet comes from.
    pub from: u16,
    /// Where it goes to.
    pub to: u16,
}

/// What a SYN said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syn {
    /// The largest segment its sender can take; without the option, what goes without saying
    /// ([`default_mss`]).
    pub announced: u16,
    /// Whether the other end is told another.
    pub rewritten: bool,
}

/// The MSS of who announces none: what every host can take.
#[must_use]
pub const fn default_mss(is_ipv6: bool) -> u16 {
    if is_ipv6 { 1220 } else { 536 }
}

/// The MSS that a host on a link of `mtu` announces: what is left beside plain IP and TCP headers, at
/// least 1.
#[must_use]
pub const fn natural_mss(mtu: u16, is_ipv6: bool) -> u16 {
    let network = if is_ipv6 { ipv6::HEADER_LEN } else { ipv4::HEADER_LEN };
    match mtu.saturating_sub((network + tcp::HEADER_LEN) as u16) {
        0 => 1,
        mss => mss,
    }
}

/// Lets a SYN or SYN-ACK tell its receiver the MSS of the receiver's own network, if the sender's is just what
/// its network has: segments are cut to that on their way. `None`: it is none, or a fragment of one, or its
/// TCP header does not stand in `packet` in full.
///
/// The value may rise. But a sender that announces less than its network carries has a reason: what it says is
/// never raised, only lowered to what the receiver's network carries. A SYN without the option, or with 0 in
/// it, gets none, and a signed one ([`is_alterable`]) stays as it is.
///
/// `packet` may be the first piece of a longer one; `headers` are its outermost ones. The checksum is updated
/// by the difference: one that was wrong stays wrong. With [`ChecksumMode::Partial`] it holds the sum of the
/// pseudo header, which options are not part of, and stays.
///
/// ```text
///  option at an even offset    ┌──────┬─────┬───────────┐
///                              │ kind │ len │ MSS       │     one word of the checksum
///                              └──────┴─────┴───────────┘
///  at an odd one         ┌─────┬──────┬─────┬─────┬─────┬─ ─ ─ ┐
///                        │     │ kind │ len │ MSS       │        halves of two words
///                        └─────┴──────┴─────┴─────┴─────┴─ ─ ─ ┘
/// ```
pub fn rewrite_syn(
    packet: &mut [u8],
    headers: &Headers,
    mtus: Mtus,
    checksum: ChecksumMode,
) -> Option<Syn> {
    let header = syn_header(packet, headers)?;
    let option = mss_option(header);
    let announced = option.map_or(default_mss(headers.is_ipv6()), |option| option.value);
    let told = told(announced, mtus, headers.is_ipv6());
    match option {
        Some(option) if option.value != told && is_alterable(header) => {
            option.write(told, header, checksum);
            Some(Syn { announced, rewritten: true })
        }
        _ => Some(Syn { announced, rewritten: false }),
    }
}

/// What the receiver is told of a sender that announced this.
fn told(announced: u16, mtus: Mtus, is_ipv6: bool) -> u16 {
    let [from, to] = [mtus.from, mtus.to].map(|mtu| natural_mss(mtu, is_ipv6));
    if announced >= from { to } else { announced.min(to) }
}

/// The TCP header of a SYN, if `packet` is one and has all of it.
fn syn_header<'a>(packet: &'a mut [u8], headers: &Headers) -> Option<&'a mut [u8]> {
    if headers.protocol != Protocol::TCP || headers.fragment != Fragment::Whole {
        return None;
    }
    let (network, transport) = (usize::from(headers.network), usize::from(headers.transport));
    let end = network + ip_len(packet, network)?;
    let segment = tcp::Segment::new(packet.get(transport..)?)?;
    let (len, flags) = (segment.header_len(), segment.flags());
    let is_sound = len >= tcp::HEADER_LEN && transport + len <= end;
    if !is_sound || !flags.intersects(tcp::Flags::SYN) {
        return None;
    }
    packet.get_mut(transport..transport + len)
}

/// An MSS option.
#[derive(Clone, Copy, Debug)]
struct MssOption {
    value: u16,
    /// Where its value stands in the TCP header.
    at: usize,
}

/// The last one counts, and 0 counts for nothing, as in Linux (`tcp_parse_options`).
fn mss_option(header: &[u8]) -> Option<MssOption> {
    let found = tcp::options(header)?.filter(|option| option.kind == tcp::MSS);
    let values = found.filter_map(|option| {
        let value = u16::from_be_bytes(option.data.try_into().ok()?);
        Some(MssOption { value, at: option.at + 2 })
    });
    values.filter(|option| option.value != 0).last()
}

impl MssOption {
    fn write(self, value: u16, header: &mut [u8], checksum: ChecksumMode) {
        header[self.at..self.at + 2].copy_from_slice(&value.to_be_bytes());
        if checksum == ChecksumMode::Partial {
            return;
        }
        // At an odd offset each byte counts in the other half of its word.
        let [old, new] = [self.value, value]
            .map(|value| if self.at.is_multiple_of(2) { value } else { value.swap_bytes() });
        if let Some(mut segment) = tcp::Segment::new(header) {
            segment.set_checksum(update(segment.checksum(), old, new));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::testing::{Field, Packet};
    use crate::wire::{Link, tcp::Flags};

    const UP: Mtus = Mtus { from: 1500, to: 9000 };
    const DOWN: Mtus = Mtus { from: 9000, to: 1500 };

    fn syn(packet: Packet, options: &[u8]) -> Packet {
        let flags = Flags::SYN;
        Packet { flags, options: options.to_vec(), ..packet }.with_payload(&[])
    }

    fn mss(value: u16) -> [u8; 4] {
        let [hi, lo] = value.to_be_bytes();
        [tcp::MSS, 4, hi, lo]
    }

    /// What becomes of `packet`.
    fn rewritten(packet: &Packet, mtus: Mtus, checksum: ChecksumMode) -> (Option<Syn>, Vec<u8>) {
        let mut bytes = packet.build();
        let headers = Headers::parse(&bytes[..], Link::Ethernet).unwrap();
        let syn = rewrite_syn(&mut bytes, &headers, mtus, checksum);
        (syn, bytes)
    }

    /// A SYN that announces `announced` arrives as one that its sender could have sent with `told`.
    #[track_caller]
    fn assert_told(packet: Packet, mtus: Mtus, announced: u16, told: u16) {
        let packet = syn(packet, &mss(announced));
        let (syn, bytes) = rewritten(&packet, mtus, ChecksumMode::Full);
        assert_eq!(syn, Some(Syn { announced, rewritten: announced != told }));
        let expected = Packet { options: mss(told).to_vec(), ..packet }.build();
        assert_eq!(bytes, expected, "checksum included");
    }

    #[test]
    fn a_host_that_announces_what_its_network_carries_is_cut_for() {
        assert_told(Packet::tcp4(), UP, 1460, 8960);
        assert_told(Packet::tcp6(), UP, 1440, 8940);
        assert_told(Packet::tcp4(), UP, 9000, 8960);
        assert_told(Packet::tcp4(), DOWN, 8960, 1460);
        assert_told(Packet::tcp6(), DOWN, 65_535, 1440);
        assert_told(Packet::tcp4(), Mtus { from: 1500, to: 1500 }, 1460, 1460);
    }

    #[test]
    fn a_host_that_announces_less_is_not_raised() {
        assert_told(Packet::tcp4(), UP, 1459, 1459);
        assert_told(Packet::tcp6(), UP, 1220, 1220);
        assert_told(Packet::tcp4(), DOWN, 1400, 1400);
        assert_told(Packet::tcp4(), DOWN, 4000, 1460);
        assert_told(Packet::tcp4(), DOWN, 1, 1);
    }

    #[test]
    fn a_syn_ack_is_a_syn_and_other_segments_are_left_alone() {
        let mut packet = syn(Packet::tcp4(), &mss(1460));
        packet.flags = Flags::SYN.with(Flags::ACK);
        assert!(rewritten(&packet, UP, ChecksumMode::Full).0.unwrap().rewritten);
        let fragment = Packet { fragment_word: ipv4::MF, ..packet.clone() };
        let datagram = Packet { protocol: Protocol::UDP, ..packet.clone() };
        packet.flags = Flags::ACK;
        for other in [packet, fragment, datagram] {
            assert_eq!(rewritten(&other, UP, ChecksumMode::Full), (None, other.build()));
        }
    }

    #[test]
    fn without_an_option_the_default_is_remembered_and_nothing_written() {
        for options in [vec![], mss(0).to_vec(), vec![tcp::MSS, 3, 9, 0], vec![1, 1, 1, tcp::MSS]] {
            for (packet, announced) in [(Packet::tcp4(), 536), (Packet::tcp6(), 1220)] {
                let packet = syn(packet, &options);
                let expected = Syn { announced, rewritten: false };
                let found = rewritten(&packet, UP, ChecksumMode::Full);
                assert_eq!(found, (Some(expected), packet.build()));
            }
        }
    }

    #[test]
    fn the_last_option_counts() {
        let packet = syn(Packet::tcp4(), &[mss(1000), mss(1460), mss(0)].concat());
        let (syn, bytes) = rewritten(&packet, UP, ChecksumMode::Full);
        assert_eq!(syn, Some(Syn { announced: 1460, rewritten: true }));
        let options = [mss(1000), mss(8960), mss(0)].concat();
        assert_eq!(bytes, Packet { options, ..packet }.build());
    }

    #[test]
    fn a_signed_syn_is_read_and_not_written() {
        let md5 = [&mss(1460)[..], &[tcp::MD5, 18], &[7; 16], &[1, 1]].concat();
        let ao = [&mss(1460)[..], &[tcp::AO, 16], &[7; 14]].concat();
        for options in [md5, ao] {
            let packet = syn(Packet::tcp4(), &options);
            let expected = Syn { announced: 1460, rewritten: false };
            let found = rewritten(&packet, UP, ChecksumMode::Full);
            assert_eq!(found, (Some(expected), packet.build()));
        }
    }

    #[test]
    fn a_partial_checksum_stays_and_a_wrong_one_stays_wrong() {
        for (field, mode) in
            [(Field::Partial, ChecksumMode::Partial), (Field::Wrong, ChecksumMode::Full)]
        {
            let packet = Packet { checksum: field, ..syn(Packet::tcp6(), &mss(1440)) };
            let (syn, bytes) = rewritten(&packet, UP, mode);
            assert!(syn.unwrap().rewritten);
            let told = Packet { options: mss(8940).to_vec(), ..packet.clone() };
            let right = Packet { checksum: Field::Right, ..told.clone() }.build();
            if field == Field::Partial {
                assert_eq!(bytes, told.build());
            } else {
                assert_ne!(bytes[14 + 40 + 16..14 + 40 + 18], right[14 + 40 + 16..14 + 40 + 18]);
                assert_eq!(bytes[14 + 40 + 18..], right[14 + 40 + 18..]);
            }
        }
    }

    #[test]
    fn a_header_that_is_not_all_there_is_left_alone() {
        let whole = syn(Packet::tcp4(), &[&mss(1460)[..], &[1; 8]].concat()).build();
        let headers = Headers::parse(&whole[..], Link::Ethernet).unwrap();
        for len in 0..whole.len() {
            let mut bytes = whole[..len].to_vec();
            assert_eq!(rewrite_syn(&mut bytes, &headers, UP, ChecksumMode::Full), None);
            assert_eq!(bytes, whole[..len]);
        }
        // What stands behind the IP packet is padding, and no option.
        let mut short = whole.clone();
        short[17] -= 12;
        assert_eq!(rewrite_syn(&mut short, &headers, UP, ChecksumMode::Full), None);
        let mut offset = whole;
        offset[14 + 20 + 12] = 4 << 4;
        assert_eq!(rewrite_syn(&mut offset, &headers, UP, ChecksumMode::Full), None);
    }

    #[test]
    fn an_mtu_without_room_has_an_mss_of_one() {
        for mtu in [0, 20, 40, 41, 60, 61] {
            assert!(natural_mss(mtu, false) >= 1 && natural_mss(mtu, true) >= 1);
        }
        assert_eq!((natural_mss(1500, false), natural_mss(1500, true)), (1460, 1440));
    }

    proptest! {
        /// At any offset, odd ones included, for any values: the checksum is that of a SYN made so.
        #[test]
        fn the_checksum_is_that_of_a_syn_sent_with_the_value_told(
            is_ipv6 in any::<bool>(),
            announced in 1..=u16::MAX,
            mtus in (68..=u16::MAX, 68..=u16::MAX),
            nops in 0_usize..8,
            noise in any::<(u32, u32, u16)>(),
        ) {
            let mtus = Mtus { from: mtus.0, to: mtus.1 };
            let options = |value| {
                let mut options = vec![1; nops];
                options.extend(mss(value));
                options.resize(options.len().next_multiple_of(4), 0);
                options
            };
            let base = if is_ipv6 { Packet::tcp6() } else { Packet::tcp4() };
            let base = Packet { seq: noise.0, ack: noise.1, window: noise.2, ..base };
            let packet = syn(base, &options(announced));
            let (syn, bytes) = rewritten(&packet, mtus, ChecksumMode::Full);
            let [from, to] = [mtus.from, mtus.to].map(|mtu| natural_mss(mtu, is_ipv6));
            let told = if announced >= from { to } else { announced.min(to) };
            prop_assert_eq!(syn, Some(Syn { announced, rewritten: told != announced }));
            prop_assert_eq!(bytes, Packet { options: options(told), ..packet }.build());
        }
    }
}
