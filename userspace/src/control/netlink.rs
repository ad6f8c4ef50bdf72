//! The connection to the kernel's links, addresses, routes, rules and neighbours (rtnetlink(7)).

use std::io;

use netlink_sys::AsyncSocket;
use nix::errno::Errno;
use rtnetlink::Handle;

/// Opens a connection in the calling thread's network namespace and has the current Tokio runtime
/// serve it, for as long as a clone of the handle lives.
///
/// # Errors
/// Where the kernel gives no netlink socket.
///
/// # Panics
/// Outside a Tokio runtime.
pub fn connect() -> io::Result<Handle> {
    let (mut connection, handle, _) = rtnetlink::new_connection()?;
    // Lets the kernel filter a dump by table or interface instead of sending all of it: a router's
    // main table has a million routes.
    connection.socket_mut().socket_ref().set_netlink_get_strict_chk(true)?;
    tokio::spawn(connection);
    Ok(handle)
}

/// What the kernel answered, where the error is an answer of the kernel.
pub(crate) fn errno(error: &rtnetlink::Error) -> Option<Errno> {
    match error {
        rtnetlink::Error::NetlinkError(message) => Some(Errno::from_raw(-message.raw_code())),
        _ => None,
    }
}

/// Takes an error that says "it is so already" for success.
pub(crate) fn unless(
    result: Result<(), rtnetlink::Error>,
    harmless: &[Errno],
) -> Result<(), rtnetlink::Error> {
    result.or_else(|error| match errno(&error) {
        Some(errno) if harmless.contains(&errno) => Ok(()),
        _ => Err(error),
    })
}
