//! Sluice's segmenter, given the same super-packet.

use sluice_common::offload::Segmenter;
use sluice_common::reason::DropReason;

use crate::case::Case;

/// The wire packets, link header included, or why there are none.
pub(crate) type Answer = Result<Vec<Vec<u8>>, DropReason>;

/// As large as an IP packet can be: the kernel does not compare segments with the MTU here either.
const MTU: usize = 65_535;

pub(crate) fn segment(case: &Case) -> Answer {
    let segmenter = Segmenter::new(&case.ip, &case.vnet, MTU)?;
    Ok((0..segmenter.count())
        .map(|i| {
            let mut packet = vec![0; segmenter.segment_len(i)];
            segmenter.write(i, &mut packet);
            case.framed(&packet)
        })
        .collect())
}
