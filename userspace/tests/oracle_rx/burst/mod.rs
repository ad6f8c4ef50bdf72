//! Bursts: what is sent at once.
//!
//! | file | what it holds |
//! |---|---|
//! | `generate` | the burst a seed and a number tell |
//! | `change` | what a sender changes, and what goes wrong on the way |
//! | `tunnels` | tunnels around packets, and what changes in them |
//! | `random` | numbers a seed tells |
//! | `show` | a burst for people to read |

mod change;
mod generate;
mod random;
mod show;
mod tunnels;

pub(crate) use generate::{Family, generate, train};
use sluice_common::checksum::{Sum, naive};
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::Protocol;

/// A packet that is sent, and what is done to its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) packet: Packet,
    pub(crate) damage: Option<Damage>,
}

/// What is done to the bytes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// They end here.
    Cut(usize),
    /// This byte gets this added (exclusive or).
    Flip(usize, u8),
    /// The IPv4 total length, or IPv6 payload length, gets this added; the IPv4 header checksum is right.
    Length(i16),
    /// The UDP length gets this added; the checksum is right.
    UdpLength(i16),
    /// Two bytes of payload are such that the transport checksum is 0, and it is written as 0xFFFF.
    AllOnes,
}

impl Sent {
    /// The bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let bytes = self.packet.build();
        match self.damage {
            None => bytes,
            Some(damage) => damage.applied(bytes, &self.packet),
        }
    }
}

impl Damage {
    fn applied(self, mut bytes: Vec<u8>, packet: &Packet) -> Vec<u8> {
        match self {
            Self::Cut(at) => bytes.truncate(at),
            Self::Flip(at, value) => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= value;
                }
            }
            Self::Length(by) => change_length(&mut bytes, network(packet), by),
            Self::UdpLength(by) => return other_udp_length(packet, by),
            Self::AllOnes => return all_ones(packet),
        }
        bytes
    }
}

/// Where the IP header begins.
fn network(packet: &Packet) -> usize {
    14 + 4 * packet.tags.len()
}

fn change_length(bytes: &mut [u8], network: usize, by: i16) {
    let is_ipv6 = bytes[network] >> 4 == 6;
    let at = network + if is_ipv6 { 4 } else { 2 };
    let len = u16::from_be_bytes([bytes[at], bytes[at + 1]]).wrapping_add_signed(by);
    bytes[at..at + 2].copy_from_slice(&len.to_be_bytes());
    if !is_ipv6 {
        let header = network..network + usize::from(bytes[network] & 15) * 4;
        bytes[network + 10..network + 12].fill(0);
        let checksum = naive(&bytes[header]).checksum();
        bytes[network + 10..network + 12].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// The length stands in the header and not in the pseudo header: what the checksum covers stays.
fn other_udp_length(packet: &Packet, by: i16) -> Vec<u8> {
    let mut bytes = packet.build();
    let at = bytes.len() - packet.padding - packet.payload.len() - 4;
    let word = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let (len, checksum) = (word(&bytes, at), word(&bytes, at + 2));
    let other = len.wrapping_add_signed(by);
    // RFC 1624, equation 3.
    let checksum = (Sum::of(!checksum) + Sum::of(!len) + Sum::of(other)).checksum();
    bytes[at..at + 2].copy_from_slice(&other.to_be_bytes());
    bytes[at + 2..at + 4].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// The sum of all but the last word of payload is made up for by that word.
fn all_ones(packet: &Packet) -> Vec<u8> {
    let mut packet = packet.clone();
    let even = packet.payload.len() & !1;
    let Some(word) = even.checked_sub(2) else { return packet.build() };
    packet.payload[word..even].fill(0);
    packet.checksum = Field::Right;
    let bytes = packet.build();
    // What the checksum is without the word is what the word has to be: then the sum is 0xFFFF.
    let behind = if packet.protocol == Protocol::UDP { 2 } else { packet.options.len() + 4 };
    let at = bytes.len() - packet.padding - packet.payload.len() - behind;
    let checksum = [bytes[at], bytes[at + 1]];
    packet.payload[word..even].copy_from_slice(&checksum);
    packet.checksum = Field::Is(0xffff);
    packet.build()
}
