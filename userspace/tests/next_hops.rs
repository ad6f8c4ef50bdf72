//! Next hops against a real kernel's routes and neighbours. Needs root.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use sluice::config::{Host, Proto, Routes, Rule};
use sluice::control::link::{Link, Sources};
use sluice::control::netlink;
use sluice::control::next_hops::{self, Client, NextHopsError, Resolver};
use sluice::control::routes::{PolicyRoutes, plan};
use sluice::control::sysctl::{self, Setting};
use sluice::port::{HostPort, LinkHeader, NextHops, Received};
use sluice::tun::{Device, Offloads, Settings};
use sluice_common::classify::Action;
use sluice_common::wire::{Addresses, EtherType, ethernet::Mac};
use sluice_lab::{
    Capture, DUT, DUT_V4, DUT_V6, Direction, Lab, Namespace, PEER, PEER_V4, PEER_V6, wait_until,
};
use tokio::sync::oneshot;

const LIMIT: Duration = Duration::from_secs(5);
/// Beyond the wire (RFC 5737).
const FAR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

fn inside<T: Send>(namespace: &Namespace, body: impl AsyncFnOnce() -> T + Send) -> T {
    namespace.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(body())
    })
}

fn link(host: &Namespace, name: &str) -> Link {
    inside(host, async || Link::find(&netlink::connect().unwrap(), name).await.unwrap())
}

fn open(lab: &Lab) -> (Resolver, Client) {
    let port = link(&lab.dut, DUT);
    let (resolver, mut clients) = lab.dut.run(|| next_hops::open(&port, 1)).unwrap();
    (resolver, clients.remove(0))
}

/// Runs `body` with a client whose resolver runs beside it, and returns the client.
fn with_client(lab: &Lab, body: impl FnOnce(&mut Client) -> Result<()>) -> Result<Client> {
    let (resolver, mut client) = open(lab);
    thread::scope(|scope| {
        // Dropped when `body` returns or panics, and that stops the resolver.
        let (running, mut stop) = oneshot::channel::<()>();
        scope.spawn(move || {
            inside(&lab.dut, async move || {
                // As in the data plane; this thread only.
                caps::clear(None, caps::CapSet::Effective).unwrap();
                caps::clear(None, caps::CapSet::Permitted).unwrap();
                tokio::select! {
                    ended = resolver.run() => panic!("the resolver ended: {ended:?}"),
                    _ = &mut stop => {}
                }
            });
        });
        let _running = running;
        body(&mut client)
    })?;
    Ok(client)
}

fn v4(dst: Ipv4Addr) -> Addresses {
    Addresses::V4 { src: DUT_V4.octets(), dst: dst.octets() }
}

fn v6() -> Addresses {
    Addresses::V6 { src: DUT_V6.octets(), dst: PEER_V6.octets() }
}

/// An IP packet of protocol TCP that carries `mark`; nobody's to answer.
fn packet(addresses: &Addresses, mark: u8) -> Vec<u8> {
    let payload = [mark; 40];
    let mut packet = match *addresses {
        Addresses::V4 { src, dst } => {
            let mut header = vec![0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 6, 0, 0];
            header.extend(src.iter().chain(&dst));
            header
        }
        Addresses::V6 { src, dst } => {
            let mut header = vec![0x60, 0, 0, 0, 0, 40, 6, 64];
            header.extend(src.iter().chain(&dst));
            header
        }
    };
    packet.extend(payload);
    packet
}

fn header_of(client: &mut Client, to: &Addresses) -> Result<LinkHeader> {
    wait_until("the next hop is known", LIMIT, || client.link_header(to))
}

fn wait_for_mac(client: &mut Client, to: &Addresses, mac: Mac) -> Result<()> {
    wait_until(&format!("the next hop is {mac:x?}"), LIMIT, || {
        client.link_header(to).filter(|header| header.as_bytes()[..6] == mac)
    })?;
    Ok(())
}

fn wait_for_kernel_path(client: &mut Client, to: &Addresses) -> Result<()> {
    wait_until("the kernel's path is taken", LIMIT, || {
        // Twice: a neighbour to be confirmed is passed over once only.
        (client.link_header(to).is_none() && client.link_header(to).is_none()).then_some(())
    })
}

