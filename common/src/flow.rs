//! Flows: what makes two packets belong together.

use core::hash::{Hash, Hasher};

use crate::wire::{Addresses, Headers, Ports, Protocol, Tunnel, TunnelKind};

/// The packets between two transport endpoints in one direction: addresses, protocol and ports (G9).
///
/// What else has to agree within a train (MAC addresses, VLAN tags, the IPv6 flow label) is compared
/// there and not part of the key, so that packets which differ in it cannot overtake each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    addresses: Addresses,
    ports: Ports,
    protocol: Protocol,
    tunnel: Option<Through>,
}

/// The tunnel a flow goes through. The outer UDP ports are not part of it: the source port is the sender's
/// to choose, packet by packet, and those of a flow must not overtake each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Through {
    kind: TunnelKind,
    /// VXLAN's or Geneve's network identifier, GRE's key.
    id: u32,
    addresses: Addresses,
}

impl FlowKey {
    /// The flow of a packet; `None` if its ports cannot be seen.
    #[inline]
    #[must_use]
    pub fn of(headers: &Headers) -> Option<Self> {
        let Headers { addresses, protocol, ports, .. } = *headers;
        ports.map(|ports| Self { addresses, ports, protocol, tunnel: None })
    }

    /// The flow between these endpoints, in no tunnel.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) const fn new(addresses: Addresses, ports: Ports, protocol: Protocol) -> Self {
        Self { addresses, ports, protocol, tunnel: None }
    }

    /// The flow of the packet inside `tunnel`, whose outer headers are `outer`; `None` if its ports cannot be
    /// seen. The same addresses and ports in another tunnel are another flow.
    #[inline]
    #[must_use]
    pub fn inside(outer: &Headers, tunnel: &Tunnel) -> Option<Self> {
        let Tunnel { kind, id, ref inner, .. } = *tunnel;
        let through = Through { kind, id, addresses: outer.addresses };
        Self::of(inner).map(|flow| Self { tunnel: Some(through), ..flow })
    }

    /// The flow of the packets that go the other way between the same endpoints, through the same tunnel.
    #[inline]
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            addresses: self.addresses.reversed(),
            ports: self.ports.reversed(),
            tunnel: self.tunnel.map(Through::reversed),
            ..*self
        }
    }

    /// The same for both directions of a connection: that of the two whose source is not above its destination.
    #[inline]
    #[must_use]
    pub fn undirected(self) -> Self {
        let Ports { src: from, dst: to } = self.ports;
        let in_order = match self.addresses {
            Addresses::V4 { src, dst } => (src, from) <= (dst, to),
            Addresses::V6 { src, dst } => (src, from) <= (dst, to),
        };
        if in_order { self } else { self.reversed() }
    }
}

impl Through {
    const fn reversed(self) -> Self {
        Self { addresses: self.addresses.reversed(), ..self }
    }
}

/// Whole words, not bytes: half the time of a derived hash.
///
/// As a call it would take the flow from memory, in larger parts than it was written there a moment before: as long as
/// all else of a packet that joins.
impl Hash for FlowKey {
    #[inline(always)]
    fn hash<S: Hasher>(&self, state: &mut S) {
        let Ports { src, dst } = self.ports;
        let ends = u64::from(src) << 16 | u64::from(dst);
        hash_addresses(&self.addresses, state);
        state.write_u64(u64::from(self.protocol.0) << 32 | ends);
        if let Some(Through { kind, id, addresses }) = &self.tunnel {
            hash_addresses(addresses, state);
            state.write_u64((*kind as u64) << 32 | u64::from(*id));
        }
    }
}

