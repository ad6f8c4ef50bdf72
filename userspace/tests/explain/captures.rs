//! Captures made by the tests.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::{DataLink, Endianness};
use serde_json::Value;

/// How a pcap file is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pcap {
    pub(crate) big_endian: bool,
    pub(crate) nanoseconds: bool,
    pub(crate) snaplen: usize,
    pub(crate) link_type: u32,
}

impl Default for Pcap {
    fn default() -> Self {
        Self { big_endian: false, nanoseconds: true, snaplen: 262_144, link_type: 1 }
    }
}

impl Pcap {
    fn word(self, value: u32) -> [u8; 4] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    /// The file of these packets, with their times in nanoseconds since 1970.
    pub(crate) fn file(self, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let magic = if self.nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
        // Version 2.4 is two halves of a word.
        let version = if self.big_endian { 0x0002_0004 } else { 0x0004_0002 };
        let header = [magic, version, 0, 0, self.snaplen as u32, self.link_type];
        let mut file: Vec<u8> = header.iter().flat_map(|value| self.word(*value)).collect();
        for (time, packet) in packets {
            let unit = if self.nanoseconds { 1 } else { 1_000 };
            let captured = packet.len().min(self.snaplen);
            let (seconds, rest) = (time / 1_000_000_000, time % 1_000_000_000 / unit);
            for value in [seconds as u32, rest as u32, captured as u32, packet.len() as u32] {
                file.extend(self.word(value));
            }
            file.extend(&packet[..captured]);
        }
        file
    }
}

/// An interface of a pcapng file.
pub(crate) struct Interface {
    pub(crate) link_type: u32,
    /// `if_tsresol`.
    pub(crate) resolution: u8,
}

/// The pcapng file of these packets: interface, ticks of its clock, bytes.
pub(crate) fn pcapng(
    endianness: Endianness,
    interfaces: &[Interface],
    packets: &[(u32, u64, Vec<u8>)],
) -> Vec<u8> {
    let mut writer = PcapNgWriter::with_endianness(Vec::new(), endianness).unwrap();
    for interface in interfaces {
        let block = InterfaceDescriptionBlock {
            linktype: DataLink::from(interface.link_type),
            snaplen: 0,
            options: vec![InterfaceDescriptionOption::IfTsResol(interface.resolution)],
        };
        writer.write_pcapng_block(block).unwrap();
    }
    for (interface_id, ticks, bytes) in packets {
        let block = EnhancedPacketBlock {
            interface_id: *interface_id,
            // The crate writes nanoseconds whatever the resolution.
            timestamp: Duration::from_nanos(*ticks),
            original_len: bytes.len() as u32,
            data: Cow::Borrowed(bytes),
            options: vec![],
        };
        writer.write_pcapng_block(block).unwrap();
    }
    writer.into_inner()
}

/// A folder with a capture in it.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn with(capture: &[u8]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.capture(), capture).unwrap();
        folder
    }

    pub(crate) fn capture(&self) -> PathBuf {
        self.path("capture.pcap")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `sluice explain --pcap` the capture.
    pub(crate) fn explain(&self, options: &[&str]) -> Output {
        explain(&self.capture(), options)
    }

    /// What it prints.
    #[track_caller]
    pub(crate) fn text(&self, options: &[&str]) -> String {
        let output = self.explain(options);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{message}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The JSON lines it prints.
    #[track_caller]
    pub(crate) fn json(&self, options: &[&str]) -> Vec<Value> {
        let text = self.text(&[&["--json"], options].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) fn explain(capture: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(["explain", "--pcap"]).arg(capture).args(options).output().unwrap()
}

/// The JSON lines of one type.
pub(crate) fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}
