//! What differs between two configurations, and what of it may change while Sluice runs.

use super::{Config, Control, Host, Offload, Port, Wire, Worker};

/// A key whose values differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The key with the tables around it, `port[0].frames`; of lists and of what is made of several tables the
    /// whole: `rule`, `stage`.
    pub key: String,
    /// Whether it may change while Sluice runs.
    pub may_change: bool,
}

/// Collects them.
struct Changes(Vec<Changed>);

impl Changes {
    fn fixed(&mut self, key: impl Into<String>, same: bool) {
        self.note(key, same, false);
    }

    fn running(&mut self, key: impl Into<String>, same: bool) {
        self.note(key, same, true);
    }

    fn note(&mut self, key: impl Into<String>, same: bool, may_change: bool) {
        if !same {
            self.0.push(Changed { key: key.into(), may_change });
        }
    }
}

impl Config {
    /// What differs in `new`, in the order of the documentation.
    ///
    /// Sockets, packet memory and devices are opened once, with the rights that only the start has: what they
    /// depend on cannot change.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<Changed> {
        // A new key has to be decided about here.
        let Self { mode, ports, worker, host, wire, rules, offload, stage, control } = self;
        let mut changes = Changes(Vec::new());
        changes.fixed("mode", *mode == new.mode);
        changes.fixed("port", ports.len() == new.ports.len());
        for (index, (old, new)) in ports.iter().zip(&new.ports).enumerate() {
            port(&mut changes, index, old, new);
        }
        workers(&mut changes, worker, &new.worker);
        host_mode(&mut changes, host, &new.host);
        wire_mode(&mut changes, wire, &new.wire);
        changes.running("rule", *rules == new.rules);
        offloads(&mut changes, offload, &new.offload);
        changes.running("stage", *stage == new.stage);
        controls(&mut changes, control, &new.control);
        // Of another mode everything is another.
        changes.0.retain(|changed| *mode == new.mode || changed.key == "mode");
        changes.0
    }
}

fn port(changes: &mut Changes, index: usize, old: &Port, new: &Port) {
    let Port {
        iface,
        queues,
        rss,
        xdp,
        zero_copy,
        transmit,
        frames,
        ring,
        busy_poll,
        busy_poll_budget,
    } = old;
    let mut fixed = |key, same| changes.fixed(format!("port[{index}].{key}"), same);
    fixed("iface", *iface == new.iface);
    fixed("queues", *queues == new.queues);
    fixed("rss", *rss == new.rss);
    fixed("xdp", *xdp == new.xdp);
    fixed("zero_copy", *zero_copy == new.zero_copy);
    fixed("transmit", *transmit == new.transmit);
    fixed("frames", *frames == new.frames);
    fixed("ring", *ring == new.ring);
    fixed("busy_poll", *busy_poll == new.busy_poll);
    fixed("busy_poll_budget", *busy_poll_budget == new.busy_poll_budget);
}

fn workers(changes: &mut Changes, old: &Worker, new: &Worker) {
    let Worker { count, cores, idle, fail_open } = old;
    changes.fixed("worker.count", *count == new.count);
    changes.fixed("worker.cores", *cores == new.cores);
    changes.fixed("worker.idle", *idle == new.idle);
    changes.fixed("worker.fail_open_ms", *fail_open == new.fail_open);
}

fn host_mode(changes: &mut Changes, old: &Host, new: &Host) {
    let Host { tun, routes, table, priority } = old;
    changes.fixed("host.tun", *tun == new.tun);
    changes.fixed("host.routes", *routes == new.routes);
    changes.fixed("host.table", *table == new.table);
    changes.fixed("host.priority", *priority == new.priority);
}

fn wire_mode(changes: &mut Changes, old: &Wire, new: &Wire) {
    let Wire { translate, flows, icmp_from, icmp_rate, link, addressed } = old;
    changes.fixed("wire.translate", *translate == new.translate);
    changes.fixed("wire.flows", *flows == new.flows);
    changes.running("wire.icmp_from", *icmp_from == new.icmp_from);
    changes.running("wire.icmp_rate", *icmp_rate == new.icmp_rate);
    changes.running("wire.link", *link == new.link);
    changes.fixed("wire.addressed", *addressed == new.addressed);
}

