//! The outer headers of a tunnel (S6, S13): lengths, identification, checksums.

use super::network::Network;
use crate::checksum::{Sum, pseudo_header, sum};
use crate::wire::{Addresses, Bytes, Protocol, TunnelKind, gre, ipv4, udp};

/// All that stands before the inner packet, of a super-packet in a tunnel.
///
/// Its checksum covers the whole inner packet, and yet no byte of the inner payload is summed for it: what
/// an inner transport checksum covers sums to the complement of the inner pseudo header, also where the
/// port has still to complete it (local checksum offload, Linux' `lco_csum`).
#[derive(Clone, Debug)]
pub(in crate::offload) struct Outer {
    network: Network,
    carrier: Carrier,
    /// Where the outer IP header ends.
    at: usize,
    /// Where the inner transport header begins.
    inner_transport: usize,
}

/// What stands behind the outer IP header.
#[derive(Clone, Copy, Debug)]
enum Carrier {
    /// The inner packet.
    Ip,
    /// UDP. Its pseudo header without length, if there is a checksum.
    Udp(Option<Sum>),
    /// GRE, and whether it has a checksum.
    Gre(bool),
}

/// Where the outer headers stand, in bytes from the beginning of what they are read from and written to.
#[derive(Clone, Copy, Debug)]
pub(in crate::offload) struct OuterPlace {
    pub(in crate::offload) kind: TunnelKind,
    pub(in crate::offload) network: usize,
    pub(in crate::offload) transport: usize,
    pub(in crate::offload) inner_transport: usize,
}

impl Outer {
    /// The outer headers that stand at `place` of `packet`, and have been judged: all there.
    pub(in crate::offload) fn new(packet: &[u8], place: OuterPlace, addresses: &Addresses) -> Self {
        let OuterPlace { kind, network, transport, inner_transport } = place;
        Self {
            network: Network::new(packet, network..transport, false),
            carrier: Carrier::of(kind, &packet[transport..], addresses),
            at: transport,
            inner_transport,
        }
    }

    /// S6: all segments carry the same identification. Not without DF, where the identification is what
    /// fragments are put together by: it goes on from segment to segment whatever is asked for.
    pub(in crate::offload) fn fix_id(&mut self, packet: &[u8]) {
        let flags = packet.be16(self.network.start() + 6).unwrap_or(0);
        if flags & ipv4::DF != 0 {
            self.network.fix_id();
        }
    }

    /// S13: writes lengths, identification and checksums of segment `i` to `out`, in which all inner headers
    /// but the transport header's checksum are written. The packet ends `len` bytes after the beginning of
    /// `out`; `pseudo_sum` is that of the inner pseudo header.
    pub(in crate::offload) fn write(&self, i: usize, len: usize, pseudo_sum: Sum, out: &mut [u8]) {
        let after = len - self.at;
        self.network.write(i, after, out);
        let header = &mut out[self.at..self.inner_transport];
        let inner = Sum::of(pseudo_sum.checksum());
        match self.carrier {
            Carrier::Udp(pseudo) => write_udp(header, after as u16, pseudo, inner),
            Carrier::Gre(true) => {
                put(header, gre::CHECKSUM_AT, 0);
                let checksum = (sum(header) + inner).checksum();
                put(header, gre::CHECKSUM_AT, checksum);
            }
            Carrier::Gre(false) | Carrier::Ip => {}
        }
    }
}

/// `pseudo` lacks the length.
fn write_udp(header: &mut [u8], len: u16, pseudo: Option<Sum>, inner: Sum) {
    put(header, udp::LENGTH, len);
    let Some(pseudo) = pseudo else { return };
    put(header, udp::CHECKSUM, 0);
    let checksum = match (pseudo + Sum::of(len) + sum(header) + inner).checksum() {
        // 0 would say that there is none.
        0 => 0xffff,
        checksum => checksum,
    };
    put(header, udp::CHECKSUM, checksum);
}

fn put(header: &mut [u8], at: usize, value: u16) {
    header[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

impl Carrier {
    fn of(kind: TunnelKind, header: &[u8], addresses: &Addresses) -> Self {
        match kind {
            TunnelKind::Vxlan | TunnelKind::Geneve => {
                let has_checksum = header.be16(udp::CHECKSUM).is_some_and(|field| field != 0);
                Self::Udp(has_checksum.then(|| pseudo_header(addresses, Protocol::UDP, 0)))
            }
            TunnelKind::Gre => {
                Self::Gre(header.be16(0).is_some_and(|flags| flags & gre::CHECKSUM != 0))
            }
            TunnelKind::Ip => Self::Ip,
        }
    }
}
