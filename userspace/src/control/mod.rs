//! The control side: what Sluice asks of the machine and changes on it. Nothing here is on a packet's way.
//!
//! | module | what it holds |
//! |---|---|
//! | [`supervisor`] | the parent: attaches, diverts, watches, puts back |
//! | [`data_plane`] | the child: opens everything, gives its rights up, runs the workers |
//! | [`protocol`] | what the two say to each other |
//! | `descriptors` | handing the program's maps to the child |
//! | [`privileges`] | giving them up; dying with the parent |
//! | `backoff` | how long to wait before the next start |
//! | [`socket`] | the control socket |
//! | [`request`] | what is asked over it |
//! | [`nic`] | what a NIC is and can do |
//! | [`netlink`] | the connection to the kernel's routing tables |
//! | [`link`] | an interface: index, MAC address, MTU, addresses |
//! | [`mirror`] | the links of the two ports of wire mode |
//! | [`netns`] | which network namespace this is |
//! | [`routes`] | policy rules and routes that bring the replies of steered flows to the TUN device |
//! | [`next_hops`] | the link header of each destination, kept current |
//! | [`sysctl`] | settings under `/proc/sys/net`, with the value they had |
//! | [`journal`] | what was changed, on disk before it is changed, so that it can be undone |

mod backoff;
pub mod data_plane;
mod descriptors;
pub mod journal;
pub mod link;
pub mod mirror;
pub mod netlink;
pub mod netns;
pub mod next_hops;
pub mod nic;
pub mod privileges;
pub mod protocol;
pub mod request;
pub mod routes;
pub mod socket;
pub mod supervisor;
pub mod sysctl;
