//! The kernel's answer to "which way to this destination?".

use std::net::IpAddr;

use futures::TryStreamExt;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteType, RouteVia,
};
use rtnetlink::Handle;

use super::message::{Question, destination, source};
use super::table::Way;

/// IANA "Protocol Numbers": what is asked for, because no policy rule of Sluice's names it. The kernel
/// takes a question that names no protocol for one about UDP (`inet_rtm_getroute`).
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// The interface that a way must lead through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) index: u32,
    pub(super) mtu: u32,
}

/// Asks the kernel. What it refuses to answer, it also refuses to send or knows better how to.
pub(super) async fn way(handle: &Handle, port: Port, question: &Question) -> Way {
    let mut answer = handle.route().get(request(port, question)).execute();
    match answer.try_next().await {
        Ok(Some(route)) => way_of(port, destination(question), &route),
        Ok(None) | Err(_) => Way::Kernel,
    }
}

fn request(port: Port, question: &Question) -> RouteMessage {
    let (to, from) = (destination(question), source(question));
    let (family, length, protocol) = match to {
        IpAddr::V4(_) => (AddressFamily::Inet, 32, ICMP),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128, ICMPV6),
    };
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.header.destination_prefix_length = length;
    message.header.source_prefix_length = length;
    message.attributes.push(RouteAttribute::Destination(to.into()));
    message.attributes.push(RouteAttribute::Source(from.into()));
    message.attributes.push(RouteAttribute::IpProto(protocol));
    if matches!(to, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        message.attributes.push(RouteAttribute::Oif(port.index));
    }
    message
}

fn way_of(port: Port, to: IpAddr, route: &RouteMessage) -> Way {
    let mut next = Some(to);
    let mut leaves_by_port = false;
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(index) => leaves_by_port = *index == port.index,
            RouteAttribute::Gateway(gateway) => next = address(gateway),
            RouteAttribute::Via(RouteVia::Inet(v4)) => next = Some((*v4).into()),
            RouteAttribute::Via(RouteVia::Inet6(v6)) => next = Some((*v6).into()),
            // A tunnel header, or pieces: the kernel's business.
            RouteAttribute::EncapType(_) | RouteAttribute::Via(_) => return Way::Kernel,
            RouteAttribute::Metrics(metrics) if is_narrower(metrics, port.mtu) => {
                return Way::Kernel;
            }
            _ => {}
        }
    }
    match next {
        Some(next) if leaves_by_port && route.header.kind == RouteType::Unicast => {
            Way::Neighbour(next)
        }
        _ => Way::Kernel,
    }
}

fn address(gateway: &RouteAddress) -> Option<IpAddr> {
    match *gateway {
        RouteAddress::Inet(v4) => Some(v4.into()),
        RouteAddress::Inet6(v6) => Some(v6.into()),
        _ => None,
    }
}

/// A metric of 0 is none.
fn is_narrower(metrics: &[RouteMetric], mtu: u32) -> bool {
    metrics.iter().any(|metric| matches!(metric, RouteMetric::Mtu(own) if (1..mtu).contains(own)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: Port = Port { index: 7, mtu: 1500 };
    const TO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));
    const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn way_with(kind: RouteType, attributes: &[RouteAttribute]) -> Way {
        let mut route = RouteMessage::default();
        route.header.kind = kind;
        route.attributes = attributes.to_vec();
        way_of(PORT, TO, &route)
    }

    #[test]
    fn the_gateway_is_the_neighbour_and_without_one_the_destination_is() {
        let (oif, gateway) = (RouteAttribute::Oif(7), RouteAttribute::Gateway(ROUTER.into()));
        let by_router = way_with(RouteType::Unicast, &[oif.clone(), gateway]);
        assert_eq!(by_router, Way::Neighbour(ROUTER));
        assert_eq!(way_with(RouteType::Unicast, &[oif]), Way::Neighbour(TO));
    }

    #[test]
    fn a_gateway_of_the_other_family_is_the_neighbour_too() {
        let v6 = "fe80::1".parse().unwrap();
        let attributes = [RouteAttribute::Oif(7), RouteAttribute::Via(RouteVia::Inet6(v6))];
        assert_eq!(way_with(RouteType::Unicast, &attributes), Way::Neighbour(v6.into()));
    }

    #[test]
    fn another_interface_another_kind_or_a_smaller_mtu_is_the_kernels_business() {
        let mtu = |mtu| RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]);
        assert_eq!(way_with(RouteType::Unicast, &[RouteAttribute::Oif(8)]), Way::Kernel);
        assert_eq!(way_with(RouteType::Local, &[RouteAttribute::Oif(7)]), Way::Kernel);
        assert_eq!(way_with(RouteType::Unicast, &[RouteAttribute::Oif(7), mtu(1400)]), Way::Kernel);
        let same = way_with(RouteType::Unicast, &[RouteAttribute::Oif(7), mtu(1500)]);
        assert_eq!(same, Way::Neighbour(TO));
        assert_eq!(way_with(RouteType::Unicast, &[]), Way::Kernel);
    }
}
