//! `[[port]]`: an interface and how it is opened.

use std::collections::HashSet;

use super::table::{Entry, Table};
use super::{MAX_QUEUES, Mode, Port, Queues, Rss, Transmit, XdpMode, ZeroCopy, wire};

/// The longest name of an interface: `IFNAMSIZ` less the terminating zero.
const LONGEST_NAME: usize = 15;
/// Fewest slots of a ring: one burst of the worker.
const SMALLEST_RING: u32 = 64;
/// Most slots of a ring. Twice this many frames of 4 KiB are 256 MiB a queue; more only adds delay.
const LARGEST_RING: u32 = 32_768;
/// Most frames of a queue: 4 GiB of 4 KiB frames.
const MOST_FRAMES: u32 = 1 << 20;

/// Every `[[port]]` of the file.
pub(super) fn read_all(root: &Table<'_>, mode: Mode) -> Vec<Port> {
    let mut seen = HashSet::new();
    let mut ports: Vec<Port> = Vec::new();
    for table in root.tables("port") {
        let port = read(&table);
        if !port.iface.is_empty() && !seen.insert(port.iface.clone()) {
            table.problem("iface", "named by an earlier [[port]] already; once is enough");
        }
        if mode == Mode::Wire {
            wire::check_frames(&port, &table);
            ports.iter().for_each(|first| wire::check_zero_copy(first, &port, &table));
        }
        table.finish();
        ports.push(port);
    }
    ports
}

fn read(table: &Table<'_>) -> Port {
    let port = Port {
        iface: interface(table, "iface", None),
        queues: queues(table),
        rss: table.choice("rss", Rss::Leave, &[("leave", Rss::Leave), ("manage", Rss::Manage)]),
        xdp: table.choice(
            "xdp",
            XdpMode::Auto,
            &[("auto", XdpMode::Auto), ("native", XdpMode::Native), ("generic", XdpMode::Generic)],
        ),
        zero_copy: table.choice(
            "zero_copy",
            ZeroCopy::Auto,
            &[("auto", ZeroCopy::Auto), ("always", ZeroCopy::Always), ("never", ZeroCopy::Never)],
        ),
        transmit: table.choice(
            "transmit",
            Transmit::Auto,
            &[("auto", Transmit::Auto), ("ring", Transmit::Ring), ("socket", Transmit::Socket)],
        ),
        frames: table.power_of_two("frames", 8192, 2 * SMALLEST_RING..=MOST_FRAMES),
        ring: table.power_of_two("ring", 2048, SMALLEST_RING..=LARGEST_RING),
        busy_poll: table.boolean("busy_poll", false),
        busy_poll_budget: table.integer("busy_poll_budget", 64, 1..=u16::MAX.into()) as u16,
    };
    check_frames(table, &port);
    if port.rss == Rss::Manage && port.queues != Queues::All {
        let reason = "not with a list of queues: Sluice makes as many as there are workers, the first ones; \
                      queues = \"all\" is wanted";
        table.problem("rss", reason);
    }
    port
}

/// The FILL ring and the transmit ring of a queue can both be full at the same time.
fn check_frames(table: &Table<'_>, port: &Port) {
    if port.frames < port.ring.saturating_mul(2) {
        let message = format!(
            "{} frames for rings of {}: at least twice the ring, {} to {MOST_FRAMES}, so that receiving \
             and sending never starve each other",
            port.frames,
            port.ring,
            2 * port.ring
        );
        table.problem(if table.has("frames") { "frames" } else { "ring" }, message);
    }
}

/// The name of an interface; a problem where there is neither one nor a default.
pub(super) fn interface(table: &Table<'_>, key: &'static str, default: Option<&str>) -> String {
    let wanted = "the name of an interface, 1 to 15 bytes,";
    let name = match (table.text(key, wanted), default) {
        (Some(name), _) => name,
        (None, Some(default)) => return default.to_owned(),
        (None, None) => {
            if !table.has(key) {
                table.problem(key, format!("missing; {wanted} is wanted"));
            }
            return String::new();
        }
    };
    let forbidden = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    let length = 1..=LONGEST_NAME;
    if !length.contains(&name.len()) || matches!(name, "." | "..") || name.contains(forbidden) {
        table.problem(key, "no name for an interface: 1 to 15 bytes without '/', ':' or spaces");
    }
    name.to_owned()
}

fn queues(table: &Table<'_>) -> Queues {
    let wanted = "\"all\" or a list of queue numbers, each from 0 to 63,";
    let Some(entry) = table.get("queues") else { return Queues::All };
    if entry.value.as_str() == Some("all") {
        return Queues::All;
    }
    let Some(items) = Table::list(&entry) else {
        table.not_wanted("queues", &entry, wanted);
        return Queues::All;
    };
    Queues::List(numbers(table, "queues", &entry, items, u64::from(MAX_QUEUES) - 1))
}

/// A list of different numbers from 0 to `highest`, at least one.
pub(super) fn numbers<T: TryFrom<u64>>(
    table: &Table<'_>,
    key: &'static str,
    list: &Entry<'_>,
    items: Vec<Entry<'_>>,
    highest: u64,
) -> Vec<T> {
    if items.is_empty() {
        let message = format!("an empty list; name at least one, each from 0 to {highest}");
        table.problem_at(key, list.span.clone(), message);
    }
    let mut seen = HashSet::new();
    let mut numbers = Vec::new();
    for item in items {
        let Some(number) = table.integer_in(key, &item, &(0..=highest)) else { continue };
        if !seen.insert(number) {
            table.problem_at(key, item.span, "in the list already; name each once");
        }
        numbers.extend(T::try_from(number).ok());
    }
    numbers
}
