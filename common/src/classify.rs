//! Steering: which rule matches a packet, and what is done with it.

/// What a rule does with the packets that match it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Action {
    /// To an AF_XDP socket.
    Steer = 0,
    /// On to the kernel.
    Pass = 1,
    /// Nowhere.
    Drop = 2,
}
