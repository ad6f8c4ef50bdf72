//! Between links of different MTU: what the hosts on either side are told, and what is sent to them.
//!
//! | item | what it is |
//! |---|---|
//! | [`rewrite_syn`] | tells a host the MSS of its own network, as its segments are cut to the other's |
//! | [`MssTable`] | what each receiver announced, remembered within bounds |
//! | [`segment_size`] | how much payload a packet may carry to a receiver |
//! | [`is_alterable`] | whether a segment's sender lets anybody else write its header |
//! | [`Fragments`] | an IPv4 packet too large for the next link, fragmented as routers do |
//!
//! ```
//! use sluice_common::flow::FlowKey;
//! use sluice_common::offload::ChecksumMode;
//! use sluice_common::testing::Packet;
//! use sluice_common::translate::{MssTable, Mtus, rewrite_syn, segment_size};
//! use sluice_common::wire::{Headers, Link, tcp::Flags};
//!
//! // A host on an Ethernet opens a connection to one whose network has jumbo frames.
//! let options = vec![2, 4, 0x05, 0xb4]; // MSS 1460
//! let mut syn = Packet { flags: Flags::SYN, options, ..Packet::tcp4() }.with_payload(&[]).build();
//! let headers = Headers::parse(&syn[..], Link::Ethernet)?;
//! let mtus = Mtus { from: 1500, to: 9000 };
//! let seen = rewrite_syn(&mut syn, &headers, mtus, ChecksumMode::Full).unwrap();
//! assert_eq!((seen.announced, seen.rewritten), (1460, true));
//! assert_eq!(syn[56..58], 8960_u16.to_be_bytes());
//!
//! let mut table = MssTable::new(1024, [1, 2, 3, 4], 3_600_000_000_000);
//! let towards = FlowKey::of(&headers).unwrap().reversed();
//! table.insert(&towards, seen.announced, 0);
//!
//! // What comes back is cut to what the host can take, 12 bytes of timestamps included.
//! let announced = table.get(&towards, 1);
//! assert_eq!(segment_size(&headers, 32, 1500, announced), 1448);
//! # Ok::<(), sluice_common::wire::Unparsed>(())
//! ```

#[cfg(feature = "alloc")]
mod flows;
#[cfg(feature = "alloc")]
mod fragment;
mod mss;
mod size;

#[cfg(feature = "alloc")]
pub use flows::MssTable;
#[cfg(feature = "alloc")]
pub use fragment::Fragments;
pub use mss::{Mtus, Syn, default_mss, natural_mss, rewrite_syn};
pub use size::{is_alterable, segment_size};
