//! Where Sluice differs from the kernel on purpose.
//!
//! | file | what it holds |
//! |---|---|
//! | `segments` | segments of TCP and datagrams |
//! | `fragments` | fragments of a datagram |

mod fragments;
mod segments;

use sluice_common::testing::{Field, Packet};
use sluice_common::wire::Protocol;

use crate::case::Case;
use crate::{engine, kernel};

/// One difference that is meant.
pub(crate) struct Exception {
    pub(crate) name: &'static str,
    /// The rule Sluice keeps by differing.
    pub(crate) rule: &'static str,
    /// What each of them does, and why Sluice does otherwise.
    pub(crate) reason: &'static str,
    /// A super-packet that shows it.
    pub(crate) example: fn() -> Case,
    /// Whether it explains these two answers, and nothing else that may be wrong in them.
    pub(super) explains: fn(&Case, &kernel::Answer, &engine::Answer) -> bool,
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Exception> {
    segments::EXCEPTIONS.iter().chain(fragments::EXCEPTIONS)
}

/// A truthful TCP super-packet over IPv4 without options.
fn plain(len: usize) -> Packet {
    let packet = Packet { checksum: Field::Partial, options: Vec::new(), ..Packet::tcp4() };
    packet.with_payload(&vec![0x5a; len])
}

/// The same with UDP, and no DF.
fn udp(len: usize) -> Packet {
    Packet { protocol: Protocol::UDP, fragment_word: 0, ..plain(len) }
}

/// The same over IPv6.
fn udp6(len: usize) -> Packet {
    let Packet { src, dst, .. } = Packet::tcp6();
    Packet { src, dst, ..udp(len) }
}

fn ip_len(case: &Case) -> usize {
    let field = |at: usize| usize::from(u16::from_be_bytes([case.ip[at], case.ip[at + 1]]));
    if case.packet.src.is_ipv6() { 40 + field(4) } else { field(2) }
}

/// Whether two packets differ in nothing but the `len` bytes at `at`.
fn same_but(one: &[u8], other: &[u8], at: usize, len: usize) -> bool {
    one.len() == other.len()
        && one.len() >= at + len
        && (&one[..at], &one[at + len..]) == (&other[..at], &other[at + len..])
}

/// The exception that explains why the answers differ.
pub(crate) fn explaining(
    case: &Case,
    kernel: &kernel::Answer,
    engine: &engine::Answer,
) -> Option<&'static Exception> {
    all().find(|one| (one.explains)(case, kernel, engine))
}

/// The table for the documentation.
pub(crate) fn table() -> String {
    let row = |one: &Exception| format!("| {} | {} | {} |\n", one.rule, one.name, one.reason);
    let rows: String = all().map(row).collect();
    format!("| rule | what | why |\n|---|---|---|\n{rows}")
}
