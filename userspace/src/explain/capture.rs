//! Reading a capture: pcap and pcapng, in a stream.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

use super::error::CaptureError;
use super::interface::Interface;
use super::packet::Packet;

/// Bytes read at once; what is larger than this makes the buffer grow.
const BUFFER: usize = 1 << 18;
/// The largest block that is believed: wireshark's own limit for a packet is 256 KiB, and a list of names
/// or of secrets is longer than that at times.
const LARGEST: usize = 16 << 20;
/// More interfaces than any machine captures on; each with packets has a coalescer.
const MOST_INTERFACES: usize = 256;

/// A capture that is read packet by packet. Memory does not grow with the file.
pub struct Capture {
    file: PathBuf,
    blocks: Box<dyn PcapReaderIterator + Send>,
    /// Bytes that `blocks` may hold.
    capacity: usize,
    interfaces: Vec<Interface>,
    /// Where the interfaces of the section begin: each section counts from 0.
    section: usize,
    packets: u64,
    /// The time of the packet before: what a simple packet, which has none, is given.
    time: u64,
}

impl Capture {
    /// Opens `file`.
    ///
    /// # Errors
    /// It cannot be read, or is no capture.
    pub fn open(file: &Path) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::Open { file: file.to_owned(), source };
        let mut opened = File::open(file).map_err(failed)?;
        if !opened.metadata().map_err(failed)?.is_file() {
            return Err(CaptureError::NotAFile { file: file.to_owned() });
        }
        let magic = beginning(&mut opened).map_err(failed)?;
        let blocks =
            create_reader(BUFFER, opened).map_err(|error| refused(file, &magic, &error))?;
        Ok(Self {
            file: file.to_owned(),
            blocks,
            capacity: BUFFER,
            interfaces: Vec::new(),
            section: 0,
            packets: 0,
            time: 0,
        })
    }

    /// How many packets have been read.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn consumed(&self) -> u64 {
        self.blocks.consumed() as u64
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// The file ends too early, or is no capture from here on. What was read before is sound.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, CaptureError> {
        loop {
            let (len, found) = match self.blocks.next() {
                Ok((len, block)) => (len, Some(understand(&block))),
                Err(PcapError::Eof) => return Ok(None),
                Err(PcapError::Incomplete(_)) => (0, None),
                Err(PcapError::BufferTooSmall) => {
                    self.grow()?;
                    continue;
                }
                Err(error) => {
                    let error = error.to_owned_vec();
                    return Err(self.broken(&error));
                }
            };
            let Some(found) = found else {
                self.refill()?;
                continue;
            };
            let packet = self.take(found);
            self.blocks.consume(len);
            if let Some(packet) = packet? {
                return Ok(Some(packet));
            }
        }
    }

    /// Takes in what a block says; a packet if it is one.
    fn take(&mut self, found: Found) -> Result<Option<Packet>, CaptureError> {
        match found {
            Found::Section => self.section = self.interfaces.len(),
            Found::Interface(_) if self.interfaces.len() >= MOST_INTERFACES => {
                return Err(self.damaged(format!("more than {MOST_INTERFACES} interfaces")));
            }
            Found::Interface(interface) => self.interfaces.push(interface),
            Found::Packet(record) => return self.packet(&record).map(Some),
            Found::Other => {}
        }
        Ok(None)
    }

    fn packet(&mut self, record: &Record) -> Result<Packet, CaptureError> {
        let index = self.section.saturating_add(record.interface);
        let Some(&interface) = self.interfaces.get(index) else {
            let what =
                format!("a packet of interface {}, which is not described", record.interface);
            return Err(self.damaged(what));
        };
        let number = self.packets + 1;
        let Some(link) = interface.link else {
            let (file, link_type) = (self.file.clone(), interface.link_number);
            return Err(CaptureError::LinkType { file, number, link_type });
        };
        let mut data = &record.data[..];
        if record.time == Stamp::None && interface.snaplen > 0 {
            // A simple packet does not say how much of it is there.
            data = &data[..data.len().min(interface.snaplen as usize)];
        }
        let mut len = record.len;
        if len == data.len() {
            data = &data[..len.saturating_sub(interface.trailer)];
            len = data.len();
        }
        self.time = match record.time {
            Stamp::Seconds(seconds, fraction) => interface.time_in_seconds(seconds, fraction),
            Stamp::Ticks(ticks) => interface.time(ticks),
            Stamp::None => self.time,
        };
        self.packets = number;
        Ok(Packet::new(number, self.time, index, link, data, len))
    }

    fn grow(&mut self) -> Result<(), CaptureError> {
        self.capacity *= 2;
        if self.capacity > LARGEST || !self.blocks.grow(self.capacity) {
            let (file, packets) = (self.file.clone(), self.packets);
            return Err(CaptureError::TooLarge { file, packets, most: LARGEST });
        }
        self.refill()
    }

    fn refill(&mut self) -> Result<(), CaptureError> {
        let before = self.blocks.data().len();
        let failed = self.blocks.refill().is_err();
        if failed {
            return Err(self.damaged("the file cannot be read further".to_owned()));
        }
        if self.blocks.data().len() == before && !self.blocks.reader_exhausted() {
            return Err(self.damaged("a block without an end".to_owned()));
        }
        Ok(())
    }

    fn broken(&self, error: &PcapError<&[u8]>) -> CaptureError {
        match error {
            PcapError::UnexpectedEof => {
                CaptureError::CutOff { file: self.file.clone(), packets: self.packets }
            }
            PcapError::NomError(_, kind) | PcapError::OwnedNomError(_, kind) => {
                self.damaged(format!("what follows is no block of a capture ({kind:?})"))
            }
            other => self.damaged(other.to_string()),
        }
    }

    fn damaged(&self, what: String) -> CaptureError {
        CaptureError::Damaged { file: self.file.clone(), packets: self.packets, what }
    }
}

