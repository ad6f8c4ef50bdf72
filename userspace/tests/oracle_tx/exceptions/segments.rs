//! Segments of TCP, and datagrams.

use nix::errno::Errno;
use sluice_common::offload::GsoType;
use sluice_common::reason::DropReason;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::{Protocol, ipv4, tcp::Flags};

use super::{Exception, ip_len, plain, same_but, udp};
use crate::case::{Case, checksum_at, transport_at};
use crate::generate::zero_checksum;

pub(super) static EXCEPTIONS: &[Exception] = &[
    Exception {
        name: "SYN or RST in a super-packet",
        rule: "S5",
        reason: "The kernel repeats them in every segment, of which each is then a connection request or \
                 reset of its own. No stack makes such a super-packet: Sluice refuses it.",
        example: || Case::new("SYN", Packet { flags: Flags::SYN, ..plain(100) }, 40),
        explains: |case, kernel, engine| {
            let flags =
                case.ip.get(transport_at(&case.packet) + 13).copied().map_or(Flags(0), Flags);
            flags.intersects(Flags::SYN.with(Flags::RST))
                && kernel.is_ok()
                && *engine == Err(DropReason::SynRstSuper)
        },
    },
    Exception {
        name: "a checksum of 0 in a TCP packet that is not cut",
        rule: "S9",
        reason: "Where it completes a checksum without cutting, the kernel writes 0xFFFF for 0 whatever the \
                 protocol (`skb_checksum_help`); where it cuts, it writes 0. Sluice writes 0 both times, as \
                 a NIC does: only UDP gives 0 another meaning. A receiver takes either.",
        example: || {
            let mut packet = plain(100);
            zero_checksum(&mut packet, 200, 0);
            Case::new("a checksum of 0", packet, 200)
        },
        explains: |case, kernel, engine| {
            let (Ok([kernel]), Ok([engine])) = (kernel.as_deref(), engine.as_deref()) else {
                return false;
            };
            let at = case.link().len() + checksum_at(&case.packet);
            case.packet.protocol == Protocol::TCP
                && same_but(kernel, engine, at, 2)
                && (&kernel[at..at + 2], &engine[at..at + 2]) == (&[0xff; 2], &[0; 2])
        },
    },
    Exception {
        name: "a payload within the segment size, with options beyond it",
        rule: "S1",
        reason: "The kernel compares the size with payload and TCP options together, starts to cut, finds \
                 nothing to cut and drops the packet. Sluice sends it as it is.",
        example: || Case::new("options", Packet { options: vec![1; 4], ..plain(100) }, 100),
        explains: |case, kernel, engine| {
            let (payload, size) = (case.packet.payload.len(), usize::from(case.vnet.gso_size));
            payload <= size
                && payload + case.packet.options.len() > size
                && *kernel == Err(Some(Errno::ENOMEM))
                && engine.as_ref().is_ok_and(|packets| packets.len() == 1)
        },
    },
    Exception {
        name: "an IP version that is not the EtherType's",
        rule: "S15",
        reason: "The kernel goes by the EtherType and cuts. What a TUN device gives has none: Sluice goes by \
                 the version, and finds that nothing else agrees with it.",
        example: || {
            let mut case = Case::new("another IP version", plain(100), 40);
            case.ip[0] ^= 0x20;
            case
        },
        explains: |case, kernel, engine| {
            let version = if case.packet.src.is_ipv6() { 6 } else { 4 };
            case.ip[0] >> 4 != version && kernel.is_ok() && engine.is_err()
        },
    },
    Exception {
        name: "a lie about a packet that is not cut",
        rule: "S15",
        reason: "The kernel looks at the rest of a vnet header only where more follows the headers it tells of \
                 than the segment size. Sluice refuses what lies, whether or not it would have mattered.",
        example: || {
            let packet = Packet { checksum: Field::Partial, ..Packet::tcp6() };
            let mut case = Case::new("a small packet of the other family", packet, 1_000);
            case.vnet.gso_type = GsoType::TCPV4.0 as u8;
            case
        },
        explains: |case, kernel, engine| {
            matches!(kernel.as_deref(), Ok([packet]) if packet.len() == case.frame().len())
                && matches!(engine, Err(DropReason::BadVnetHeader | DropReason::UnknownGsoType))
        },
    },
    Exception {
        name: "an IP length that is not the packet's",
        rule: "S15",
        reason: "The kernel never looks at the length of a super-packet, of which it writes others. To Sluice \
                 it says that something is cut short or added, and what that is nobody can tell.",
        example: || {
            let mut case = Case::new("a length one too many", plain(100), 40);
            case.ip[3] += 1;
            case
        },
        explains: |case, kernel, engine| {
            ip_len(case) != case.ip.len()
                && kernel.is_ok()
                && *engine == Err(DropReason::BadVnetHeader)
        },
    },
    Exception {
        name: "a fragment that is to be cut",
        rule: "S7",
        reason: "The kernel cuts it and leaves MF in every segment: packets nobody can put together. Sluice \
                 refuses it.",
        example: || Case::new("MF", Packet { fragment_word: ipv4::MF, ..plain(100) }, 40),
        explains: |case, kernel, engine| {
            case.packet.fragment_word & (ipv4::MF | ipv4::OFFSET) != 0
                && kernel.is_ok()
                && *engine == Err(DropReason::BadVnetHeader)
        },
    },
    Exception {
        name: "a partial checksum that is wrong",
        rule: "S9",
        reason: "The kernel adds to the pseudo-header sum it finds in the field: a wrong one makes every \
                 segment wrong. Sluice sums the pseudo header itself.",
        example: || Case::new("no sum", Packet { checksum: Field::Is(0), ..plain(100) }, 40),
        explains: |case, kernel, engine| {
            let (Ok(kernel), Ok(engine)) = (kernel, engine) else { return false };
            let at = case.link().len() + checksum_at(&case.packet);
            let right = Packet { checksum: Field::Partial, ..case.packet.clone() }.build();
            let packets = || kernel.iter().zip(engine);
            case.vnet.needs_csum()
                && right[at..at + 2] != case.frame()[at..at + 2]
                && kernel.len() == engine.len()
                && packets().all(|(kernel, engine)| same_but(kernel, engine, at, 2))
        },
    },
    Exception {
        name: "more than 128 datagrams",
        rule: "S10",
        reason: "The kernel lets no socket send more at once and takes no more from a device either \
                 (`UDP_MAX_SEGMENTS`). Here the port's ring bounds them, as it bounds the segments of TCP.",
        example: || Case::new("129 datagrams", udp(129), 1),
        explains: |case, kernel, engine| {
            case.packet.protocol == Protocol::UDP
                && *kernel == Err(Some(Errno::EINVAL))
                && engine.as_ref().is_ok_and(|packets| packets.len() > 128)
        },
    },
    Exception {
        name: "a UDP length that is not the datagram's",
        rule: "S15",
        reason: "As with the IP length: the kernel writes others and does not look.",
        example: || {
            let mut case = Case::new("a UDP length one too many", udp(100), 40);
            case.ip[25] += 1;
            case
        },
        explains: |case, kernel, engine| {
            let at = transport_at(&case.packet) + 4;
            let len = usize::from(u16::from_be_bytes([case.ip[at], case.ip[at + 1]]));
            case.packet.protocol == Protocol::UDP
                && at - 4 + len != case.ip.len()
                && kernel.is_ok()
                && *engine == Err(DropReason::BadVnetHeader)
        },
    },
];