/// What a coalescer takes over in mid-work, and no more.
fn offloads(changes: &mut Changes, old: &Offload, new: &Offload) {
    let Offload { gro, udp_gro, tso, uso, profile, flush, max_size, rx_checksum, tunnel_ports } =
        old;
    changes.running("offload.gro", *gro == new.gro);
    changes.running("offload.udp_gro", *udp_gro == new.udp_gro);
    changes.running("offload.tso", *tso == new.tso);
    changes.running("offload.uso", *uso == new.uso);
    changes.running("offload.profile", *profile == new.profile);
    changes.fixed("offload.flush_timeout_us", *flush == new.flush);
    changes.fixed("offload.max_size", *max_size == new.max_size);
    changes.running("offload.rx_checksum", *rx_checksum == new.rx_checksum);
    changes.fixed("offload.vxlan_ports or geneve_ports", *tunnel_ports == new.tunnel_ports);
}

fn controls(changes: &mut Changes, old: &Control, new: &Control) {
    let Control { socket, state_dir } = old;
    changes.fixed("control.socket", *socket == new.socket);
    changes.fixed("control.state_dir", *state_dir == new.state_dir);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const WIRE: &str = "mode = \"wire\"\n[[port]]\niface = \"a\"\n[[port]]\niface = \"b\"\n";

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("test.toml")).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What differs from a plain wire: keys that may change, and keys that may not.
    fn changed(new: &str) -> [Vec<String>; 2] {
        let changes = config(WIRE).changes(&config(new));
        [true, false].map(|may_change| {
            let changes = changes.iter().filter(|changed| changed.may_change == may_change);
            changes.map(|changed| changed.key.clone()).collect()
        })
    }

    #[test]
    fn nothing_differs_where_only_the_words_do() {
        let same = format!("# the same\n{WIRE}\n[wire]\ntranslate = true\n");
        assert_eq!(changed(&same), [const { Vec::<String>::new() }; 2]);
    }

    #[test]
    fn rules_switches_answers_links_and_the_stage_may_change() {
        let new = format!(
            "{WIRE}\n[wire]\nicmp_rate = 7\nlink = \"mirror\"\nicmp_from = [\"192.0.2.1\"]\n\
             [[rule]]\naction = \"pass\"\n\
             [offload]\ngro = false\nprofile = \"accecn\"\nrx_checksum = \"trust\"\n\
             [stage]\nkind = \"rewrite\"\n[[stage.rewrite]]\nout = \"a\"\nvlan = {{ 1 = 2 }}\n"
        );
        let may = [
            "wire.icmp_from",
            "wire.icmp_rate",
            "wire.link",
            "rule",
            "offload.gro",
            "offload.profile",
            "offload.rx_checksum",
            "stage",
        ];
        assert_eq!(changed(&new), [may.map(str::to_owned).to_vec(), vec![]]);
    }

    #[test]
    fn what_is_opened_once_may_not() {
        let new = "mode = \"wire\"\n[[port]]\niface = \"a\"\n[[port]]\niface = \"c\"\nring = 64\n\
                   [worker]\nidle = \"spin\"\n[wire]\nflows = 64\n[offload]\nmax_size = 9000\n\
                   [control]\nsocket = \"/x\"\n";
        let not = [
            "port[1].iface",
            "port[1].ring",
            "worker.idle",
            "wire.flows",
            "offload.max_size",
            "control.socket",
        ];
        assert_eq!(changed(new), [vec![], not.map(str::to_owned).to_vec()]);
    }

    #[test]
    fn another_mode_is_another_configuration() {
        assert_eq!(changed("[[port]]\niface = \"a\"\n"), [vec![], vec!["mode".to_owned()]]);
    }
}
