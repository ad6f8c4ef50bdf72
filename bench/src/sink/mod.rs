//! The sink: counts what arrives until it is told to stop.

mod packet_socket;
mod rings;

pub use packet_socket::count as count_on_packet_socket;
pub use rings::count as count_on_rings;
