//! IP headers, field by field: of a packet and of the tunnel around it.

use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::packet::Field;
use crate::checksum::{Sum, naive};
use crate::wire::Protocol;

/// The fields of an IP header.
pub(super) struct Ip<'a> {
    pub(super) ends: [IpAddr; 2],
    pub(super) ttl: u8,
    pub(super) tos: u8,
    pub(super) id: u16,
    pub(super) fragment_word: u16,
    pub(super) options: &'a [u8],
    pub(super) checksum: Field,
    pub(super) flow_label: u32,
    pub(super) extensions: &'a [(Protocol, Vec<u8>)],
    pub(super) protocol: Protocol,
}

impl Ip<'_> {
    /// The header, options or extension headers included, before `after` bytes.
    pub(super) fn header(&self, after: usize) -> Vec<u8> {
        match self.ends {
            [IpAddr::V6(src), IpAddr::V6(dst)] => self.v6(&src.octets(), &dst.octets(), after),
            [IpAddr::V4(src), IpAddr::V4(dst)] => self.v4(&src.octets(), &dst.octets(), after),
            _ => panic!("addresses of two families"),
        }
    }

    fn v4(&self, src: &[u8; 4], dst: &[u8; 4], after: usize) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let mut header = vec![0x40 | (header_len / 4) as u8, self.tos];
        header.extend(((header_len + after) as u16).to_be_bytes());
        header.extend(self.id.to_be_bytes());
        header.extend(self.fragment_word.to_be_bytes());
        header.extend([self.ttl, self.protocol.0, 0, 0]);
        header.extend(src);
        header.extend(dst);
        header.extend(self.options);
        let checksum = self.checksum.value(naive(&header).checksum(), 0);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        header
    }

    fn v6(&self, src: &[u8; 16], dst: &[u8; 16], after: usize) -> Vec<u8> {
        let extensions: usize = self.extensions.iter().map(|(_, body)| body.len()).sum();
        let word = 6 << 28 | u32::from(self.tos) << 20 | self.flow_label;
        let mut header = word.to_be_bytes().to_vec();
        header.extend(((extensions + after) as u16).to_be_bytes());
        let nexts = self.extensions.iter().map(|(protocol, _)| *protocol);
        let mut nexts = nexts.chain([self.protocol]);
        header.extend([nexts.next().unwrap_or(self.protocol).0, self.ttl]);
        header.extend(src);
        header.extend(dst);
        for ((kind, body), next) in self.extensions.iter().zip(nexts) {
            let length = if *kind == Protocol::FRAGMENT { 0 } else { body.len() as u8 / 8 - 1 };
            header.extend([next.0, length]);
            header.extend(&body[2..]);
        }
        header
    }

    /// Writes the transport checksum at `at` of `transport`, whose checksum field is 0.
    pub(super) fn put_checksum(&self, transport: &mut [u8], at: usize, field: Field) {
        let pseudo = self.pseudo_sum(transport.len());
        let right = match (pseudo + naive(transport)).checksum() {
            0 if self.protocol == Protocol::UDP => 0xffff,
            checksum => checksum,
        };
        let checksum = field.value(right, pseudo.folded());
        transport[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    }

    fn pseudo_sum(&self, len: usize) -> Sum {
        let mut bytes = Vec::new();
        for end in self.ends {
            match end {
                IpAddr::V4(end) => bytes.extend(end.octets()),
                IpAddr::V6(end) => bytes.extend(end.octets()),
            }
        }
        bytes.extend([0, self.protocol.0]);
        bytes.extend((len as u16).to_be_bytes());
        naive(&bytes)
    }
}