/// Asks, and waits until the answer is there and says the kernel's path: questions are answered in their
/// order, so once the peer's, asked second, is known to be at `mac`, the first has been answered.
fn answered_no(client: &mut Client, to: &Addresses, mac: Mac) -> Result<()> {
    assert_eq!(client.link_header(to), None);
    wait_for_mac(client, &v4(PEER_V4), mac)?;
    assert_eq!(client.link_header(to), None);
    Ok(())
}

/// A neighbour with a MAC address of its own that needs no resolving.
fn neighbour(lab: &Lab, address: impl Into<IpAddr>, last: u8) -> Result<Mac> {
    let address = address.into();
    lab.dut.ip(&format!(
        "neigh replace {address} lladdr 02:00:00:00:00:{last:02x} nud permanent dev {DUT}"
    ))?;
    Ok([2, 0, 0, 0, 0, last])
}

fn unknown_then_resolved(to: Addresses, ethertype: EtherType) -> Result<()> {
    let lab = Lab::new()?;
    let (own, peer) = (link(&lab.dut, DUT).mac.unwrap(), link(&lab.peer, PEER).mac.unwrap());
    let capture = Capture::open(&lab.peer, PEER)?;
    let packet = packet(&to, 0xa5);
    with_client(&lab, |client| {
        wait_for_kernel_path(client, &to)?;
        assert!(client.kernel_path(&packet, &to), "the kernel refused the packet");
        // The packet was not lost, and that it went taught the kernel its neighbour.
        assert!(arrives(&capture, &packet)?);
        let header = header_of(client, &to)?;
        assert_eq!(header, LinkHeader::new(peer, own, ethertype));
        Ok(())
    })?;
    Ok(())
}

/// Whether a packet with the same payload is seen.
fn arrives(capture: &Capture, packet: &[u8]) -> Result<bool> {
    let mut buffer = [0; 2048];
    wait_until("the packet arrives", LIMIT, || {
        let captured = capture.next(&mut buffer).unwrap()?;
        let ends_alike = captured.bytes.ends_with(&packet[packet.len() - 40..]);
        (captured.direction == Direction::In && ends_alike).then_some(true)
    })
}

#[test]
fn an_unknown_ipv4_neighbour_takes_the_kernels_path_until_it_is_resolved() -> Result<()> {
    unknown_then_resolved(v4(PEER_V4), EtherType::IPV4)
}

#[test]
fn an_unknown_ipv6_neighbour_takes_the_kernels_path_until_it_is_resolved() -> Result<()> {
    unknown_then_resolved(v6(), EtherType::IPV6)
}

#[test]
fn a_neighbour_that_gets_another_mac_or_goes_is_followed() -> Result<()> {
    let lab = Lab::new()?;
    let first = neighbour(&lab, PEER_V4, 1)?;
    with_client(&lab, |client| {
        wait_for_mac(client, &v4(PEER_V4), first)?;
        let second = neighbour(&lab, PEER_V4, 2)?;
        wait_for_mac(client, &v4(PEER_V4), second)?;
        lab.dut.ip(&format!("neigh del {PEER_V4} dev {DUT}"))?;
        wait_for_kernel_path(client, &v4(PEER_V4))
    })?;
    Ok(())
}

#[test]
fn a_route_to_another_gateway_is_followed() -> Result<()> {
    let lab = Lab::new()?;
    let (one, two) = (Ipv4Addr::new(192, 0, 2, 11), Ipv4Addr::new(192, 0, 2, 12));
    let (mac_one, mac_two) = (neighbour(&lab, one, 1)?, neighbour(&lab, two, 2)?);
    lab.dut.ip(&format!("route add {FAR} via {one}"))?;
    with_client(&lab, |client| {
        wait_for_mac(client, &v4(FAR), mac_one)?;
        lab.dut.ip(&format!("route replace {FAR} via {two}"))?;
        wait_for_mac(client, &v4(FAR), mac_two)?;
        // A rule that looks at the source is seen as well.
        lab.dut.ip(&format!("route add {FAR} via {one} table 77"))?;
        lab.dut.ip(&format!("rule add from {DUT_V4} lookup 77"))?;
        wait_for_mac(client, &v4(FAR), mac_one)
    })?;
    Ok(())
}

