//! Writing the policy rules and routes, and taking them away.

use std::net::IpAddr;

use futures::TryStreamExt;
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use rtnetlink::Handle;

use super::super::journal::Change;
use super::super::link::Sources;
use super::super::netlink::errno;
use super::super::sysctl;
use super::{Family, PolicyRule, TunRoute, protocol};
use crate::config::Host;

/// Why policy rules or routes could not be written or taken away.
#[derive(Debug, thiserror::Error)]
pub enum RoutesError {
    /// Somebody else uses the table.
    #[error(
        "routing table {table} holds routes of somebody else (`ip route show table {table}`): choose \
         another with [host] table"
    )]
    TableInUse {
        /// The table.
        table: u32,
    },
    /// The TUN device is not there (any more).
    #[error("the TUN device {tun} is gone: no route can lead to it")]
    TunMissing {
        /// Its name.
        tun: String,
    },
    /// The kernel refused a rule.
    #[error("cannot {what} the policy rule `{rule}`: {source}")]
    Rule {
        /// What was tried.
        what: &'static str,
        /// The rule, as `ip rule` prints it.
        rule: String,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
    /// The kernel refused a route.
    #[error("cannot {what} the default route via {tun} in table {table}: {source}")]
    Route {
        /// What was tried.
        what: &'static str,
        /// The device it leads to.
        tun: String,
        /// The table it stands in.
        table: u32,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
    /// The kernel does not tell which routes there are.
    #[error("cannot list routing table {table}: {source}")]
    List {
        /// The table.
        table: u32,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
}

/// The policy rules and routes of one Sluice.
#[derive(Debug)]
pub struct PolicyRoutes {
    handle: Handle,
    rules: Vec<PolicyRule>,
    routes: Vec<TunRoute>,
    installed: bool,
}

impl PolicyRoutes {
    /// The rules that [`plan`](super::plan) made and default routes through `host.tun`, sent from
    /// `sources`. Where the device has no IPv6, none of IPv6; so the device must be there.
    #[must_use]
    pub fn new(handle: Handle, host: &Host, mut rules: Vec<PolicyRule>, sources: Sources) -> Self {
        let has_v6 = sysctl::has_ipv6(&host.tun);
        rules.retain(|rule| has_v6 || rule.selector.family == Family::V4);
        let route = |family, source: Option<IpAddr>| TunRoute {
            family,
            table: host.table,
            tun: host.tun.clone(),
            source,
        };
        let v4 = route(Family::V4, sources.v4.map(IpAddr::from));
        let v6 = route(Family::V6, sources.v6.map(IpAddr::from));
        let wanted = |route: &TunRoute| rules.iter().any(|r| r.selector.family == route.family);
        let routes = [v4, v6].into_iter().filter(wanted).collect();
        Self { handle, rules, routes, installed: false }
    }

    /// What [`install`](Self::install) changes, for the journal: record it once, before the first time.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let routes = self.routes.iter().cloned().map(Change::Route);
        routes.chain(self.rules.iter().cloned().map(Change::Rule)).collect()
    }

    /// Whether the replies go through the TUN device now.
    #[must_use]
    pub fn installed(&self) -> bool {
        self.installed
    }

    /// Makes sure that nobody else uses the table, not even a Sluice on another interface.
    ///
    /// # Errors
    /// [`RoutesError::TableInUse`] where somebody does.
    pub async fn check_table(&self) -> Result<(), RoutesError> {
        for &TunRoute { family, table, ref tun, .. } in &self.routes {
            let index = if_nametoindex(tun.as_str()).unwrap_or(0);
            if !self.list(family, table).await?.iter().all(|route| is_ours(route, index)) {
                return Err(RoutesError::TableInUse { table });
            }
        }
        Ok(())
    }

    async fn list(&self, family: Family, table: u32) -> Result<Vec<RouteMessage>, RoutesError> {
        let mut filter = RouteMessage::default();
        filter.header.address_family = family.into();
        filter.attributes.push(RouteAttribute::Table(table));
        match self.handle.route().get(filter).execute().try_collect().await {
            Ok(routes) => Ok(routes),
            // A table without routes is no table.
            Err(source) if errno(&source) == Some(Errno::ENOENT) => Ok(Vec::new()),
            Err(source) => Err(RoutesError::List { table, source }),
        }
    }

    /// Sends the replies of steered flows through the TUN device, those of running connections too.
    /// What is there already stays. Where something cannot be written, nothing stays.
    ///
    /// # Errors
    /// Where the device is gone or the kernel refuses.
    pub async fn install(&mut self) -> Result<(), RoutesError> {
        let result = self.write().await;
        self.installed = result.is_ok();
        if result.is_err() {
            // The first error is the one to tell.
            let _ = self.withdraw().await;
        }
        result
    }

    /// The routes first, so that no rule ever leads to an empty table; then the rules in their order,
    /// so that what passes passes before the rest is steered. Each new rule makes the sockets look
    /// their routes up again (`fib_rules_ops::flush_cache`); for IPv6 a new route alone does not.
    async fn write(&self) -> Result<(), RoutesError> {
        for route in &self.routes {
            route.add(&self.handle).await?;
        }
        for rule in &self.rules {
            rule.add(&self.handle).await?;
        }
        Ok(())
    }

    /// Gives the replies back to the kernel's path. What is gone already is no error, and one failure
    /// does not keep the rest.
    ///
    /// # Errors
    /// The first, where the kernel refuses.
    pub async fn withdraw(&mut self) -> Result<(), RoutesError> {
        self.installed = false;
        let mut result = Ok(());
        // The routes first: two requests and every flow is back on the main table at once, however many
        // rules there are.
        for route in &self.routes {
            result = result.and(route.delete(&self.handle).await);
        }
        for rule in self.rules.iter().rev() {
            result = result.and(rule.delete(&self.handle).await);
        }
        result
    }
}

/// Whether this process wrote the route: its protocol is Sluice's, and it leads to this Sluice's device.
fn is_ours(route: &RouteMessage, tun: u32) -> bool {
    route.header.protocol == protocol() && route.attributes.contains(&RouteAttribute::Oif(tun))
}
