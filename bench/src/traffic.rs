//! Which packet comes next.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;

use crate::stamp::Stamp;
use crate::template::{Common, Filling, Template};

/// Source ports of one address; from [`FIRST_PORT`] on they stay clear of what servers listen on.
const PORTS: u32 = 10_000;
const FIRST_PORT: u16 = 40_000;

/// The simple Internet mix, 7 : 4 : 1 packets of 64, 594 and 1,518 bytes, without the four of the frame check
/// sequence, which no packet in memory has. Small and middle ones are spread, as they are in the wild.
pub const IMIX: [usize; 12] = [60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 60, 590];

/// What is to be generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// What all packets have in common.
    pub common: Common,
    /// Source address of the first flows.
    pub source: IpAddr,
    /// How many flows there are.
    pub flows: u32,
    /// How many packets of a flow come one after the other before those of the next.
    pub train: u32,
    /// The sizes of a flow's packets, in turn.
    pub sizes: Vec<usize>,
}

/// A stream of packets.
#[derive(Debug)]
pub enum Traffic {
    /// Made by a plan.
    Made(Made),
    /// Those of a capture, again and again, byte for byte.
    Replayed {
        /// The packets.
        packets: Vec<Vec<u8>>,
        /// Which is next.
        next: usize,
    },
}

/// A load, and how far it has come.
#[derive(Debug)]
pub struct Made {
    load: Load,
    /// One for each entry of the load's sizes.
    templates: Vec<Template>,
    flows: Vec<Flow>,
    flow: u32,
    /// Packets of this flow's turn so far.
    of_train: u32,
}

#[derive(Clone, Debug)]
struct Flow {
    source: (IpAddr, u16),
    sequence: u32,
    seq: u32,
}

impl Traffic {
    /// A load from its beginning.
    ///
    /// # Errors
    /// Where it has no flows or sizes, or a size is too small for the headers.
    pub fn made(load: Load) -> Result<Self> {
        ensure!(load.flows > 0, "--flows: there is at least one");
        ensure!(load.train > 0, "--train: a flow sends at least one packet in its turn");
        let is_ipv6 = load.common.destination.0.is_ipv6();
        ensure!(load.source.is_ipv6() == is_ipv6, "--from and --to are addresses of one family");
        let least = Template::least(load.common.kind, is_ipv6);
        for &size in &load.sizes {
            ensure!(size >= least, "--size {size}: the headers alone take {least} bytes");
        }
        let templates: Vec<_> =
            load.sizes.iter().map(|&size| Template::new(&load.common, size)).collect();
        ensure!(!templates.is_empty(), "--size: there is at least one");
        let flow = |flow| Flow { source: source(load.source, flow), sequence: 0, seq: 1 };
        let flows = (0..load.flows).map(flow).collect();
        Ok(Self::Made(Made { load, templates, flows, flow: 0, of_train: 0 }))
    }

    /// The packets of a capture in the pcap format.
    ///
    /// # Errors
    /// Where the file cannot be read, is of another format, has no packets, or has not those of Ethernet.
    pub fn replayed(file: &Path) -> Result<Self> {
        let name = file.display();
        let open = File::open(file).with_context(|| format!("cannot open {name}"))?;
        let mut reader = PcapReader::new(open)
            .with_context(|| format!("{name} is no pcap file: `editcap -F pcap` makes one"))?;
        let link = reader.header().datalink;
        ensure!(link == DataLink::ETHERNET, "{name} has no Ethernet headers ({link:?})");
        let mut packets = Vec::new();
        while let Some(packet) = reader.next_packet() {
            packets.push(packet.with_context(|| format!("{name} is damaged"))?.data.into_owned());
        }
        ensure!(!packets.is_empty(), "{name} has no packets");
        Ok(Self::Replayed { packets, next: 0 })
    }

    /// The longest packet.
    #[must_use]
    pub fn longest(&self) -> usize {
        let longest = match self {
            Self::Made(made) => made.templates.iter().map(Template::size).max(),
            Self::Replayed { packets, .. } => packets.iter().map(Vec::len).max(),
        };
        longest.unwrap_or(0)
    }

    /// Writes the next packet, sent at `now`, to the beginning of `to` and returns its length.
    ///
    /// # Panics
    /// Where it is longer than `to`.
    pub fn write(&mut self, now: u64, to: &mut [u8]) -> usize {
        match self {
            Self::Made(made) => made.write(now, to),
            Self::Replayed { packets, next } => {
                let packet = &packets[*next];
                *next = (*next + 1) % packets.len();
                to[..packet.len()].copy_from_slice(packet);
                packet.len()
            }
        }
    }
}

impl Made {
    fn write(&mut self, now: u64, to: &mut [u8]) -> usize {
        let flow = &mut self.flows[self.flow as usize];
        // Shifted from flow to flow, or all flows would send their large packets at once.
        let turn = flow.sequence.wrapping_add(self.flow) as usize % self.templates.len();
        let template = &self.templates[turn];
        let stamp = Stamp { flow: self.flow, sequence: flow.sequence, time: Some(now) };
        let len = template.write(&Filling { source: flow.source, seq: flow.seq, stamp }, to);
        flow.sequence = flow.sequence.wrapping_add(1);
        flow.seq = flow.seq.wrapping_add(template.payload() as u32);
        self.advance();
        len
    }

