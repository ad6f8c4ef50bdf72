//! Fragments put together again, in the plainest way.

use sluice_common::checksum::naive;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::Link;

use crate::case::Case;

/// The datagram as it was meant: with its checksum, where that is asked for.
pub(crate) fn meant(case: &Case) -> Vec<u8> {
    if case.vnet.needs_csum() { with_checksum(case) } else { case.ip.clone() }
}

/// The datagram with its checksum.
pub(crate) fn with_checksum(case: &Case) -> Vec<u8> {
    Packet { link: Link::None, checksum: Field::Right, ..case.packet.clone() }.build()
}

/// The IP packet that these fragments are, or this one packet is, each behind its link header; `None` if they are not in order, have a
/// hole, or end nowhere.
pub(crate) fn together(case: &Case, fragments: &[Vec<u8>]) -> Option<Vec<u8>> {
    if let [whole] = fragments {
        return whole.get(case.link().len()..).map(<[u8]>::to_vec);
    }
    let mut whole: Vec<u8> = Vec::new();
    let mut start = 0;
    for (i, fragment) in fragments.iter().enumerate() {
        let one = part(fragment.get(case.link().len()..)?)?;
        if i == 0 {
            start = one.headers.len();
            whole.extend(&one.headers);
        }
        let is_last = i + 1 == fragments.len();
        if one.offset != whole.len() - start || one.more == is_last || one.headers.len() != start {
            return None;
        }
        whole.extend(one.body);
    }
    let len = whole.len();
    if case.packet.src.is_ipv6() {
        whole[4..6].copy_from_slice(&((len - 40) as u16).to_be_bytes());
    } else {
        whole[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        whole[10..12].fill(0);
        let checksum = naive(&whole[..start]).checksum();
        whole[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
    Some(whole)
}

/// One fragment, as it would be without being one.
struct Part<'a> {
    headers: Vec<u8>,
    offset: usize,
    more: bool,
    body: &'a [u8],
}

fn part(ip: &[u8]) -> Option<Part<'_>> {
    if ip.first()? >> 4 == 6 { part6(ip) } else { part4(ip) }
}

fn part4(ip: &[u8]) -> Option<Part<'_>> {
    let (header, body) = ip.split_at_checked(usize::from(ip[0] & 0xf) * 4)?;
    let word = u16::from_be_bytes([header[6], header[7]]);
    let mut headers = header.to_vec();
    headers[6..8].fill(0);
    let (offset, more) = (usize::from(word & 0x1fff) * 8, word & 0x2000 != 0);
    (naive(header).folded() == 0xffff && word & 0xc000 == 0).then_some(Part {
        headers,
        offset,
        more,
        body,
    })
}

fn part6(ip: &[u8]) -> Option<Part<'_>> {
    let (mut next_at, mut at) = (6, 40);
    while *ip.get(next_at)? != 44 {
        next_at = at;
        at += 8 * (usize::from(*ip.get(at + 1)?) + 1);
    }
    let &[next, _, o0, o1, ..] = ip.get(at..at + 8)? else { return None };
    let word = u16::from_be_bytes([o0, o1]);
    let mut headers = ip[..at].to_vec();
    headers[next_at] = next;
    Some(Part {
        headers,
        offset: usize::from(word & 0xfff8),
        more: word & 1 != 0,
        body: &ip[at + 8..],
    })
}
