//! The super-packets as a capture (pcapng), each with what a vnet header would say in its comment.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use pcap_parser::{
    EnhancedPacketBlock, InterfaceDescriptionBlock, Linktype, OptionCode, PcapNGOption,
    SectionHeaderBlock, ToVec,
};
use sluice_common::offload::{Buffer, ChecksumMode, Train};
use sluice_common::reason::FlushReason;

use super::error::WriteError;
use super::interface::LinkType;
use super::packet::{Numbered, Packet};
use super::report::{gso_type_text, numbers_text, reason_text};

/// Times are written in nanoseconds.
const NANOSECONDS: u8 = 9;

/// Writes what the host would get, in the order in which it would.
pub struct TrainWriter {
    file: PathBuf,
    out: BufWriter<File>,
    /// The written number of each interface of the capture.
    interfaces: Vec<Option<u32>>,
    described: u32,
}

impl TrainWriter {
    /// Begins `file`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(file: &Path) -> Result<Self, WriteError> {
        let failed = |source| WriteError { file: file.to_owned(), source };
        let out = BufWriter::new(File::create(file).map_err(failed)?);
        let mut writer = Self { file: file.to_owned(), out, interfaces: Vec::new(), described: 0 };
        writer.section().map_err(failed)?;
        Ok(writer)
    }

    /// Writes a train.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(
        &mut self,
        train: &Train<Numbered>,
        reason: FlushReason,
    ) -> Result<(), WriteError> {
        let written = self.packet(train, reason);
        written.map_err(|source| WriteError { file: self.file.clone(), source })
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.out.flush().map_err(|source| WriteError { file: self.file, source })
    }

    fn section(&mut self) -> io::Result<()> {
        let program = concat!("sluice ", env!("CARGO_PKG_VERSION"));
        let mut block = SectionHeaderBlock {
            block_type: 0,
            block_len1: 0,
            bom: 0,
            major_version: 1,
            minor_version: 0,
            section_len: -1,
            options: vec![option(OptionCode::ShbUserAppl, program.as_bytes())],
            block_len2: 0,
        };
        self.block(&mut block)
    }

    fn packet(&mut self, train: &Train<Numbered>, reason: FlushReason) -> io::Result<()> {
        let Some(Numbered(first)) = train.packets().first() else { return Ok(()) };
        let if_id = self.interface(first)?;
        let Image { bytes, len } = image(train, first);
        let comment = comment(train, reason);
        let mut block = EnhancedPacketBlock {
            block_type: 0,
            block_len1: 0,
            if_id,
            ts_high: (first.time >> 32) as u32,
            ts_low: first.time as u32,
            caplen: bytes.len() as u32,
            origlen: len as u32,
            data: &bytes,
            options: vec![option(OptionCode::Comment, comment.as_bytes())],
            block_len2: 0,
        };
        self.block(&mut block)
    }

    /// The written number of a packet's interface, which is described before its first packet.
    fn interface(&mut self, packet: &Packet) -> io::Result<u32> {
        if self.interfaces.len() <= packet.interface {
            self.interfaces.resize(packet.interface + 1, None);
        }
        if let Some(number) = self.interfaces[packet.interface] {
            return Ok(number);
        }
        let mut block = InterfaceDescriptionBlock {
            block_type: 0,
            block_len1: 0,
            linktype: link_type(packet.link),
            reserved: 0,
            snaplen: 0,
            options: vec![option(OptionCode::IfTsresol, &[NANOSECONDS])],
            block_len2: 0,
            if_tsresol: NANOSECONDS,
            if_tsoffset: 0,
        };
        self.block(&mut block)?;
        let number = self.described;
        self.interfaces[packet.interface] = Some(number);
        self.described += 1;
        Ok(number)
    }

    fn block(&mut self, block: &mut impl ToVec) -> io::Result<()> {
        let bytes = block.to_vec().map_err(|error| io::Error::other(format!("{error:?}")))?;
        self.out.write_all(&bytes)
    }
}

/// Padded to a multiple of four, as options have to be.
fn option(code: OptionCode, value: &[u8]) -> PcapNGOption<'static> {
    let mut padded = value.to_vec();
    padded.resize(value.len().next_multiple_of(4), 0);
    PcapNGOption { code, len: value.len() as u16, value: Cow::Owned(padded) }
}

const fn link_type(link: LinkType) -> Linktype {
    Linktype(match link {
        LinkType::Ethernet => 1,
        LinkType::Raw => 101,
        LinkType::Cooked => 113,
        LinkType::Cooked2 => 276,
    })
}

/// The bytes of a train as one packet, as far as the capture has them, and how many there were.
struct Image {
    bytes: Vec<u8>,
    len: usize,
}

fn image(train: &Train<Numbered>, first: &Packet) -> Image {
    if !train.is_super() {
        return Image { bytes: first.data().to_vec(), len: first.len };
    }
    // Without all of the payload there is no checksum over it.
    let cut = train.packets().iter().position(|packet| packet.0.is_cut());
    let mode = if cut.is_some() { ChecksumMode::Partial } else { ChecksumMode::Full };
    let link = first.link.link();
    let mut bytes = first.hidden().to_vec();
    let header = bytes.len();
    bytes.resize(header + train.header_len(link), 0);
    train.write_header(&mut bytes[header..], link, mode);
    train.payloads().for_each(|payload| bytes.extend(payload));
    let len = bytes.len();
    if let Some(cut) = cut {
        bytes.truncate(sound(train, first, cut));
    }
    Image { bytes, len }
}

/// How many bytes of a train there are before the first that the capture has not.
fn sound(train: &Train<Numbered>, first: &Packet, cut: usize) -> usize {
    let header = train.header_len(first.link.link());
    let payload_of =
        |packet: &Numbered, len: usize| len.saturating_sub(header + packet.0.hidden().len());
    let packets = train.packets();
    let whole: usize = packets[..cut]
        .iter()
        .map(|packet| payload_of(packet, packet.0.hidden().len() + packet.total_len()))
        .sum();
    let hidden = first.hidden().len();
    hidden + header + whole + payload_of(&packets[cut], packets[cut].0.captured)
}

fn comment(train: &Train<Numbered>, reason: FlushReason) -> String {
    let numbers = numbers_text(train.packets().iter().map(|packet| packet.0.number));
    format!(
        "packets={numbers} gso_size={} gso_segs={} gso_type={} released={}",
        train.gso_size(),
        train.gso_segs(),
        gso_type_text(train.gso_type()),
        reason_text(reason)
    )
}

#[cfg(test)]
mod tests {
    use sluice_common::offload::GsoType;

    use super::*;

    #[test]
    fn options_are_padded_and_say_their_length() {
        let padded = option(OptionCode::Comment, b"abcde");
        assert_eq!((padded.len, padded.value.len()), (5, 8));
        assert_eq!(gso_type_text(GsoType::NONE), "none");
    }
}
