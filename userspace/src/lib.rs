//! Sluice, the shell around `sluice-common`: everything that needs a system call, a thread or mapped
//! memory. No protocol rule lives here.
//!
//! | module | what it holds |
//! |---|---|
//! | [`cli`] | the command line: run, check, explain, features, stats |
//! | [`config`] | the configuration file: what may be said, and what is wrong with it |
//! | [`control`] | the two processes: what is changed on the machine, watched and put back |
//! | [`explain`] | what the coalescer would do with the packets of a capture |
//! | [`observe`] | what is counted, and how it is told |
//! | [`pipeline`] | the worker: receive, coalesce, hand over; take, segment, transmit |
//! | [`port`] | where packets come from and go to, and what each place can take |
//! | [`sim`] | ports made of memory, for tests without root |
//! | [`steer`] | the XDP program: loaded, fed with rules, attached |
//! | [`tun`] | the local kernel's end of host mode: a multi-queue TUN device |
//! | [`xsk`] | AF_XDP: packet memory as values, sockets, the workers' sign of life |

pub mod cli;
pub mod config;
pub mod control;
pub mod explain;
pub mod observe;
pub mod pipeline;
pub mod port;
pub mod sim;
pub mod steer;
pub mod tun;
pub mod xsk;