#[test]
fn what_is_unreachable_is_refused_until_there_is_a_route() -> Result<()> {
    let lab = Lab::new()?;
    let mac = neighbour(&lab, PEER_V4, 1)?;
    with_client(&lab, |client| {
        answered_no(client, &v4(FAR), mac)?;
        assert!(!client.kernel_path(&packet(&v4(FAR), 1), &v4(FAR)), "sent without a route");
        lab.dut.ip(&format!("route add {FAR} via {PEER_V4}"))?;
        wait_for_mac(client, &v4(FAR), mac)
    })?;
    Ok(())
}

#[test]
fn a_route_with_a_smaller_mtu_or_another_interface_stays_on_the_kernels_path() -> Result<()> {
    let lab = Lab::new()?;
    let mac = neighbour(&lab, PEER_V4, 1)?;
    lab.dut.ip(&format!("route add {FAR} via {PEER_V4}"))?;
    with_client(&lab, |client| {
        wait_for_mac(client, &v4(FAR), mac)?;
        lab.dut.ip(&format!("route replace {FAR} via {PEER_V4} mtu 1400"))?;
        wait_for_kernel_path(client, &v4(FAR))?;
        lab.dut.ip(&format!("route replace {FAR} via {PEER_V4}"))?;
        wait_for_mac(client, &v4(FAR), mac)?;
        lab.dut.ip(&format!("route replace {FAR} dev lo"))?;
        wait_for_kernel_path(client, &v4(FAR))
    })?;
    Ok(())
}

#[test]
fn the_port_going_down_and_up_or_getting_another_mac_is_followed() -> Result<()> {
    let lab = Lab::new()?;
    let mac = neighbour(&lab, PEER_V4, 1)?;
    with_client(&lab, |client| {
        wait_for_mac(client, &v4(PEER_V4), mac)?;
        lab.dut.ip(&format!("link set {DUT} down"))?;
        wait_for_kernel_path(client, &v4(PEER_V4))?;
        lab.dut.ip(&format!("link set {DUT} address 02:00:00:00:00:99"))?;
        lab.dut.ip(&format!("link set {DUT} up"))?;
        let mac = neighbour(&lab, PEER_V4, 3)?;
        wait_for_mac(client, &v4(PEER_V4), mac)?;
        let header = header_of(client, &v4(PEER_V4))?;
        assert_eq!(header.as_bytes()[6..12], [2, 0, 0, 0, 0, 0x99]);
        Ok(())
    })?;
    Ok(())
}

/// The kernel tells of no IPv4 route that goes with its interface, only of the interface.
#[test]
fn a_route_that_goes_with_another_interface_is_noticed() -> Result<()> {
    let lab = Lab::new()?;
    let mac = neighbour(&lab, PEER_V4, 1)?;
    // IPv6 would tell of addresses and routes of its own, at once and when they are found to be unique.
    for which in ["all", "default"] {
        let key = format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6");
        lab.dut.run(|| std::fs::write(key, "1"))?;
    }
    lab.dut.ip("link add x0 type veth peer name x1")?;
    lab.dut.ip("link set x0 up")?;
    lab.dut.ip("link set x1 up")?;
    lab.dut.ip("address add 203.0.113.1/24 dev x0")?;
    lab.dut.ip(&format!("route add {FAR} via 203.0.113.2 metric 10"))?;
    lab.dut.ip(&format!("route add {FAR} via {PEER_V4} metric 100"))?;
    with_client(&lab, |client| {
        answered_no(client, &v4(FAR), mac)?;
        lab.dut.ip("link set x0 down")?;
        wait_for_mac(client, &v4(FAR), mac)
    })?;
    Ok(())
}

