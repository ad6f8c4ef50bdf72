//! What all tests of segmentation cut, and how.

use sluice_common::offload::Segmenter;

pub(crate) const MTU: usize = 1500;

/// Bytes in which no two segments are alike.
pub(crate) fn payload(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Every wire packet, each as long as was said and not written beyond its end.
#[track_caller]
pub(crate) fn write_all(segmenter: &Segmenter<'_>) -> Vec<Vec<u8>> {
    let write = |i| {
        let mut out = vec![0xee; segmenter.segment_len(i) + 16];
        let len = segmenter.write(i, &mut out);
        assert_eq!(len, segmenter.segment_len(i));
        assert!(out[len..].iter().all(|byte| *byte == 0xee), "nothing is written behind it");
        out.truncate(len);
        out
    };
    (0..segmenter.count()).map(write).collect()
}
