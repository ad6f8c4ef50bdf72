//! What is wrong with a file, and what to do about it.

use std::io;
use std::path::PathBuf;

/// Why a capture could not be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// There is no reading it.
    #[error("{}: cannot read the capture", file.display())]
    Open {
        /// Which file.
        file: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A folder, a pipe, a device.
    #[error("{}: not a file; it is read twice, so save the capture first (`tcpdump -w FILE`)", file.display())]
    NotAFile {
        /// Which one.
        file: PathBuf,
    },
    /// Nothing is in it.
    #[error("{}: empty; tcpdump writes a file when it ends or with -U", file.display())]
    Empty {
        /// Which file.
        file: PathBuf,
    },
    /// It is compressed.
    #[error("{}: compressed with {with}; unpack it first: `{remedy}`", file.display())]
    Compressed {
        /// Which file.
        file: PathBuf,
        /// What it was compressed with.
        with: &'static str,
        /// The command that unpacks it.
        remedy: String,
    },
    /// Neither pcap nor pcapng.
    #[error("{}: not a capture: it begins with {magic:02x?}, neither pcap nor pcapng; `tcpdump -w FILE` writes \
             one, `editcap` converts others", file.display())]
    NotACapture {
        /// Which file.
        file: PathBuf,
        /// Its first bytes.
        magic: Vec<u8>,
    },
    /// It ends in mid-packet.
    #[error("{}: cut off after packet {packets}: the file ends in the middle of what follows, as when a capture is still being written", file.display())]
    CutOff {
        /// Which file.
        file: PathBuf,
        /// How many packets were whole.
        packets: u64,
    },
    /// A length that no capture has.
    #[error("{}: damaged after packet {packets}: what follows says that it is larger than {most} bytes, and no \
             packet is", file.display())]
    TooLarge {
        /// Which file.
        file: PathBuf,
        /// How many packets came before it.
        packets: u64,
        /// The most that is believed.
        most: usize,
    },
    /// Something else that no capture has.
    #[error("{}: damaged after packet {packets}: {what}", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// How many packets came before it.
        packets: u64,
        /// What is wrong.
        what: String,
    },
    /// A link type whose packets are not understood.
    #[error("{}: packet {number} has link type {link_type}; understood are Ethernet (1), raw IP (101, 228, 229) \
             and Linux cooked (113, 276)", file.display())]
    LinkType {
        /// Which file.
        file: PathBuf,
        /// The first packet that has it.
        number: u64,
        /// The number of the link type.
        link_type: u32,
    },
}

/// Why the super-packets could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot write", file.display())]
pub struct WriteError {
    /// Which file.
    pub file: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}
