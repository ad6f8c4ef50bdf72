//! Host → wire through a packet socket: super-packets as the host made them.

use sluice::pipeline::Turn;
use sluice::port::Sent;
use sluice::sim::Talker;
use sluice_common::offload::{GsoType, Segmenter, VnetHeader};
use sluice_common::reason::DropReason;
use sluice_common::wire::tcp;

use super::rig::{ACK, LINK, MSS, Rig, checked_payload, config, umem};

const MTU: usize = 1500;

fn expected(seq: u32, len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| Talker::byte(seq + at)).collect()
}

/// What the socket was given, oldest first: vnet header and packet.
fn given(rig: &mut Rig<'_>) -> Vec<(VnetHeader, Vec<u8>)> {
    let socket = rig.wire().socket.as_ref().unwrap();
    let split = |bytes| VnetHeader::split(bytes).map(|(vnet, packet)| (vnet, packet.to_vec()));
    socket.taken.iter().map(|bytes| split(bytes).unwrap()).collect()
}

/// The TCP payload of packets that were given complete, each header checked.
fn complete_payload(given: &[(VnetHeader, Vec<u8>)]) -> Vec<u8> {
    let payload = |(vnet, packet): &(VnetHeader, Vec<u8>)| {
        assert_eq!(*vnet, VnetHeader::default());
        checked_payload(packet, MTU).to_vec()
    };
    given.iter().flat_map(payload).collect()
}

#[test]
fn a_super_packet_leaves_as_it_came_behind_a_link_header() {
    let umem = umem(256);
    let mut rig = Rig::with_socket(&umem, config());
    let len = 30 * MSS + 11;
    let packet = Talker::new(9, 5).super_packet(len, MSS as u16, ACK);
    rig.host().deliver(&packet);
    assert_eq!(rig.turn(), Turn::Busy);
    let (vnet, ip) = VnetHeader::split(&packet).unwrap();
    let moved = VnetHeader { hdr_len: vnet.hdr_len + 14, csum_start: vnet.csum_start + 14, ..vnet };
    assert_eq!(given(&mut rig), [(moved, [&LINK[..], ip].concat())]);
    let counts = rig.worker.counts();
    assert_eq!((counts.to_wire_trains, counts.to_wire_packets), (1, 31));
    assert_eq!(counts.to_wire_bytes, (len + 31 * 54) as u64, "as on the wire");
    assert_eq!((counts.from_host_packets, counts.from_host_supers), (1, 1));
    assert_eq!(rig.wire().wire.len(), 0, "nothing leaves by the ring");
}

#[test]
fn s9_the_checksum_of_a_packet_is_left_to_the_device() {
    let umem = umem(256);
    let mut rig = Rig::with_socket(&umem, config());
    let packet = Talker::new(9, 5).super_packet(100, MSS as u16, ACK);
    rig.host().deliver(&packet);
    rig.turn();
    let [(vnet, bytes)] = &given(&mut rig)[..] else { panic!("one packet") };
    assert_eq!((vnet.flags, vnet.csum_start, vnet.csum_offset), (VnetHeader::NEEDS_CSUM, 34, 16));
    assert_eq!((vnet.gso_type, vnet.gso_size), (0, 0));
    assert_eq!(bytes[14..], packet[VnetHeader::LEN..]);
}

#[test]
fn a_kind_that_is_not_taken_leaves_in_segments() {
    for refuses in [vec![GsoType::TCPV4], Vec::new()] {
        let umem = umem(256);
        let mut rig = Rig::with_socket(&umem, config());
        let socket = rig.wire().socket.as_mut().unwrap();
        // Said beforehand, or only when it is given one.
        socket.refuses_supers = refuses.is_empty();
        socket.refuses = refuses;
        let len = 30 * MSS + 11;
        rig.host().deliver(&Talker::new(9, 5).super_packet(len, MSS as u16, ACK));
        rig.turn();
        assert_eq!(complete_payload(&given(&mut rig)), expected(5, len));
        assert_eq!(rig.worker.counts().to_wire_packets, 31);
    }
}