/// What a block says, as far as it matters here.
enum Found {
    Section,
    Interface(Interface),
    Packet(Record),
    Other,
}

/// A packet as its block has it.
struct Record {
    interface: usize,
    time: Stamp,
    data: Vec<u8>,
    len: usize,
}

/// When a packet came, as its block has it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stamp {
    /// Seconds, and ticks of the interface's clock.
    Seconds(u32, u32),
    /// Ticks of the interface's clock.
    Ticks(u64),
    /// A simple packet does not say.
    None,
}

fn understand(block: &PcapBlockOwned<'_>) -> Found {
    match block {
        PcapBlockOwned::LegacyHeader(header) => Found::Interface(Interface::of_pcap(header)),
        PcapBlockOwned::Legacy(packet) => Found::Packet(Record {
            interface: 0,
            time: Stamp::Seconds(packet.ts_sec, packet.ts_usec),
            data: packet.data.to_vec(),
            len: packet.origlen as usize,
        }),
        PcapBlockOwned::NG(Block::SectionHeader(_)) => Found::Section,
        PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
            Found::Interface(Interface::of_pcapng(description))
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => Found::Packet(Record {
            interface: packet.if_id as usize,
            time: Stamp::Ticks(u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low)),
            data: packet.packet_data().to_vec(),
            len: packet.origlen as usize,
        }),
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => Found::Packet(Record {
            interface: 0,
            time: Stamp::None,
            data: packet.packet_data().to_vec(),
            len: packet.origlen as usize,
        }),
        PcapBlockOwned::NG(_) => Found::Other,
    }
}

/// The first bytes of a file, read without moving on.
fn beginning(file: &mut File) -> io::Result<Vec<u8>> {
    let mut magic = Vec::new();
    file.take(8).read_to_end(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(magic)
}

/// Why a file is none that can be read.
fn refused(file: &Path, magic: &[u8], error: &PcapError<&[u8]>) -> CaptureError {
    let name = file.to_owned();
    if magic.is_empty() {
        return CaptureError::Empty { file: name };
    }
    if let Some((with, command)) = compression(magic) {
        let remedy = format!("{command} {}", file.display());
        return CaptureError::Compressed { file: name, with, remedy };
    }
    match error {
        PcapError::ReadError => {
            let source = io::Error::other("the file cannot be read");
            CaptureError::Open { file: name, source }
        }
        PcapError::Incomplete(_) | PcapError::UnexpectedEof if is_capture(magic) => {
            CaptureError::CutOff { file: name, packets: 0 }
        }
        _ => CaptureError::NotACapture { file: name, magic: magic.to_vec() },
    }
}

/// Whether a file that begins so is a capture, if it goes on.
fn is_capture(magic: &[u8]) -> bool {
    let known = [[0xd4, 0xc3, 0xb2, 0xa1], [0x4d, 0x3c, 0xb2, 0xa1], [0x0a, 0x0d, 0x0d, 0x0a]];
    let begins = |start: &[u8; 4]| magic.starts_with(&start[..magic.len().min(4)]);
    known.iter().any(|start| begins(start) || begins(&[start[3], start[2], start[1], start[0]]))
}

/// What a file is compressed with, and the command that unpacks it.
fn compression(magic: &[u8]) -> Option<(&'static str, &'static str)> {
    let known: [(&[u8], _, _); 5] = [
        (&[0x1f, 0x8b], "gzip", "gunzip --keep"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "zstd", "unzstd"),
        (&[0xfd, b'7', b'z', b'X', b'Z'], "xz", "unxz --keep"),
        (b"BZh", "bzip2", "bunzip2 --keep"),
        (&[0x04, 0x22, 0x4d, 0x18], "lz4", "unlz4"),
    ];
    known.iter().find(|(start, ..)| magic.starts_with(start)).map(|&(_, with, how)| (with, how))
}
