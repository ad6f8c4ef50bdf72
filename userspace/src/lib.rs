//! Sluice, the shell around `sluice-common`: everything that needs a system call, a thread or mapped
//! memory. No protocol rule lives here.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the configuration file: what may be said, and what is wrong with it |
//! | [`port`] | where packets come from and go to, and what each place can take |
//! | [`steer`] | the XDP program: loaded, fed with rules, attached |
//! | [`tun`] | the local kernel's end of host mode: a multi-queue TUN device |

pub mod config;
pub mod port;
pub mod steer;
pub mod tun;