    fn advance(&mut self) {
        self.of_train += 1;
        if self.of_train == self.load.train {
            self.of_train = 0;
            self.flow = (self.flow + 1) % self.load.flows;
        }
    }
}

/// Where a flow's packets come from: ports first, then the next address.
fn source(first: IpAddr, flow: u32) -> (IpAddr, u16) {
    let port = FIRST_PORT + (flow % PORTS) as u16;
    let more = flow / PORTS;
    let address = match first {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits().wrapping_add(more)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits().wrapping_add(more.into())).into(),
    };
    (address, port)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::template::{Kind, stamp_of};

    fn load(flows: u32, train: u32, sizes: &[usize]) -> Load {
        let common = Common {
            macs: [[2; 6], [4; 6]],
            destination: (IpAddr::from([198, 19, 0, 1]), 5001),
            kind: Kind::Tcp,
        };
        Load { common, source: IpAddr::from([198, 18, 0, 1]), flows, train, sizes: sizes.to_vec() }
    }

    fn packets(load: Load, count: usize) -> Vec<Vec<u8>> {
        let mut traffic = Traffic::made(load).unwrap();
        let mut buffer = [0; 2048];
        let next = |_| {
            let len = traffic.write(17, &mut buffer);
            buffer[..len].to_vec()
        };
        (0..count).map(next).collect()
    }

    fn flow(packet: &[u8]) -> (u32, u32) {
        let stamp = stamp_of(packet).unwrap();
        assert_eq!(stamp.time, Some(17));
        (stamp.flow, stamp.sequence)
    }

    #[test]
    fn flows_take_turns_with_so_many_packets_each() {
        let sent: Vec<_> = packets(load(2, 3, &[200]), 9).iter().map(|one| flow(one)).collect();
        let turns = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (0, 4), (0, 5)];
        assert_eq!(sent, turns);
    }

    #[test]
    fn a_stream_goes_on_where_the_packet_before_ended() {
        let sent = packets(load(1, 1, &[100, 300]), 4);
        let seq = |packet: &Vec<u8>| u32::from_be_bytes(*packet[38..].first_chunk().unwrap());
        assert_eq!(sent.iter().map(seq).collect::<Vec<_>>(), [1, 47, 293, 339]);
    }

    #[test]
    fn the_mix_is_seven_to_four_to_one_in_every_flow() {
        let mut common = load(5, 1, &IMIX);
        common.common.kind = Kind::Udp;
        let mut counts = HashMap::new();
        for packet in packets(common, 5 * 12) {
            let source = u16::from_be_bytes([packet[34], packet[35]]);
            *counts.entry((source, packet.len())).or_insert(0) += 1;
        }
        for port in FIRST_PORT..FIRST_PORT + 5 {
            let sizes = [60, 590, 1514].map(|size| counts[&(port, size)]);
            assert_eq!(sizes, [7, 4, 1], "flow {port}");
        }
    }

    #[test]
    fn every_flow_has_a_source_of_its_own() {
        let first = IpAddr::from([198, 18, 0, 255]);
        let mut sources: Vec<_> = (0..100_000).map(|flow| source(first, flow)).collect();
        assert_eq!(sources[10_000], (IpAddr::from([198, 18, 1, 0]), FIRST_PORT));
        sources.sort_unstable();
        sources.dedup();
        assert_eq!(sources.len(), 100_000);
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let text = |load| Traffic::made(load).unwrap_err().to_string();
        assert!(text(load(1, 1, &[53])).contains("take 54 bytes"));
        assert!(text(load(0, 1, &[64])).contains("--flows"));
        let other = Load { source: IpAddr::from([0; 16]), ..load(1, 1, &[64]) };
        assert!(text(other).contains("of one family"));
    }

    #[test]
    fn a_capture_is_replayed_byte_for_byte_again_and_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = pcap_file::pcap::PcapWriter::new(file.reopen().unwrap()).unwrap();
        let packets = packets(load(1, 1, &[100, 300]), 2);
        for data in &packets {
            let len = data.len() as u32;
            let time = std::time::Duration::ZERO;
            let packet = pcap_file::pcap::PcapPacket::new(time, len, data);
            writer.write_packet(&packet).unwrap();
        }
        let mut traffic = Traffic::replayed(file.path()).unwrap();
        assert_eq!(traffic.longest(), 300);
        let mut buffer = [0; 2048];
        for packet in packets.iter().cycle().take(5) {
            let len = traffic.write(0, &mut buffer);
            assert_eq!(buffer[..len], packet[..]);
        }
    }

    #[test]
    fn what_is_no_capture_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "no capture, but longer than its header would be").unwrap();
        let text = format!("{:#}", Traffic::replayed(file.path()).unwrap_err());
        assert!(text.contains("no pcap file"), "{text}");
    }
}