#[test]
fn a_stale_neighbour_is_confirmed_by_one_packet_on_the_kernels_path() -> Result<()> {
    let lab = Lab::new()?;
    let to = v4(PEER_V4);
    let peer = link(&lab.peer, PEER).mac.unwrap();
    lab.dut.exec("ping", &format!("-c 1 {PEER_V4}"))?;
    // The kernel waits this long for a sign from above before it asks the neighbour itself.
    lab.dut.run(|| {
        std::fs::write(format!("/proc/sys/net/ipv4/neigh/{DUT}/delay_first_probe_time"), "0")
    })?;
    let state = || lab.dut.ip(&format!("neigh show {PEER_V4} dev {DUT}")).unwrap();
    with_client(&lab, |client| {
        wait_for_mac(client, &to, peer)?;
        lab.dut.ip(&format!("neigh change {PEER_V4} nud stale dev {DUT}"))?;
        wait_until("one packet takes the detour", LIMIT, || {
            client.link_header(&to).is_none().then_some(())
        })?;
        assert!(client.link_header(&to).is_some(), "two packets took the detour");
        assert!(state().contains("STALE"), "{}", state());
        assert!(client.kernel_path(&packet(&to, 1), &to));
        wait_until("the neighbour is confirmed", LIMIT, || {
            state().contains("REACHABLE").then_some(())
        })?;
        wait_for_mac(client, &to, peer)
    })?;
    Ok(())
}

#[test]
fn sluices_own_policy_rules_bend_neither_the_lookup_nor_the_kernels_path() -> Result<()> {
    const TUN: &str = "sluice0";
    let lab = Lab::new()?;
    let host = Host { tun: TUN.to_owned(), routes: Routes::Mirror, table: 21_000, priority: 1000 };
    let (src, dst, src_port, dst_port, vlan) = (None, None, None, None, None);
    let rule =
        Rule { src, dst, proto: Some(Proto::Tcp), src_port, dst_port, vlan, action: Action::Steer };
    let mut queue = inside(&lab.dut, async || -> Result<_> {
        let handle = netlink::connect()?;
        let settings = Settings { name: TUN, queues: 1, mtu: 1500, offloads: Offloads::ALL };
        let (_, _, mut queues) = Device::open(&settings)?;
        sysctl::for_tun(TUN)?.iter().try_for_each(Setting::apply)?;
        Link::find(&handle, TUN).await?.set_up(&handle).await?;
        let sources = Sources { v4: Some(DUT_V4), v6: Some(DUT_V6) };
        PolicyRoutes::new(handle, &host, plan(&host, &[rule])?, sources).install().await?;
        Ok(queues.remove(0))
    })?;
    let capture = Capture::open(&lab.peer, PEER)?;
    for (to, mark) in [(v4(PEER_V4), 0xb4), (v6(), 0xb6)] {
        let packet = packet(&to, mark);
        with_client(&lab, |client| {
            wait_for_kernel_path(client, &to)?;
            assert!(client.kernel_path(&packet, &to));
            assert!(arrives(&capture, &packet)?);
            header_of(client, &to)?;
            Ok(())
        })?;
        let mut buffer = [0; 2048];
        while let Received::Packet(len) = queue.receive(&mut buffer) {
            assert!(
                !buffer[..len].ends_with(&[mark; 40]),
                "the packet came back through the device"
            );
        }
    }
    Ok(())
}

#[test]
fn multicast_neither_asks_nor_leaves() -> Result<()> {
    let lab = Lab::new()?;
    let (_resolver, mut client) = open(&lab);
    let to =
        Addresses::V6 { src: [0; 16], dst: "ff02::16".parse::<std::net::Ipv6Addr>()?.octets() };
    assert_eq!(client.link_header(&to), None);
    assert!(!client.kernel_path(&packet(&to, 1), &to));
    Ok(())
}

#[test]
fn without_its_resolver_a_client_trusts_nothing_it_knew() -> Result<()> {
    let lab = Lab::new()?;
    let mac = neighbour(&lab, PEER_V4, 1)?;
    let mut client = with_client(&lab, |client| wait_for_mac(client, &v4(PEER_V4), mac))?;
    assert_eq!(client.link_header(&v4(PEER_V4)), None);
    assert!(client.kernel_path(&packet(&v4(PEER_V4), 1), &v4(PEER_V4)));
    Ok(())
}

#[test]
fn a_port_without_mac_address_is_refused_by_name() -> Result<()> {
    let namespace = Namespace::new("hops")?;
    let (device, _control, _queues) = namespace.run(|| {
        Device::open(&Settings { name: "tun7", queues: 1, mtu: 1500, offloads: Offloads::ALL })
    })?;
    let port = link(&namespace, &device.name);
    assert_eq!((port.mac, port.index), (None, device.index));
    let refused = namespace.run(|| next_hops::open(&port, 1)).unwrap_err();
    assert!(matches!(refused, NextHopsError::NotEthernet { .. }), "{refused}");
    Ok(())
}
