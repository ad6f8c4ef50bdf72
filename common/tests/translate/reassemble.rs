//! A reassembler in the plainest words, as RFC 791 §3.2 has it.

use etherparse::{Ipv4Header, Ipv4HeaderSlice};
use sluice_common::offload::Buffer;
use sluice_common::translate::Fragments;

/// An IPv4 packet that an independent parser has taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parts {
    pub(crate) link: Vec<u8>,
    pub(crate) header: Ipv4Header,
    pub(crate) payload: Vec<u8>,
}

impl Parts {
    /// Of a frame whose IP header begins at `network`; what follows the IP packet is cut off.
    pub(crate) fn of(frame: &[u8], network: usize) -> Self {
        let (link, ip) = frame.split_at(network);
        let slice = Ipv4HeaderSlice::from_slice(ip).unwrap();
        let (header, len) = (slice.to_header(), usize::from(slice.total_len()));
        let payload = ip[header.header_len()..len].to_vec();
        Self { link: link.to_vec(), header, payload }
    }
}

/// Every fragment, each as long as was said and not written beyond its end.
#[track_caller]
pub(crate) fn write_all<B: Buffer + ?Sized>(fragments: &Fragments<'_, B>) -> Vec<Vec<u8>> {
    let write = |i| {
        let mut out = vec![0xee; fragments.len(i) + 16];
        let len = fragments.write(i, &mut out);
        assert_eq!(len, fragments.len(i));
        assert!(out[len..].iter().all(|byte| *byte == 0xee), "nothing is written behind it");
        out.truncate(len);
        out
    };
    (0..fragments.count()).map(write).collect()
}

/// The packet that `frames` make together, in whatever order they came: a whole one, or the fragment they were
/// made of.
#[track_caller]
pub(crate) fn reassembled(frames: &[Vec<u8>], network: usize) -> Parts {
    let mut parts: Vec<_> = frames.iter().map(|frame| Parts::of(frame, network)).collect();
    parts.sort_by_key(|part| part.header.fragment_offset.value());
    let mut parts = parts.into_iter();
    let mut whole = parts.next().expect("there is a first fragment");
    for part in parts {
        assert!(whole.header.more_fragments, "nothing follows the last one");
        let ends = usize::from(whole.header.fragment_offset.byte_offset()) + whole.payload.len();
        assert_eq!(usize::from(part.header.fragment_offset.byte_offset()), ends);
        assert_eq!(part.header.identification, whole.header.identification);
        whole.payload.extend(part.payload);
        whole.header.more_fragments = part.header.more_fragments;
    }
    whole.header.total_len = (whole.header.header_len() + whole.payload.len()) as u16;
    whole.header.header_checksum = whole.header.calc_header_checksum();
    whole
}
