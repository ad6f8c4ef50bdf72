//! Handing open descriptors to the data plane (`SCM_RIGHTS`, unix(7)).
//!
//! They are maps of the XDP program. Sent over the socket instead of inherited, they stay
//! close-on-exec in the supervisor and arrive as owned values.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// The byte that carries the descriptors: ancillary data needs some data to travel with.
const CARRIER: [u8; 1] = *b"\n";

/// Maps of one program that travel: XSKMAP and HEARTBEAT, in this order.
pub(super) const MAPS: usize = 2;

/// Most descriptors that travel: the maps of two ports.
const MOST: usize = 2 * MAPS;

/// Sends the maps of all ports.
pub(super) fn send(stream: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    sendmsg(stream, &[IoSlice::new(&CARRIER)], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

/// Receives the maps, port by port. Blocks until they come.
pub(super) fn receive(stream: &UnixStream) -> io::Result<Vec<[OwnedFd; MAPS]>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut carrier = [0; CARRIER.len()];
    let flags = RecvFlags::CMSG_CLOEXEC;
    recvmsg(stream, &mut [IoSliceMut::new(&mut carrier)], &mut ancillary, flags)?;
    let rights = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let mut descriptors = rights.flatten();
    let mut ports = Vec::new();
    while let Some(sockets) = descriptors.next() {
        let heartbeat =
            descriptors.next().ok_or_else(|| io::Error::other("half of a port's maps came"))?;
        ports.push([sockets, heartbeat]);
    }
    if ports.is_empty() { Err(io::Error::other("no map came")) } else { Ok(ports) }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn descriptors_arrive_in_order_and_open() {
        let (here, there) = UnixStream::pair().unwrap();
        let files = ["first", "second", "third", "fourth"].map(|text| {
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, text.as_bytes()).unwrap();
            io::Seek::rewind(&mut file).unwrap();
            file
        });
        send(&here, &files.each_ref().map(AsFd::as_fd)).unwrap();
        drop(files);
        let read = |descriptor| {
            let mut text = String::new();
            std::fs::File::from(descriptor).read_to_string(&mut text).unwrap();
            text
        };
        let ports: Vec<_> =
            receive(&there).unwrap().into_iter().map(|port| port.map(read)).collect();
        assert_eq!(ports, [["first", "second"], ["third", "fourth"]]);
    }

    #[test]
    fn half_a_port_is_an_error() {
        let (here, there) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        send(&here, &[file.as_fd(), file.as_fd(), file.as_fd()]).unwrap();
        assert!(receive(&there).unwrap_err().to_string().contains("half of a port's maps"));
    }

    #[test]
    fn a_message_without_descriptors_is_an_error() {
        let (mut here, there) = UnixStream::pair().unwrap();
        io::Write::write_all(&mut here, &CARRIER).unwrap();
        assert!(receive(&there).unwrap_err().to_string().contains("no map"));
    }
}
