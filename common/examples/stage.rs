//! A stage of one's own: guests have a VLAN to themselves and send no mail. It is asked once for a train, and what
//! it says is done to each packet.
use sluice_common::classify::{Field, Prefix};
use sluice_common::offload::{Coalescer, GroConfig, Train};
use sluice_common::reason::FlushReason;
use sluice_common::stage::{Edit, Seen, Stage, To, Verdict};
use sluice_common::testing::Packet;
use sluice_common::{Side, wire::EtherType};

/// The guests' prefix, and their VLAN.
struct Guests {
    net: Prefix,
    vlan: u16,
}

impl Stage for Guests {
    fn judge(&mut self, seen: &Seen<'_>) -> Verdict {
        if !self.net.contains(Field::Source.address_of(&seen.headers.addresses)) {
            return Verdict::unchanged(To::Other);
        }
        match seen.headers.ports.map(|ports| ports.dst) {
            Some(25) => Verdict::unchanged(To::Nowhere),
            _ => Verdict { to: To::Other, edit: Edit::default().with_vlan(self.vlan) },
        }
    }
}

/// What leaves through the other port when these packets, those of one train, come in at side A.
fn pass(stage: &mut impl Stage, packets: &[Packet]) -> Vec<Vec<u8>> {
    let (mut coalescer, mut sent) = (Coalescer::new(GroConfig::default()), Vec::new());
    let mut sink = |train: Train<Vec<u8>>, _: FlushReason| {
        let seen = Seen::of(Side::A, &train).expect("an IP packet");
        let Verdict { to, edit } = stage.judge(&seen);
        println!("{} packets, {} bytes: {to:?}, {edit:?}", seen.gso_segs, seen.ip_len);
        let (headers, partial) = (seen.headers, seen.partial);
        for mut packet in train.into_packets() {
            edit.apply(&mut packet, &headers, partial);
            sent.extend((to == To::Other).then_some(packet));
        }
    };
    packets.iter().for_each(|packet| coalescer.push(packet.build(), 0, &mut sink));
    coalescer.end_of_burst(0, &mut sink);
    sent
}

#[cfg_attr(test, test)]
fn main() {
    let net = Prefix::new([10, 0, 7, 0].into(), 24).expect("32 bits or fewer");
    let mut stage = Guests { net, vlan: 70 };
    let tags = |vlan| vec![(EtherType::VLAN, vlan)];
    let guest = Packet { src: [10, 0, 7, 1].into(), tags: tags(1), ..Packet::tcp4() };
    let train = [guest.clone(), guest.next()];
    let moved = train.clone().map(|packet| Packet { tags: tags(70), ..packet }.build());
    assert_eq!(pass(&mut stage, &train), moved, "all packets are in another VLAN");
    let mail = Packet { dst_port: 25, ..guest.clone() };
    assert!(pass(&mut stage, &[mail.clone(), mail.next()]).is_empty(), "mail is dropped");
    let host = [Packet { src: [10, 0, 8, 1].into(), ..guest }];
    assert_eq!(pass(&mut stage, &host), [host[0].build()], "others go on as they came");
}
