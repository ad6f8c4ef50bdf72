//! Sluice's segmenter, given the same super-packet.

use sluice_common::offload::{Limits, Segmenter, without_jumbo_option};
use sluice_common::reason::DropReason;
use sluice_common::wire::TunnelPorts;

use crate::case::Case;

/// The wire packets, link header included, or why there are none.
pub(crate) type Answer = Result<Vec<Vec<u8>>, DropReason>;

/// The identification of IPv6 fragments.
pub(crate) const FRAGMENT_ID: u32 = 0x0102_0304;

pub(crate) fn segment(case: &Case) -> Answer {
    let (mut ip, mut vnet) = (case.ip.clone(), case.vnet);
    let ip = without_jumbo_option(&mut ip);
    let removed = (case.ip.len() - ip.len()) as u16;
    vnet.csum_start -= removed;
    vnet.hdr_len -= removed;
    let limits = Limits { mtu: mtu(case), fragment_id: Some(FRAGMENT_ID) };
    let segmenter = if case.packet.tunnel.is_some() {
        Segmenter::encapsulated(ip, &vnet, &TunnelPorts::default(), limits)?
    } else {
        Segmenter::new(ip, &vnet, limits)?
    };
    Ok((0..segmenter.count())
        .map(|i| {
            let mut packet = vec![0; segmenter.segment_len(i)];
            segmenter.write(i, &mut packet);
            case.framed(&packet)
        })
        .collect())
}

/// The kernel does not compare segments with the MTU here: as large as an IP packet can be. But a datagram is
/// cut into fragments because of the MTU alone.
fn mtu(case: &Case) -> usize {
    if case.is_datagram() {
        case.fragment_header_len() + usize::from(case.vnet.gso_size)
    } else {
        65_535
    }
}
