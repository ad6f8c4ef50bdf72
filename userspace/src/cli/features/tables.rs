//! The report for people.

use comfy_table::{Table, presets};
use sluice_common::offload::features::Feature;

use super::report::{Report, RssReport};
use crate::control::nic::XdpCapabilities;
use crate::observe::report::FeatureReport;

pub(super) fn tables(report: &Report) -> String {
    let sluice = match &report.sluice_note {
        None => "Sluice: as the running process has them.".to_owned(),
        Some(why) => format!("Sluice: the defaults ({why})."),
    };
    format!("{}\n\n{}\n\n{sluice}", about(report), features(report))
}

fn about(report: &Report) -> Table {
    let mut about = borderless();
    let xdp = &report.xdp;
    about.set_header(["interface", &report.iface]);
    about.add_row(["MAC", &report.mac]);
    about.add_row(["MTU", &report.mtu.to_string()]);
    about.add_row(["state", if report.up { "up" } else { "down" }]);
    about.add_row(["receive queues", &queues(report)]);
    about.add_row(["receive-side scaling", &scaling(report.rss.as_ref())]);
    about.add_row(["native XDP", told(xdp, xdp.native && xdp.redirect)]);
    about.add_row(["AF_XDP zero-copy", &zero_copy(xdp)]);
    about.add_row(["multi-buffer XDP", told(xdp, xdp.multi_buffer)]);
    about.add_row(["XDP receive metadata", &list(xdp, &xdp.rx_metadata)]);
    about.add_row(["AF_XDP transmit metadata", &list(xdp, &xdp.socket)]);
    about.add_row(["XDP program attached", &program(xdp.program)]);
    about.add_row(["largest super-packet", &goal(report)]);
    about
}

fn features(report: &Report) -> Table {
    let mut features = borderless();
    features.set_header(["feature", "hardware", "driver", "Sluice, for its flows"]);
    for feature in Feature::ALL {
        let name = feature.label();
        let hardware = match report.hardware.get(name) {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        };
        let words = |feature: Option<&FeatureReport>| {
            feature.map_or_else(|| "-".to_owned(), ToString::to_string)
        };
        let driver = words(report.features.get(name));
        let own = words(report.sluice.get(name));
        features.add_row([name, hardware, &driver, &own]);
    }
    features
}

fn queues(report: &Report) -> String {
    match report.queues_max {
        Some(most) => format!("{}, at most {most}", report.queues),
        None => format!("{}, fixed", report.queues),
    }
}

fn scaling(rss: Option<&RssReport>) -> String {
    let Some(rss) = rss else { return "none: the driver has no indirection table".to_owned() };
    let function = rss.function.as_deref().map(|name| format!("; {name}"));
    let key = (rss.key_len > 0).then(|| format!("; key of {} bytes", rss.key_len));
    format!("{}{}{}", rss.spread, function.unwrap_or_default(), key.unwrap_or_default())
}

/// An answer of the driver's.
const fn told(xdp: &XdpCapabilities, able: bool) -> &'static str {
    match (able, xdp.reported) {
        (true, _) => "yes",
        (false, true) => "not reported by the driver",
        (false, false) => "not reported by this kernel (before 6.3)",
    }
}

fn zero_copy(xdp: &XdpCapabilities) -> String {
    let able = told(xdp, xdp.zero_copy);
    match xdp.zero_copy_buffers {
        Some(buffers) => format!("{able}, up to {buffers} buffers a packet"),
        None => able.to_owned(),
    }
}

fn list(xdp: &XdpCapabilities, names: &[String]) -> String {
    if names.is_empty() { told(xdp, false).to_owned() } else { names.join(", ") }
}

fn program(id: u32) -> String {
    if id == 0 { "none".to_owned() } else { format!("id {id} (`bpftool prog show id {id}`)") }
}

fn goal(report: &Report) -> String {
    let segment = report.mtu.saturating_sub(40);
    let count = report.size_goal.checked_div(segment).unwrap_or(0);
    format!("{count} segments of {segment} bytes (TCP over IPv4)")
}

fn borderless() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}
