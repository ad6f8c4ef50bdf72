//! The program as users run it, between two network namespaces, under real traffic. Needs root.
//!
//! | module | what it shows |
//! |---|---|
//! | `traffic` | what is sent arrives, as super-packets inside and sound packets on the wire |
//! | `coexistence` | what no rule names stays with the kernel |
//! | `takeover` | connections go over to Sluice and back, however it ends |
//! | `cycles` | nothing is left behind |
//! | `malformed` | what no sane host sends does no harm |
//! | `idle` | no traffic costs nothing to speak of |
//! | `jumbo` | packets that span frames, and drivers that have none |
//! | `udp` | datagrams merge and are cut, and all of them arrive |
//! | `bed` | what all of them stand on |

mod bed;
mod coexistence;
mod cycles;
mod idle;
mod jumbo;
mod malformed;
mod takeover;
mod traffic;
mod udp;
