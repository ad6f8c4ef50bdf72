//! The supervisor: changes the machine, watches the data plane, and puts everything back.
//!
//! ```text
//!            ┌────────────────────────────── end ◄─────────────┐
//!            ▼                                                 │
//! start ─► Opening ── Opened: attach, TUN up, Go ─► Running ───┤
//!            ▲                                                 │
//!            └───── after a while ──── Waiting ◄───────────────┘
//! ```
//!
//! While it is `Running` the policy routes follow the heartbeat. The XDP program stays attached from
//! the first `Opened` to the end of the supervisor, so that the link does not flap when the data plane
//! is started again.
//!
//! | file | what it holds |
//! |---|---|
//! | `mtu` | whether packets of the interface's MTU can be taken, and how |
//! | `serve` | one loop over signals, the data plane, the clock and the control socket |
//! | `tick` | what is looked at by the clock |
//! | `process` | the data plane: a process and a line to it |
//! | `diversion` | TUN device, policy routes, journal |
//! | `watch` | judging the workers by their signs of life |
//! | `rings` | a driver that never looks at a restarted data plane's rings |
//! | `asked` | who asks over the control socket, and what |
//! | `tell` | the answer to `sluice stats` |
//! | `switch` | features that are switched while it runs |

mod asked;
mod diversion;
mod error;
mod mtu;
mod process;
mod rings;
mod serve;
mod switch;
mod tell;
mod tick;
mod watch;

use std::path::PathBuf;

use ipnet::IpNet;
use nix::unistd::geteuid;
use sluice_common::classify;
use sluice_common::wire::Protocol;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::diversion::Diversion;
pub use self::error::SupervisorError;
pub use self::mtu::MtuError;
use self::serve::Supervisor;
use super::nic::{Nic, xdp_capabilities};
use super::socket::ControlSocket;
use crate::config::{self, Config, MAX_QUEUES, Proto, Queues, Rule};
use crate::steer::{Buffers, Steering};

/// A configuration and the text it was read from, which the data plane reads once more.
#[derive(Clone, Debug)]
pub struct Configured {
    /// How messages call the file.
    pub file: PathBuf,
    /// What it says.
    pub text: String,
    /// What that means.
    pub config: Config,
}

/// SIGINT, SIGTERM and, when the terminal goes, SIGHUP: the wish to stop.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl StopSignals {
    fn listen() -> Result<Self, SupervisorError> {
        let listen = |kind| signal(kind).map_err(SupervisorError::Signals);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn recv(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}

/// Runs until SIGINT, SIGTERM or SIGHUP, and leaves nothing behind.
///
/// # Errors
/// What kept it from starting, or from putting everything back.
pub async fn run(configured: &Configured) -> Result<(), SupervisorError> {
    if !geteuid().is_root() {
        return Err(SupervisorError::NotRoot { uid: geteuid().as_raw() });
    }
    let config = &configured.config;
    // First of all, so that a signal during the start puts back what the start has done.
    let signals = StopSignals::listen()?;
    let port = &config.ports[0];
    let nic = Nic::find(&port.iface).await?;
    let queues = queues(&port.queues, &nic)?;
    let taking = mtu::taking(&nic, &xdp_capabilities(&nic).await?, port.xdp)?;
    let diversion = Diversion::claim(&config.control.state_dir, config).await?;
    let socket = ControlSocket::open(&config.control.socket);
    let loaded = load(config, taking.buffers);
    let outcome = match (socket, loaded) {
        (Ok(socket), Ok(steering)) => {
            let supervisor = Supervisor::new(configured, queues, taking, steering, diversion);
            return supervisor.run(signals, socket).await;
        }
        (Err(error), _) => Err(error.into()),
        (_, Err(error)) => Err(error),
    };
    diversion.restore().await?;
    outcome
}

fn load(config: &Config, buffers: Buffers) -> Result<Steering, SupervisorError> {
    let mut steering = Steering::load_for(buffers)?;
    let rules: Vec<_> = config.rules.iter().map(steering_rule).collect();
    steering.set_rules(&rules, config.worker.fail_open)?;
    Ok(steering)
}

/// The queues to serve, each checked to be there.
fn queues(wanted: &Queues, nic: &Nic) -> Result<Vec<u32>, SupervisorError> {
    let (iface, queues) = (|| nic.iface.clone(), nic.queues);
    match wanted {
        Queues::All if queues > MAX_QUEUES => {
            Err(SupervisorError::TooManyQueues { iface: iface(), queues, most: MAX_QUEUES })
        }
        Queues::All => Ok((0..queues).collect()),
        Queues::List(list) => match list.iter().find(|&&queue| queue >= queues) {
            Some(&queue) => Err(SupervisorError::NoQueue { iface: iface(), queue, queues }),
            None => Ok(list.clone()),
        },
    }
}

/// A rule of the configuration as the classifier has it.
fn steering_rule(rule: &Rule) -> classify::Rule {
    let prefix = |net: IpNet| {
        classify::Prefix::new(net.addr(), net.prefix_len()).expect("a prefix fits its family")
    };
    let ports = |range: config::PortRange| {
        classify::PortRange::new(range.first, range.last).expect("checked when it was read")
    };
    let protocol = |proto| match proto {
        Proto::Tcp => Protocol::TCP,
        Proto::Udp => Protocol::UDP,
    };
    classify::Rule {
        src: rule.src.map(prefix),
        dst: rule.dst.map(prefix),
        protocol: rule.proto.map(protocol),
        src_port: rule.src_port.map(ports),
        dst_port: rule.dst_port.map(ports),
        vlan: rule.vlan,
        action: rule.action,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nic(queues: u32) -> Nic {
        Nic { iface: "eth1".into(), index: 2, mac: [0; 6], mtu: 1500, up: true, queues, program: 0 }
    }

    #[test]
    fn queues_that_are_not_there_or_have_no_room_are_refused() {
        assert_eq!(queues(&Queues::All, &nic(3)).unwrap(), [0, 1, 2]);
        assert_eq!(queues(&Queues::List(vec![2, 0]), &nic(3)).unwrap(), [2, 0]);
        let refused = queues(&Queues::List(vec![3]), &nic(3)).unwrap_err();
        assert!(refused.to_string().contains("no queue 3: it has 3"), "{refused}");
        let refused = queues(&Queues::All, &nic(65)).unwrap_err();
        assert!(refused.to_string().contains("at most 64"), "{refused}");
    }

    #[test]
    fn a_rule_keeps_all_its_conditions() {
        let rule = Rule {
            src: Some("10.0.0.0/8".parse().unwrap()),
            dst: Some("2001:db8::/32".parse().unwrap()),
            proto: Some(Proto::Udp),
            src_port: Some(config::PortRange { first: 1, last: 2 }),
            dst_port: Some(config::PortRange { first: 3, last: 3 }),
            vlan: Some(7),
            action: classify::Action::Drop,
        };
        let steering = steering_rule(&rule);
        assert_eq!(steering.src.unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(steering.dst.unwrap().to_string(), "2001:db8::/32");
        assert_eq!(steering.protocol, Some(Protocol::UDP));
        assert_eq!(steering.src_port.map(|p| (p.first(), p.last())), Some((1, 2)));
        assert_eq!(steering.dst_port.map(|p| (p.first(), p.last())), Some((3, 3)));
        assert_eq!((steering.vlan, steering.action), (Some(7), classify::Action::Drop));
    }
}
