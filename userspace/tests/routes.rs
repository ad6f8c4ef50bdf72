//! Policy rules, routes and settings against a real kernel, in namespaces of their own. Needs root.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};

use anyhow::Result;
use sluice::config::{Host, PortRange, Proto, Routes, Rule};
use sluice::control::journal::Change;
use sluice::control::link::{Link, LinkError, Sources};
use sluice::control::routes::{PolicyRoutes, RoutesError, plan};
use sluice::control::{netlink, sysctl};
use sluice::port::{HostPort, Received};
use sluice::tun::{Device, Offloads, Queue, RECEIVE_BUFFER, Settings};
use sluice_common::classify::Action;
use sluice_lab::{DUT, DUT_V4, DUT_V6, Lab, Namespace, PEER_V4, PEER_V6};

const TUN: &str = "sluice0";
const TABLE: u32 = 21_000;

fn host() -> Host {
    Host { tun: TUN.to_owned(), routes: Routes::Mirror, table: TABLE, priority: 1000 }
}

fn rule(action: Action, port: u16) -> Rule {
    let (src, dst, proto, src_port, vlan) = (None, None, Some(Proto::Tcp), None, None);
    let dst_port = Some(PortRange { first: port, last: port });
    Rule { src, dst, proto, src_port, dst_port, vlan, action }
}

/// Runs a future to its end inside a namespace.
fn inside<T: Send>(namespace: &Namespace, body: impl AsyncFnOnce() -> T + Send) -> T {
    namespace.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(body())
    })
}

/// A TUN device as the supervisor readies it.
async fn open_tun() -> Result<Queue> {
    let handle = netlink::connect()?;
    let settings = Settings { name: TUN, queues: 1, mtu: 1500, offloads: Offloads::ALL };
    let (_, _, mut queues) = Device::open(&settings)?;
    for setting in sysctl::for_tun(TUN)? {
        setting.apply()?;
    }
    Link::find(&handle, TUN).await?.set_up(&handle).await?;
    Ok(queues.remove(0))
}

async fn routes(rules: &[Rule]) -> Result<PolicyRoutes> {
    let handle = netlink::connect()?;
    let sources = Link::find(&handle, DUT).await?.global_addresses(&handle).await?;
    assert_eq!(sources, Sources { v4: Some(DUT_V4), v6: Some(DUT_V6) });
    Ok(PolicyRoutes::new(handle, &host(), plan(&host(), rules)?, sources))
}

/// All that `ip` tells of a host's rules and routes.
fn dump(host: &Namespace) -> Result<String> {
    let all = ["-4 rule", "-6 rule", "-4 route show table all", "-6 route show table all"];
    all.iter().map(|what| host.ip(what)).collect()
}

#[test]
fn rules_and_routes_come_as_planned_and_go_without_a_trace() -> Result<()> {
    let lab = Lab::new()?;
    let _queue = inside(&lab.dut, open_tun)?;
    let before = dump(&lab.dut)?;
    let rules = [rule(Action::Pass, 22), rule(Action::Steer, 5000)];
    inside(&lab.dut, async || -> Result<()> {
        let mut routes = routes(&rules).await?;
        routes.check_table().await?;
        assert_eq!(routes.changes().len(), 6);
        routes.install().await?;
        routes.install().await?; // twice is once
        assert!(routes.installed());
        let rules = lab.dut.ip("-4 rule")?;
        assert!(
            rules.contains("from all iif lo ipproto tcp sport 22 lookup main proto 83"),
            "{rules}"
        );
        assert!(
            rules.contains("from all iif lo ipproto tcp sport 5000 lookup 21000 proto 83"),
            "{rules}"
        );
        assert_eq!(rules.lines().count(), 5, "{rules}");
        let v4 = lab.dut.ip("route show table 21000")?;
        assert_eq!(v4.trim(), format!("default dev {TUN} proto 83 scope link src {DUT_V4}"));
        let v6 = lab.dut.ip("-6 route show table 21000")?;
        assert!(v6.starts_with(&format!("default dev {TUN} proto 83 src {DUT_V6}")), "{v6}");

        routes.withdraw().await?;
        routes.withdraw().await?;
        assert!(!routes.installed());
        Ok(())
    })?;
    assert_eq!(dump(&lab.dut)?, before);
    Ok(())
}