#[inline(always)]
fn hash_addresses<S: Hasher>(addresses: &Addresses, state: &mut S) {
    match *addresses {
        Addresses::V4 { src, dst } => {
            let [src, dst] = [src, dst].map(u32::from_ne_bytes).map(u64::from);
            state.write_u64(src << 32 | dst);
        }
        Addresses::V6 { src, dst } => {
            state.write_u128(u128::from_ne_bytes(src));
            state.write_u128(u128::from_ne_bytes(dst));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn key(src: [u8; 4], dst: [u8; 4], src_port: u16, dst_port: u16) -> FlowKey {
        FlowKey {
            addresses: Addresses::V4 { src, dst },
            ports: Ports { src: src_port, dst: dst_port },
            protocol: Protocol::TCP,
            tunnel: None,
        }
    }

    fn hash(key: &FlowKey) -> u64 {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn g9_every_part_of_the_key_counts_in_comparison_and_hash() {
        let one = key([10, 0, 0, 1], [10, 0, 0, 2], 1, 2);
        let v6 = Addresses::V6 { src: [1; 16], dst: [2; 16] };
        let through = |kind, id, last| {
            let addresses = Addresses::V4 { src: [192, 0, 2, 1], dst: [192, 0, 2, last] };
            FlowKey { tunnel: Some(Through { kind, id, addresses }), ..one }
        };
        let inside = through(TunnelKind::Vxlan, 1, 2);
        let others = [
            through(TunnelKind::Geneve, 1, 2),
            through(TunnelKind::Vxlan, 2, 2),
            through(TunnelKind::Vxlan, 1, 3),
            one,
        ];
        for other in others {
            assert_ne!(inside, other);
            assert_ne!(hash(&inside), hash(&other), "{other:?}");
        }
        let others = [
            inside,
            key([10, 0, 0, 3], [10, 0, 0, 2], 1, 2),
            key([10, 0, 0, 1], [10, 0, 0, 3], 1, 2),
            key([10, 0, 0, 2], [10, 0, 0, 1], 1, 2),
            key([10, 0, 0, 1], [10, 0, 0, 2], 2, 1),
            key([10, 0, 0, 1], [10, 0, 0, 2], 1, 3),
            FlowKey { protocol: Protocol::UDP, ..one },
            FlowKey { addresses: v6, ..one },
        ];
        for other in others {
            assert_ne!(one, other);
            assert_ne!(hash(&one), hash(&other), "{other:?}");
        }
        let swapped = Addresses::V6 { src: [2; 16], dst: [1; 16] };
        assert_ne!(
            hash(&FlowKey { addresses: v6, ..one }),
            hash(&FlowKey { addresses: swapped, ..one })
        );
    }

    #[test]
    fn both_directions_of_a_connection_are_one_without_direction_and_others_are_others() {
        let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let there = key(a, b, 5000, 80);
        for (one, other) in [
            (there, key(b, a, 80, 5000)),
            (key(a, a, 1, 2), key(a, a, 2, 1)),
            (in_tunnel(there, [a, b]), in_tunnel(key(b, a, 80, 5000), [b, a])),
        ] {
            assert_eq!(one.undirected(), other.undirected());
        }
        let others = [key(a, b, 80, 5000), key(a, b, 5000, 81), in_tunnel(there, [a, b])];
        for other in others {
            assert_ne!(there.undirected(), other.undirected(), "{other:?}");
        }
    }

    fn in_tunnel(key: FlowKey, [src, dst]: [[u8; 4]; 2]) -> FlowKey {
        let addresses = Addresses::V4 { src, dst };
        FlowKey { tunnel: Some(Through { kind: TunnelKind::Vxlan, id: 1, addresses }), ..key }
    }

    #[test]
    fn the_way_back_has_both_ends_swapped() {
        let there = key([10, 0, 0, 1], [10, 0, 0, 2], 1, 2);
        assert_eq!(there.reversed(), key([10, 0, 0, 2], [10, 0, 0, 1], 2, 1));
        let v6 = Addresses::V6 { src: [1; 16], dst: [2; 16] };
        let addresses = Addresses::V4 { src: [192, 0, 2, 1], dst: [192, 0, 2, 2] };
        let tunnel = Some(Through { kind: TunnelKind::Gre, id: 9, addresses });
        let there = FlowKey { addresses: v6, tunnel, ..there };
        let back = there.reversed();
        assert_eq!(back.addresses, Addresses::V6 { src: [2; 16], dst: [1; 16] });
        let through = back.tunnel.unwrap();
        let addresses = Addresses::V4 { src: [192, 0, 2, 2], dst: [192, 0, 2, 1] };
        assert_eq!((through.id, through.addresses), (9, addresses));
        assert_eq!(back.reversed(), there);
    }

    #[test]
    fn g24_another_secret_is_another_hash() {
        let secrets = [[1, 2, 3, 4], [5, 6, 7, 8]];
        let [a, b] = secrets.map(|[a, b, c, d]| {
            ahash::RandomState::with_seeds(a, b, c, d).hash_one(key([1; 4], [2; 4], 3, 4))
        });
        assert_ne!(a, b);
    }
}
