//! What a program that builds on the crate may rely on, besides what it does.

use core::error::Error;

use sluice_common::offload::{Coalescer, Cut, GroConfig, Segmenter, Train, VnetHeader};
use sluice_common::reason::{DropReason, FlushReason};
use sluice_common::stage::{AnyStage, Verdict};
use sluice_common::wire::{Headers, Link};

fn is_sent_and_shared<T: Send + Sync>() {}

#[test]
fn the_engine_goes_where_its_buffers_may_go() {
    is_sent_and_shared::<Coalescer<Vec<u8>>>();
    is_sent_and_shared::<Train<Box<[u8]>>>();
    is_sent_and_shared::<Segmenter<'_>>();
    is_sent_and_shared::<Cut<'_, Vec<u8>>>();
    is_sent_and_shared::<(Headers, VnetHeader, GroConfig, FlushReason)>();
    is_sent_and_shared::<(AnyStage, Verdict)>();
}

#[test]
fn a_refusal_is_an_error_that_says_why() {
    fn segment(packet: &[u8]) -> Result<usize, Box<dyn Error>> {
        Headers::parse(packet, Link::None)?;
        Ok(Segmenter::new(packet, &VnetHeader::default(), 1500)?.count())
    }
    let error = segment(&[0x45]).unwrap_err();
    assert_eq!(error.to_string(), "the packet ends inside a header");
    let refused = Segmenter::new(&[0; 3], &VnetHeader::default(), 1500).unwrap_err();
    assert_eq!((refused, refused.to_string()), (DropReason::NotIp, "Not an IP packet.".into()));
}