#[test]
fn without_room_it_waits_and_the_others_stay_with_the_host() {
    let umem = umem(256);
    let mut rig = Rig::with_socket(&umem, config());
    let mut talker = Talker::new(9, 0);
    rig.wire().socket.as_mut().unwrap().answer = Sent::Full;
    for _ in 0..5 {
        let packet = talker.super_packet(100, MSS as u16, ACK);
        rig.host().deliver(&packet);
    }
    rig.settle();
    assert!(rig.worker.has_waiting());
    assert_eq!(rig.host().waiting(), 4);
    rig.wire().socket.as_mut().unwrap().answer = Sent::Done;
    rig.settle();
    assert_eq!(given(&mut rig).len(), 5);
    assert!(!rig.worker.has_waiting());
}

#[test]
fn what_the_kernel_drops_or_does_not_take_is_counted() {
    for answer in [Sent::Dropped, Sent::Refused] {
        let umem = umem(256);
        let mut rig = Rig::with_socket(&umem, config());
        rig.wire().socket.as_mut().unwrap().answer = answer;
        rig.host().deliver(&Talker::new(9, 0).super_packet(3 * MSS, MSS as u16, ACK));
        rig.settle();
        assert_eq!(rig.dropped(DropReason::SocketRefused), 1, "{answer:?}");
        assert_eq!(rig.worker.counts().to_wire_packets, 0);
    }
}

#[test]
fn segments_that_find_no_room_halfway_go_on_where_they_stopped() {
    let umem = umem(256);
    let mut rig = Rig::with_socket(&umem, config());
    let socket = rig.wire().socket.as_mut().unwrap();
    socket.refuses = vec![GsoType::TCPV4];
    socket.full_after = Some(2);
    rig.host().deliver(&Talker::new(9, 0).super_packet(5 * MSS, MSS as u16, ACK));
    rig.settle();
    assert_eq!(given(&mut rig).len(), 2);
    assert!(rig.worker.has_waiting());
    rig.wire().socket.as_mut().unwrap().full_after = None;
    rig.settle();
    assert_eq!(complete_payload(&given(&mut rig)), expected(0, 5 * MSS));
    assert_eq!(rig.worker.counts().to_wire_packets, 5);
}

/// A receiver's GRO might pass a last segment with PSH or FIN on before those it holds.
#[test]
fn s5_the_last_segment_leaves_by_itself_if_it_has_psh() {
    for len in [2 * MSS, 3 * MSS, 3 * MSS + 7, 30 * MSS] {
        let umem = umem(256);
        let mut rig = Rig::with_socket(&umem, config());
        let packet = Talker::new(9, 5).super_packet(len, MSS as u16, ACK.with(tcp::Flags::PSH));
        rig.host().deliver(&packet);
        rig.turn();
        let given = given(&mut rig);
        assert_eq!(given.len(), 2, "{len}");
        let (rest, last) = given.split_at(1);
        let (vnet, bytes) = &rest[0];
        let mut segments = Vec::new();
        if vnet.gso_type == 0 {
            segments.push((VnetHeader::default(), bytes.clone()));
        } else {
            let vnet = VnetHeader { csum_start: vnet.csum_start - 14, ..*vnet };
            let cut = Segmenter::new(&bytes[14..], &vnet, MTU).unwrap();
            for index in 0..cut.count() {
                let mut wire = [&LINK[..], &vec![0; cut.segment_len(index)]].concat();
                cut.write(index, &mut wire[14..]);
                segments.push((VnetHeader::default(), wire));
            }
        }
        segments.extend(last.iter().cloned());
        assert_eq!(complete_payload(&segments), expected(5, len));
        let pushes = segments.iter().map(|(_, bytes)| bytes[14 + 20 + 13] & 8 != 0);
        let pushes: Vec<_> = pushes.collect();
        assert!(pushes.split_last().is_some_and(|(last, rest)| *last && !rest.contains(&true)));
        assert_eq!(rig.worker.counts().to_wire_packets, len.div_ceil(MSS) as u64);
    }
}