#[test]
fn first_match_wins_here_as_in_the_steering_rules() -> Result<()> {
    let lab = Lab::new()?;
    let _queue = inside(&lab.dut, open_tun)?;
    inside(&lab.dut, async || -> Result<()> {
        let narrow = Rule { dst: Some(IpAddr::from(DUT_V4).into()), ..rule(Action::Pass, 5000) };
        let mut routes = routes(&[narrow, rule(Action::Steer, 5000)]).await?;
        routes.install().await?;
        let leaves_by = |to: IpAddr, from: IpAddr, sport, device| {
            let question = format!("route get {to} from {from} ipproto tcp sport {sport} dport 9");
            lab.dut.ip(&question).unwrap().contains(&format!("dev {device}"))
        };
        let (v4, v6) = ((PEER_V4.into(), DUT_V4.into()), (PEER_V6.into(), DUT_V6.into()));
        assert!(leaves_by(v4.0, v4.1, 5000, DUT), "the pass rule was passed over");
        assert!(leaves_by(v6.0, v6.1, 5000, TUN), "the steering rule was passed over");
        assert!(leaves_by(v4.0, v4.1, 5001, DUT) && leaves_by(v6.0, v6.1, 5001, DUT));
        Ok(())
    })
}

/// The next packet out of the device that is longer than its headers: data, no acknowledgement.
fn sent_data(queue: &mut Queue) -> bool {
    let mut buffer = vec![0; RECEIVE_BUFFER];
    while let Received::Packet(len) = queue.receive(&mut buffer) {
        if buffer[..len].ends_with(b"ping") {
            return true;
        }
    }
    false
}

/// A connection that was opened before: each install sends what it sends next through the device,
/// each withdrawal gives it back to the wire.
fn borrow_and_give_back(dut: IpAddr) -> Result<()> {
    let lab = Lab::new()?;
    let mut queue = inside(&lab.dut, open_tun)?;
    let listener = lab.dut.run(|| TcpListener::bind((dut, 5000)))?;
    let mut peer = lab.peer.run(|| TcpStream::connect((dut, 5000)))?;
    let mut own = listener.accept()?.0;
    inside(&lab.dut, async || -> Result<()> {
        let mut routes = routes(&[rule(Action::Steer, 5000)]).await?;
        for round in 0..3 {
            own.write_all(b"ping")?;
            peer.read_exact(&mut [0; 4])?;
            assert!(!sent_data(&mut queue), "round {round}: sent through the device before");
            routes.install().await?;
            own.write_all(b"ping")?;
            assert!(sent_data(&mut queue), "round {round}: not sent through the device");
            routes.withdraw().await?;
            // The same bytes come again over the wire, sent anew by TCP itself.
            peer.read_exact(&mut [0; 4])?;
        }
        Ok(())
    })
}

#[test]
fn a_running_ipv4_connection_is_borrowed_and_given_back() -> Result<()> {
    borrow_and_give_back(DUT_V4.into())
}

#[test]
fn a_running_ipv6_connection_is_borrowed_and_given_back() -> Result<()> {
    borrow_and_give_back(DUT_V6.into())
}

#[test]
fn a_table_of_somebody_else_is_refused_with_the_key_to_change() -> Result<()> {
    let lab = Lab::new()?;
    let _queue = inside(&lab.dut, open_tun)?;
    // The second route is what a Sluice on another interface would have written.
    for other in ["198.51.100.0/24", "default proto 83"] {
        lab.dut.ip(&format!("route add {other} dev {DUT} table {TABLE}"))?;
        let refused = inside(&lab.dut, async || {
            routes(&[rule(Action::Steer, 5000)]).await.unwrap().check_table().await.unwrap_err()
        });
        assert!(matches!(refused, RoutesError::TableInUse { table: TABLE }), "{refused}");
        assert!(refused.to_string().contains("[host] table"));
        lab.dut.ip(&format!("route flush table {TABLE}"))?;
    }
    Ok(())
}

