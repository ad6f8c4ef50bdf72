//! `[wire]`: what is done on the way from one port to the other.

use std::net::IpAddr;

use sluice_common::answer::AnswerFrom;

use super::table::{Entry, Table};
use super::{Links, Mode, Port, Wire, ZeroCopy};

/// Fewest connections whose MSS is remembered. With fewer, those of one busy host displace each other before
/// their handshake is over.
const FEWEST_FLOWS: u64 = 64;
/// Most of them: with their addresses a few hundred MiB for each worker.
const MOST_FLOWS: u64 = 1 << 22;
/// Most answers a second and worker: what a flood of large packets may make of Sluice.
const MOST_ANSWERS: u64 = 100_000;
/// Most frames of a port: both ports of a worker share a UMEM of twice as many, whose offsets have 32 bits.
const MOST_FRAMES: u32 = 1 << 18;

/// The `[wire]` of the file; the ports have to fit each other too.
pub(super) fn read(root: &Table<'_>, mode: Mode) -> Wire {
    let links = [("report", Links::Report), ("mirror", Links::Mirror)];
    let table = root.table("wire");
    if mode != Mode::Wire && root.has("wire") {
        let reason = "only for mode \"wire\", where packets go from one port to the other";
        root.problem_without_value("wire", reason);
    }
    let wire = Wire {
        translate: table.boolean("translate", true),
        flows: table.integer("flows", 65_536, FEWEST_FLOWS..=MOST_FLOWS) as u32,
        icmp_from: icmp_from(&table),
        icmp_rate: table.integer("icmp_rate", 100, 0..=MOST_ANSWERS) as u32,
        link: table.choice("link", Links::Report, &links),
        addressed: table.boolean("addressed", false),
    };
    table.finish();
    wire
}

/// At most one address of each family.
fn icmp_from(table: &Table<'_>) -> AnswerFrom {
    const WANTED: &str = "a list of an IPv4 and an IPv6 address, or of one of them,";
    let mut from = AnswerFrom::default();
    let Some(entry) = table.get("icmp_from") else { return from };
    let Some(items) = Table::list(&entry) else {
        table.wrong_type("icmp_from", &entry, WANTED);
        return from;
    };
    for item in items {
        let is_first = match address(table, &item) {
            Some(IpAddr::V4(v4)) => from.v4.replace(v4.octets()).is_none(),
            Some(IpAddr::V6(v6)) => from.v6.replace(v6.octets()).is_none(),
            None => continue,
        };
        if !is_first {
            let message = "the second of its family; one of each is enough";
            table.problem_at("icmp_from", item.span, message);
        }
    }
    from
}

fn address(table: &Table<'_>, item: &Entry<'_>) -> Option<IpAddr> {
    const WANTED: &str = "the IPv4 or IPv6 address of a host";
    let Some(written) = item.value.as_str() else {
        table.wrong_type("icmp_from", item, WANTED);
        return None;
    };
    let address = written.parse().ok().filter(is_host);
    if address.is_none() {
        table.problem_at("icmp_from", item.span.clone(), format!("not {WANTED}"));
    }
    address
}

fn is_host(address: &IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    let is_none = address.is_unspecified() || address.is_loopback() || address.is_multicast();
    !is_none && !is_broadcast
}

/// Both ports of a worker share their frames. `table` is one port's.
pub(super) fn check_frames(port: &Port, table: &Table<'_>) {
    if port.frames > MOST_FRAMES {
        let message = format!(
            "{} frames: at most {MOST_FRAMES} in mode \"wire\", where both ports of a worker share twice as many",
            port.frames
        );
        table.problem("frames", message);
    }
}

/// And so they have to be served alike. `table` is the second's.
pub(super) fn check_zero_copy(first: &Port, second: &Port, table: &Table<'_>) {
    if let (ZeroCopy::Always, ZeroCopy::Never) | (ZeroCopy::Never, ZeroCopy::Always) =
        (first.zero_copy, second.zero_copy)
    {
        let message = "\"always\" for one port and \"never\" for the other: in mode \"wire\" they share their \
                       frames, and both are in zero-copy mode or neither";
        table.problem("zero_copy", message);
    }
}
