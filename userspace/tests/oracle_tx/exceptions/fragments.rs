//! Fragments of a datagram.

use sluice_common::reason::DropReason;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::{Protocol, ipv4};

use super::{Exception, same_but, udp, udp6};
use crate::case::Case;
use crate::engine;
use crate::fragments::{meant, together, with_checksum};

pub(super) static EXCEPTIONS: &[Exception] = &[
    Exception {
        name: "the identification of IPv6 fragments",
        rule: "S11",
        reason: "The kernel chooses one for each datagram. The engine is given it by its caller \
                 (`Limits::fragment_id`), being without state and chance of its own.",
        example: || Case::datagram("an IPv6 datagram", udp6(100), 40),
        explains: |case, kernel, engine| {
            let (Ok(kernel), Ok(engine)) = (kernel, engine) else { return false };
            let at = case.link().len() + case.fragment_header_len() - 4;
            case.is_datagram()
                && case.packet.src.is_ipv6()
                && kernel.len() == engine.len()
                && kernel.len() > 1
                && kernel.iter().zip(engine).all(|(theirs, ours)| {
                    same_but(theirs, ours, at, 4)
                        && theirs[at..at + 4] == kernel[0][at..at + 4]
                        && ours[at..at + 4] == engine::FRAGMENT_ID.to_be_bytes()
                })
        },
    },
    Exception {
        name: "an IPv6 datagram with extension headers that is to be cut",
        rule: "S11",
        reason: "The kernel counts the extension headers as data in the offsets of all fragments but the first \
                 (`ipv6_gso_segment` adds up payload lengths): nobody can put them together. Sluice counts \
                 what RFC 8200 (4.5) says, and repeats what routers on the way look at, which destination \
                 options behind no routing header are not. All headers stand in the first fragment (RFC 7112).",
        example: || {
            let options = (Protocol::DESTINATION_OPTIONS, vec![0, 0, 1, 4, 0, 0, 0, 0]);
            let packet = Packet { extensions: vec![options], ..udp6(100) };
            Case::datagram("destination options", packet, 40)
        },
        explains: |case, kernel, engine| {
            let meant = Some(meant(case));
            let (Ok(kernel), Ok(engine)) = (kernel, engine) else { return false };
            case.is_datagram()
                && !case.packet.extensions.is_empty()
                && (kernel.len() == 1 || together(case, kernel).is_none())
                && together(case, engine) == meant
        },
    },
    Exception {
        name: "a datagram with DF that is to be cut",
        rule: "S11",
        reason: "The kernel clears DF and cuts. Sluice keeps to what the sender said, and drops it with a \
                 reason.",
        example: || Case::datagram("DF", Packet { fragment_word: ipv4::DF, ..udp(100) }, 40),
        explains: |case, kernel, engine| {
            case.is_datagram()
                && !case.packet.src.is_ipv6()
                && case.packet.fragment_word == ipv4::DF
                && kernel.is_ok()
                && *engine == Err(DropReason::TooLarge)
        },
    },
    Exception {
        name: "a datagram with IPv4 options that is to be cut",
        rule: "S11",
        reason: "The kernel repeats all options in each fragment, though some belong into the first alone \
                 (RFC 791). Sluice drops it with a reason.",
        example: || Case::datagram("options", Packet { ip_options: vec![1; 4], ..udp(100) }, 40),
        explains: |case, kernel, engine| {
            case.is_datagram()
                && !case.packet.ip_options.is_empty()
                && kernel.is_ok()
                && *engine == Err(DropReason::TooLarge)
        },
    },
    Exception {
        name: "a fragment size that is no multiple of eight",
        rule: "S11",
        reason: "Offsets count in units of eight bytes: the kernel takes the size as it is, and nobody can put \
                 its fragments together. Sluice takes the next smaller multiple; below eight it drops the \
                 datagram with a reason.",
        example: || Case::datagram("44 bytes", udp(100), 44),
        explains: |case, kernel, engine| {
            let meant = Some(meant(case));
            let is_right = match engine {
                Ok(engine) => together(case, engine) == meant,
                Err(reason) => case.vnet.gso_size < 8 && *reason == DropReason::TooLarge,
            };
            let Ok(kernel) = kernel else { return false };
            case.is_datagram()
                && !case.vnet.gso_size.is_multiple_of(8)
                && together(case, kernel) != meant
                && is_right
        },
    },
    Exception {
        name: "a datagram to be cut whose checksum is not to be made",
        rule: "S11",
        reason: "The kernel makes it all the same, also where the sender wanted none. Sluice leaves what it is \
                 not asked to make.",
        example: || {
            let mut case =
                Case::datagram("no checksum", Packet { checksum: Field::Is(0), ..udp(100) }, 40);
            case.vnet.flags = 0;
            case
        },
        explains: |case, kernel, engine| {
            let (Ok(kernel), Ok(engine)) = (kernel, engine) else { return false };
            case.is_datagram()
                && !case.vnet.needs_csum()
                && together(case, kernel) == Some(with_checksum(case))
                && together(case, engine) == Some(meant(case))
        },
    },
];