#[test]
fn without_the_device_nothing_is_written() -> Result<()> {
    let lab = Lab::new()?;
    drop(inside(&lab.dut, open_tun)?);
    let before = dump(&lab.dut)?;
    let refused = inside(&lab.dut, async || {
        routes(&[rule(Action::Steer, 5000)]).await.unwrap().install().await.unwrap_err()
    });
    assert!(matches!(refused, RoutesError::TunMissing { .. }), "{refused}");
    assert_eq!(dump(&lab.dut)?, before);
    Ok(())
}

#[test]
fn a_missing_interface_is_told_by_name() -> Result<()> {
    let namespace = Namespace::new("routes")?;
    let missing = inside(&namespace, async || {
        Link::find(&netlink::connect().unwrap(), "nowhere0").await.unwrap_err()
    });
    assert!(matches!(&missing, LinkError::Missing { iface } if iface == "nowhere0"), "{missing}");
    Ok(())
}

#[test]
fn the_device_is_silent_and_takes_packets_from_anywhere() -> Result<()> {
    let lab = Lab::new()?;
    let mut queue = inside(&lab.dut, open_tun)?;
    assert_eq!(lab.dut.ip(&format!("address show dev {TUN}"))?.matches("inet").count(), 0);
    assert_eq!(lab.dut.exec("cat", &format!("/proc/sys/net/ipv4/conf/{TUN}/rp_filter"))?, "2\n");
    let mut buffer = vec![0; RECEIVE_BUFFER];
    while let Received::Packet(len) = queue.receive(&mut buffer) {
        // A multicast report about a group that no router would join is the most that is seen.
        assert_eq!(buffer[10] >> 4, 6, "{:x?}", &buffer[..len]);
        assert_eq!(buffer[10 + 24], 0xff, "{:x?}", &buffer[..len]);
    }
    Ok(())
}

#[test]
fn a_strict_filter_of_the_nic_is_loosened_and_put_back() -> Result<()> {
    let lab = Lab::new()?;
    let key = format!("/proc/sys/net/ipv4/conf/{DUT}/rp_filter");
    let set = |value: &str, key: &str| lab.dut.run(|| std::fs::write(key, value));
    let get = || lab.dut.run(|| std::fs::read_to_string(&key)).unwrap();

    set("0", &key)?;
    assert_eq!(lab.dut.run(|| sysctl::for_nic(DUT))?, []);
    // Strict for all is strict for this one.
    set("1", "/proc/sys/net/ipv4/conf/all/rp_filter")?;
    let settings = lab.dut.run(|| sysctl::for_nic(DUT))?;
    lab.dut.run(|| settings[0].apply())?;
    assert_eq!(get(), "2\n");
    lab.dut.run(|| settings[0].undo())?;
    assert_eq!(get(), "0\n");
    // What somebody has changed since is left alone.
    lab.dut.run(|| settings[0].apply())?;
    set("1", &key)?;
    lab.dut.run(|| settings[0].undo())?;
    assert_eq!(get(), "1\n");
    // An interface that is gone needs nothing.
    lab.dut.ip(&format!("link delete {DUT}"))?;
    lab.dut.run(|| settings[0].undo())?;
    Ok(())
}

#[test]
fn undoing_what_was_never_done_does_no_harm() -> Result<()> {
    let lab = Lab::new()?;
    let _queue = inside(&lab.dut, open_tun)?;
    let before = dump(&lab.dut)?;
    inside(&lab.dut, async || -> Result<()> {
        let handle = netlink::connect()?;
        let changes = routes(&[rule(Action::Steer, 5000)]).await?.changes();
        for change in &changes {
            change.undo(&handle).await?;
        }
        for change in &changes {
            change.apply(&handle).await?;
            change.apply(&handle).await?;
        }
        assert!(changes.iter().any(|change| matches!(change, Change::Rule(_))));
        for change in changes.iter().rev() {
            change.undo(&handle).await?;
            change.undo(&handle).await?;
        }
        Ok(())
    })?;
    assert_eq!(dump(&lab.dut)?, before);
    Ok(())
}
