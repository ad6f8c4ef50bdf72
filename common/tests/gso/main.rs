//! The segmentation rules, one test a rule, and a test for each lie a vnet header can tell.
//!
//! | module | what is cut |
//! |---|---|
//! | `tcp` | TCP super-packets (TSO) |
//! | `udp` | UDP super-packets into datagrams (USO) |
//! | `fragments` | datagrams larger than the MTU (UFO), and super-packets beyond 64 KiB |
//! | `tunnels` | what is inside a tunnel |
//! | `cut` | what all of them share |

mod cut;
mod fragments;
mod tcp;
mod tunnels;
mod udp;
