//! Bringing replies to the TUN device and giving them back.

use std::net::Ipv4Addr;

use netlink_packet_route::address::AddressScope;
use nix::errno::Errno;
use rtnetlink::Handle;

use super::super::journal::Journal;
use super::super::link::{Link, LinkError, Sources};
use super::super::netlink::unless;
use super::super::routes::{PolicyRoutes, RoutesError, plan};
use super::super::sysctl;
use super::SupervisorError;
use crate::config::{Config, Host, Port, Routes};
use crate::xsk::FRAME_MTU;

/// An IPv4 address for the TUN device, so that it has one: a device without any drops every packet as long
/// as `rp_filter` is on for it or for all (`__fib_validate_source`, net/ipv4/fib_frontend.c: `no_addr`),
/// loose or strict, and many distributions switch it on. Link-local (RFC 3927) and of link scope, so that
/// it is never chosen as the source of anything.
const ANCHOR: Ipv4Addr = Ipv4Addr::new(169, 254, 83, 1);

/// What is changed in this network namespace outside of Sluice's own devices.
pub(super) struct Diversion {
    handle: Handle,
    routes: Option<PolicyRoutes>,
    sources: Sources,
    wanted: bool,
    /// The last failure that was told, so that a lasting one fills no log.
    told: Option<String>,
}

impl Diversion {
    /// Nothing is changed yet.
    pub(super) fn new(handle: Handle, host: &Host) -> Self {
        let (wanted, sources) = (host.routes == Routes::Mirror, Sources::default());
        Self { handle, routes: None, sources, wanted, told: None }
    }

    /// Makes a new TUN device ready to carry packets: settings, state, plan of the routes.
    pub(super) async fn prepare(
        &mut self,
        config: &Config,
        journal: &mut Journal,
    ) -> Result<(), SupervisorError> {
        let (tun, iface) = (&config.host.tun, &config.ports[0].iface);
        for setting in sysctl::for_tun(tun)?.into_iter().chain(sysctl::for_nic(iface)?) {
            journal.apply(setting.into(), &self.handle).await?;
        }
        let device = Link::find(&self.handle, tun).await?;
        device.limit_segments(&self.handle, most_segments(&config.ports[0], device.mtu)).await?;
        self.give_address(&device).await?;
        device.set_up(&self.handle).await?;
        self.sources = self.addresses(iface).await?;
        self.plan(config, journal).await
    }

    /// The addresses that replies are sent from.
    async fn addresses(&self, iface: &str) -> Result<Sources, LinkError> {
        Link::find(&self.handle, iface).await?.global_addresses(&self.handle).await
    }

    /// Plans the policy routes, and writes down what they change before they are ever made, in the place of those
    /// that were planned before.
    async fn plan(
        &mut self,
        config: &Config,
        journal: &mut Journal,
    ) -> Result<(), SupervisorError> {
        let rules = plan(&config.host, &config.rules)?;
        let routes = PolicyRoutes::new(self.handle.clone(), &config.host, rules, self.sources);
        routes.check_table().await?;
        let before = self.routes.take().map(|routes| routes.changes()).unwrap_or_default();
        journal.exchange(&before, routes.changes())?;
        self.routes = Some(routes);
        Ok(())
    }

    /// Plans anew when the interface's addresses have changed: the kernel takes no route with a source
    /// that is gone, and takes away those it has.
    pub(super) async fn follow_addresses(
        &mut self,
        config: &Config,
        journal: &mut Journal,
    ) -> Result<(), SupervisorError> {
        let sources = self.addresses(&config.ports[0].iface).await?;
        if self.routes.is_none() || sources == self.sources {
            return Ok(());
        }
        self.withdraw("the interface's addresses have changed").await;
        self.sources = sources;
        self.plan(config, journal).await
    }

    /// Plans anew when the rules have changed. Meanwhile replies take the kernel's path.
    pub(super) async fn follow_rules(
        &mut self,
        config: &Config,
        journal: &mut Journal,
    ) -> Result<(), SupervisorError> {
        let was_installed = self.installed();
        self.withdraw("the rules have changed").await;
        self.plan(config, journal).await?;
        if was_installed {
            self.install().await;
        }
        Ok(())
    }

    /// Gives the TUN device [`ANCHOR`]. It goes with the device.
    async fn give_address(&self, device: &Link) -> Result<(), SupervisorError> {
        let mut request = self.handle.address().add(device.index, ANCHOR.into(), 32);
        request.message_mut().header.scope = AddressScope::Link;
        let result = request.execute().await;
        let error = |source| SupervisorError::Address { tun: device.name.clone(), source };
        unless(result, &[Errno::EEXIST]).map_err(error)
    }

    /// Whether policy routes are wanted at all.
    pub(super) fn wanted(&self) -> bool {
        self.wanted
    }

    /// Whether replies come to the TUN device now.
    pub(super) fn installed(&self) -> bool {
        self.routes.as_ref().is_some_and(PolicyRoutes::installed)
    }

    /// Makes replies come to the TUN device. What fails is tried again with the next sign of life.
    pub(super) async fn install(&mut self) {
        let Some(routes) = self.routes.as_mut().filter(|routes| !routes.installed()) else {
            return;
        };
        match routes.install().await {
            Ok(()) => {
                self.told = None;
                tracing::info!(
                    "policy routes installed: replies of steered flows leave through Sluice"
                );
            }
            Err(error) => self.tell(&error),
        }
    }

    /// Gives replies back to the kernel's own path.
    pub(super) async fn withdraw(&mut self, why: &str) {
        let Some(routes) = self.routes.as_mut().filter(|routes| routes.installed()) else { return };
        match routes.withdraw().await {
            Ok(()) => tracing::info!("policy routes withdrawn: {why}"),
            Err(error) => self.tell(&error),
        }
    }

    fn tell(&mut self, error: &RoutesError) {
        let text = error.to_string();
        if self.told.as_ref() != Some(&text) {
            tracing::error!("{text}");
            self.told = Some(text);
        }
    }
}

/// S16: most segments of one super-packet that the transmit ring and the frames for sending hold when all else
/// is at rest. One with more would be dropped, again and again.
fn most_segments(port: &Port, mtu: u32) -> u32 {
    let frames = mtu.div_ceil(FRAME_MTU as u32).max(1);
    (port.ring.min(port.frames / 4) / frames).max(1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn s16_a_super_packet_is_no_larger_than_ring_and_frames_take() {
        let config = "[[port]]\niface = \"eth1\"\nring = 64\nframes = 128\n";
        let mut config = Config::parse(config, Path::new("test.toml")).unwrap();
        let port = &mut config.ports[0];
        assert_eq!(most_segments(port, 1500), 32, "a quarter of the frames is for sending");
        assert_eq!(most_segments(port, 9000), 10, "three frames each");
        port.frames = 8192;
        assert_eq!(most_segments(port, 1500), 64, "the ring is the bound");
    }
}
