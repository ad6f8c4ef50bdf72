//! What a configuration says, once it is known to be sound.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use sluice_common::stage::AnyStage;

/// A whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What Sluice does.
    pub mode: Mode,
    /// The interfaces it serves; one in every mode but wire.
    pub ports: Vec<Port>,
    /// How the workers run.
    pub worker: Worker,
    /// Host mode's TUN device and routes.
    pub host: Host,
    /// What wire mode does on the way from one port to the other.
    pub wire: Wire,
    /// Steering rules, first match first.
    pub rules: Vec<Rule>,
    /// Coalescing, segmentation, checksums.
    pub offload: Offload,
    /// What happens to packets between the two ports of wire mode.
    pub stage: AnyStage,
    /// How a running process is talked to.
    pub control: Control,
}

/// What Sluice does with the packets that are steered to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// NIC ⇄ TUN: borrowed flows.
    Host,
    /// NIC ⇄ NIC: a bump in the wire.
    Wire,
    /// Send every packet back.
    Reflect,
    /// Count and drop.
    Sink,
}

impl Mode {
    /// What the configuration calls it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Wire => "wire",
            Self::Reflect => "reflect",
            Self::Sink => "sink",
        }
    }
}

/// An interface and how it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name of the interface.
    pub iface: String,
    /// Which receive queues are served.
    pub queues: Queues,
    /// Who sees to it that there are as many queues as workers, and that they share the packets.
    pub rss: Rss,
    /// How the XDP program is attached.
    pub xdp: XdpMode,
    /// Whether the sockets are bound in zero-copy mode.
    pub zero_copy: ZeroCopy,
    /// By which way packets leave.
    pub transmit: Transmit,
    /// Frames in the UMEM of each queue, a power of two.
    pub frames: u32,
    /// Slots in each of the four rings, a power of two.
    pub ring: u32,
    /// Whether the sockets prefer busy polling.
    pub busy_poll: bool,
    /// Packets the driver may handle in one busy poll (`SO_BUSY_POLL_BUDGET`).
    pub busy_poll_budget: u16,
}

/// Which receive queues of an interface are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queues {
    /// Every queue the interface has.
    All,
    /// These.
    List(Vec<u32>),
}

/// Who sees to the number of receive queues and their share of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rss {
    /// The administrator.
    Leave,
    /// Sluice, which puts back at its end what it has changed.
    Manage,
}

/// How the XDP program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpMode {
    /// In the driver where it can, else in the generic hook.
    Auto,
    /// In the driver or not at all.
    Native,
    /// In the generic hook, after the kernel has built an skb.
    Generic,
}

/// Whether the sockets share their frames with the NIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZeroCopy {
    /// Where the driver can.
    Auto,
    /// Refuse to start where it cannot.
    Always,
    /// Copy.
    Never,
}

/// By which way packets leave a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// In zero-copy mode the ring, else the socket.
    Auto,
    /// The transmit ring of the AF_XDP socket, packet by packet.
    Ring,
    /// Untagged IP by a packet socket with a vnet header, which takes super-packets.
    Socket,
}

/// How the workers run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// How many there are; `None`: one for each queue.
    pub count: Option<u32>,
    /// Which CPU each worker is pinned to.
    pub cores: Cores,
    /// What a worker does when there is nothing to do.
    pub idle: Idle,
    /// How old a worker's sign of life may be before its packets pass to the kernel.
    pub fail_open: Duration,
}

/// Which CPUs the workers are pinned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cores {
    /// One after the other, from those the process may use.
    Auto,
    /// Worker *i* on the *i*-th of these.
    List(Vec<usize>),
}

/// What a worker does when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Look again at once.
    Spin,
    /// Look again for a while, then sleep in `poll`.
    Adaptive,
    /// Sleep in `poll` at once.
    Interrupt,
}

/// Host mode's TUN device and routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name of the TUN device.
    pub tun: String,
    /// Whether policy routes bring the replies of steered flows to Sluice.
    pub routes: Routes,
    /// Routing table that holds the default route to the TUN.
    pub table: u32,
    /// Priority of the first policy rule; the others follow it.
    pub priority: u32,
}

/// Whether policy routes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routes {
    /// One or more for each steering rule.
    Mirror,
    /// None: the administrator writes them.
    None,
}

/// What wire mode does on the way from one port to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Whether TCP is carried from one MTU to the other where they differ.
    pub translate: bool,
    /// Connections whose MSS each worker remembers.
    pub flows: u32,
    /// Where the answers to senders of what is too large come from.
    pub icmp_from: sluice_common::answer::AnswerFrom,
    /// Most such answers a second and worker.
    pub icmp_rate: u32,
    /// What is done when a port loses its link.
    pub link: Links,
    /// Whether ports may have addresses, which nobody can reach while Sluice runs.
    pub addressed: bool,
}

/// What is done when a port of a wire loses its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// It is told.
    Report,
    /// And the other port is set down meanwhile.
    Mirror,
}

/// A transport protocol a rule can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proto {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A range of ports, both ends included, `first <= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// Lowest port.
    pub first: u16,
    /// Highest port.
    pub last: u16,
}

/// A steering rule. What is `None` matches everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Source prefix.
    pub src: Option<IpNet>,
    /// Destination prefix.
    pub dst: Option<IpNet>,
    /// Protocol; `None` is TCP and UDP.
    pub proto: Option<Proto>,
    /// Source ports.
    pub src_port: Option<PortRange>,
    /// Destination ports.
    pub dst_port: Option<PortRange>,
    /// VLAN ID of the outermost tag; `Some(0)` is untagged.
    pub vlan: Option<u16>,
    /// What happens to a packet that matches.
    pub action: sluice_common::classify::Action,
}

/// Coalescing, segmentation, checksums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offload {
    /// Coalesce what is received.
    pub gro: bool,
    /// UDP datagrams too.
    pub udp_gro: bool,
    /// Take TCP super-packets from the TUN and segment them; else the kernel segments.
    pub tso: bool,
    /// Take UDP super-packets too, where the kernel has them for a TUN (from 6.2).
    pub uso: bool,
    /// Which coalescing rules.
    pub profile: sluice_common::offload::Profile,
    /// How long a train may be held.
    pub flush: Flush,
    /// Largest super-packet, IP header included, in bytes.
    pub max_size: u32,
    /// What is thought of a received checksum.
    pub rx_checksum: RxChecksum,
    /// Which UDP ports VXLAN and Geneve are at.
    pub tunnel_ports: sluice_common::wire::TunnelPorts,
}

/// How long a train may be held (G25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// What the spacing of the flow's packets makes likely, up to a ceiling.
    Adaptive,
    /// To the end of the burst.
    EndOfBurst,
    /// No longer than this.
    After(Duration),
}

pub use sluice_common::offload::RxChecksum;

/// How a running process is talked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The unix socket `sluice stats` asks.
    pub socket: PathBuf,
    /// The folder of the journal of what was changed on the machine.
    pub state_dir: PathBuf,
}
