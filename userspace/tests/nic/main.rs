//! Sluice on real NIC drivers.
//!
//! These tests run in the machine that `cargo xtask nic-lab` boots: `cargo xtask test --nic igb --only-nic`. The machine is
//! emulated where KVM does not work and then slow, so files are small, and nothing is measured.
//!
//! | module | what it tests |
//! |---|---|
//! | `offers` | native or generic, zero-copy or copy, as the driver has it |
//! | `carries` | files cross unchanged, and so they do after the cable was out |
//! | `queues` | any number of queues carries, and one that Sluice has set is put back |
//! | `flood` | 64-byte packets as fast as the kernel sends them, while iperf3 runs |
//! | `wire` | files cross a wire between two NICs, also while no worker carries them |
//! | `iperf` | so does iperf3, which Sluice carries both ways |
//! | `bed` | two NICs, and Sluice on one |
//! | `evidence` | what there is to say where a test has failed |
//! | `driver` | which driver it is, and what that is known to do |
//! | `found` | the state a NIC is in |
//! | `pktgen` | the kernel's packet generator |

mod bed;
mod carries;
mod driver;
mod evidence;
mod flood;
mod found;
mod iperf;
mod offers;
mod pktgen;
mod queues;
mod wire;
