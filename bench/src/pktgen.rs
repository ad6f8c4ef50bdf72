//! The kernel's own generator, through `/proc/net/pktgen`.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sluice_common::wire::ethernet::Mac;

use crate::generate::Amount;
use crate::report::GenReport;
use crate::traffic::Load;
use crate::until;

/// Where the kernel has it, within the network namespace of the thread that looks.
const FOLDER: &str = "/proc/thread-self/net/pktgen";
/// Time between two looks at the signal.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Has the kernel send UDP datagrams of `load` out of `iface`, on its thread for `core`.
///
/// Its packets have no stamp: pktgen writes a header of its own into the payload.
///
/// # Errors
/// Where the kernel has no pktgen, or it does not take what is asked for.
pub fn pktgen(iface: &str, core: usize, load: &Load, amount: Amount) -> Result<GenReport> {
    let folder = Path::new(FOLDER);
    ensure!(
        folder.exists(),
        "this kernel has no pktgen here: `modprobe pktgen` loads it where it is a module \
         (CONFIG_NET_PKTGEN); leave --pktgen out to generate with AF_XDP, or use --live-frames"
    );
    let thread = folder.join(format!("kpktgend_{core}"));
    write(&thread, "rem_device_all")?;
    write(&thread, &format!("add_device {iface}"))?;
    let device = folder.join(iface);
    let told = settings(load, amount).iter().try_for_each(|line| write(&device, line));
    let outcome = told.and_then(|()| start(&folder.join("pgctrl"), amount.bounds.seconds));
    let said = fs::read_to_string(&device).unwrap_or_default();
    write(&thread, "rem_device_all")?;
    outcome?;
    report(&said, load.sizes[0])
        .with_context(|| format!("pktgen says what is not understood: {said}"))
}

fn write(file: &Path, line: &str) -> Result<()> {
    fs::write(file, line).with_context(|| format!("{} does not take `{line}`", file.display()))
}

/// The lines that the device takes, as Documentation/networking/pktgen.rst has them.
fn settings(load: &Load, amount: Amount) -> Vec<String> {
    let (destination, port) = load.common.destination;
    let six = if destination.is_ipv6() { "6" } else { "" };
    let [to, from] = load.common.macs.map(written);
    let last_port = 40_000 + load.flows.clamp(1, 20_000) - 1;
    let mut lines = vec![
        format!("count {}", amount.bounds.count.unwrap_or(0)),
        format!("pkt_size {}", load.sizes[0]),
        format!("dst_mac {to}"),
        format!("src_mac {from}"),
        format!("dst{six} {destination}"),
        format!("src{}", if six.is_empty() { "_min" } else { six }) + &format!(" {}", load.source),
        format!("udp_dst_min {port}"),
        format!("udp_dst_max {port}"),
        "udp_src_min 40000".to_owned(),
        format!("udp_src_max {last_port}"),
        "flag UDPCSUM".to_owned(),
    ];
    lines.extend(amount.rate.map(|rate| format!("ratep {rate}")));
    lines
}

fn written(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Starts it, and stops it in time. The write that starts it returns when it has ended.
fn start(control: &Path, seconds: Option<f64>) -> Result<()> {
    let (ended, end) = mpsc::channel();
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            let outcome = write(control, "start");
            let _ = ended.send(());
            outcome
        });
        let mut left = seconds.map(Duration::from_secs_f64);
        while end.recv_timeout(LOOK_AGAIN).is_err() {
            left = left.map(|left| left.saturating_sub(LOOK_AGAIN));
            if until::told() || left == Some(Duration::ZERO) {
                write(control, "stop")?;
                break;
            }
        }
        running.join().expect("writing does not panic")
    })
}

/// What the device's file says at the end: `Result: OK: 16(c16+d0) usec, 10000 (60byte,0frags)`.
fn report(said: &str, size: usize) -> Option<GenReport> {
    let result = said.lines().find_map(|line| line.trim().strip_prefix("Result: OK: "))?;
    let microseconds: f64 = result.split('(').next()?.trim().parse().ok()?;
    let packets: u64 = result.split("usec, ").nth(1)?.split_whitespace().next()?.parse().ok()?;
    Some(GenReport::new(packets, packets * size as u64, microseconds / 1e6, 0))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::template::{Common, Kind};
    use crate::until::Bounds;

    fn load() -> Load {
        let common = Common {
            macs: [[2, 0, 0, 0, 0, 0xab], [4; 6]],
            destination: (IpAddr::from([198, 19, 0, 1]), 5001),
            kind: Kind::Udp,
        };
        let source = IpAddr::from([198, 18, 0, 1]);
        Load { common, source, flows: 4, train: 1, sizes: vec![60] }
    }

    #[test]
    fn the_kernel_is_told_in_its_words() {
        let amount = Amount { rate: Some(1000), bounds: Bounds { count: Some(7), seconds: None } };
        let lines = settings(&load(), amount);
        for line in [
            "count 7",
            "pkt_size 60",
            "dst_mac 02:00:00:00:00:ab",
            "dst 198.19.0.1",
            "src_min 198.18.0.1",
            "udp_src_max 40003",
            "ratep 1000",
        ] {
            assert!(lines.iter().any(|one| one == line), "{line} is missing: {lines:?}");
        }
    }

    #[test]
    fn what_the_kernel_says_is_understood() {
        let said = "Params: count 1000\nCurrent:\n     pkts-sofar: 1000000\n\
                    Result: OK: 500000(c499000+d1000) usec, 1000000 (60byte,0frags)\n  2000000pps\n";
        let report = report(said, 60).unwrap();
        assert_eq!((report.packets, report.packets_per_second), (1_000_000, 2e6));
        assert_eq!(super::report("Result: Idle", 60), None);
    }
}
