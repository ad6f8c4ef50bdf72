//! The requests to a TUN descriptor that `tun-rs` does not make as Sluice needs them
//! (`linux/if_tun.h`).

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc::{TUN_F_CSUM, TUN_F_TSO_ECN, TUN_F_TSO4, TUN_F_TSO6, TUN_F_USO4, TUN_F_USO6};

use super::Offloads;

nix::ioctl_write_int!(
    /// `TUNSETOFFLOAD`: what the device leaves to whoever reads from it. The argument is the value.
    tun_set_offload, b'T', 208
);
nix::ioctl_write_ptr!(
    /// `TUNSETVNETHDRSZ`: bytes of the vnet header.
    tun_set_vnet_header_size, b'T', 216, nix::libc::c_int
);

/// Bytes of `struct virtio_net_hdr`, without the buffer count that follows it in merged receive.
const VNET_HEADER_LEN: nix::libc::c_int = 10;

/// Lets the device leave to its reader what `offloads` says, and nothing else.
///
/// `TUN_F_TSO_ECN`, which `tun-rs` leaves out, keeps the super-packets of connections that use ECN whole.
pub(super) fn set_offload(tun: impl AsFd, offloads: Offloads) -> io::Result<()> {
    let flag = |on, flags| if on { flags } else { 0 };
    let flags = flag(offloads.checksums, TUN_F_CSUM)
        | flag(offloads.tcp, TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
        | flag(offloads.udp, TUN_F_USO4 | TUN_F_USO6);
    // SAFETY: TUNSETOFFLOAD takes its argument by value and touches no memory of this process; the
    // descriptor is open for as long as `tun` is borrowed.
    unsafe { tun_set_offload(tun.as_fd().as_raw_fd(), flags.into()) }?;
    Ok(())
}

/// Makes sure that ten bytes of vnet header stand before each packet.
pub(super) fn set_vnet_header_size(tun: impl AsFd) -> io::Result<()> {
    // SAFETY: TUNSETVNETHDRSZ reads one `int` behind the pointer, which is a constant of that type;
    // the descriptor is open for as long as `tun` is borrowed.
    unsafe { tun_set_vnet_header_size(tun.as_fd().as_raw_fd(), &VNET_HEADER_LEN) }?;
    Ok(())
}
