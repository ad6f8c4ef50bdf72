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

/// How many descriptors travel: XSKMAP and HEARTBEAT.
const COUNT: usize = 2;

/// Sends the two descriptors.
pub(super) fn send(stream: &UnixStream, descriptors: [BorrowedFd<'_>; COUNT]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(COUNT))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(stream, &[IoSlice::new(&CARRIER)], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

/// Receives the two descriptors. Blocks until they come.
pub(super) fn receive(stream: &UnixStream) -> io::Result<[OwnedFd; COUNT]> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(COUNT))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut carrier = [0; CARRIER.len()];
    let flags = RecvFlags::CMSG_CLOEXEC;
    recvmsg(stream, &mut [IoSliceMut::new(&mut carrier)], &mut ancillary, flags)?;
    let rights = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors: Vec<OwnedFd> = rights.flatten().collect();
    descriptors.try_into().map_err(|got: Vec<_>| {
        io::Error::other(format!("{} descriptors came where {COUNT} were expected", got.len()))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn descriptors_arrive_in_order_and_open() {
        let (here, there) = UnixStream::pair().unwrap();
        let files = ["first", "second"].map(|text| {
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, text.as_bytes()).unwrap();
            io::Seek::rewind(&mut file).unwrap();
            file
        });
        send(&here, [files[0].as_fd(), files[1].as_fd()]).unwrap();
        drop(files);
        let read = receive(&there).unwrap().map(|descriptor| {
            let mut text = String::new();
            std::fs::File::from(descriptor).read_to_string(&mut text).unwrap();
            text
        });
        assert_eq!(read, ["first", "second"]);
    }

    #[test]
    fn a_message_without_descriptors_is_an_error() {
        let (mut here, there) = UnixStream::pair().unwrap();
        io::Write::write_all(&mut here, &CARRIER).unwrap();
        assert!(receive(&there).unwrap_err().to_string().contains("0 descriptors"));
    }
}
