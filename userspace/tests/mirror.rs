//! A link that is lost on one side of a wire is set down on the other, on a real kernel. Needs root.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sluice::control::journal::{Change, Journal};
use sluice::control::mirror::{Event, Watch};
use sluice::control::netlink;
use sluice_common::Side::{A, B};
use sluice_lab::Namespace;
use tempfile::TempDir;
use tokio::time::timeout;

/// Bounds a hang; nothing is measured against it.
const LIMIT: Duration = Duration::from_secs(60);

/// A device in the middle of a wire: what is beyond its ports, and the device with its ports `a0` and `b0`.
struct Wire {
    far: Namespace,
    dut: Namespace,
}

impl Wire {
    fn new() -> Result<Self> {
        let wire = Self { far: Namespace::new("far")?, dut: Namespace::new("dut")? };
        let dut = wire.dut.name();
        wire.far.ip_batch(&format!(
            "link add a1 type veth peer name a0 netns {dut}\n\
             link add b1 type veth peer name b0 netns {dut}\n\
             link set a1 up\nlink set b1 up\n"
        ))?;
        wire.dut.ip_batch("link set a0 up\nlink set b0 up\n")?;
        Ok(wire)
    }

    /// Runs `body` on the device with a watch over its ports, and the journal.
    fn run(
        &self,
        mirrors: bool,
        body: impl AsyncFnOnce(Bench<'_>) -> Result<()> + Send,
    ) -> Result<()> {
        let folder = TempDir::new()?;
        self.dut.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let watch = Watch::open(&netlink::connect()?, ["a0", "b0"], mirrors).await?;
                let journal = Journal::open(folder.path(), "a0")?;
                body(Bench { wire: self, watch, journal }).await
            })
        })
    }
}

struct Bench<'a> {
    wire: &'a Wire,
    watch: Watch,
    journal: Journal,
}

impl Bench<'_> {
    /// Waits for this event, before any other, and carries it out.
    async fn expect(&mut self, expected: Event) -> Result<()> {
        let event =
            timeout(LIMIT, self.watch.next()).await.with_context(|| format!("{expected:?}"))?;
        ensure!(event == expected, "{event:?} came for {expected:?}");
        Ok(self.watch.carry_out(event, &mut self.journal).await?)
    }

    /// Waits until a port stands so; meanwhile nothing is to be done.
    async fn await_state(
        &mut self,
        namespace: fn(&Wire) -> &Namespace,
        port: &str,
        state: &str,
    ) -> Result<()> {
        let wire = self.wire;
        let shown = || namespace(wire).ip(&format!("link show {port}"));
        let wait = async {
            // Asleep first, so that the watch gets to see what has happened before.
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                if shown()?.contains(state) {
                    return Ok(());
                }
            }
        };
        tokio::select! {
            waited = timeout(LIMIT, wait) => waited.with_context(|| format!("{port} {state}"))?,
            event = self.watch.next() => anyhow::bail!("{event:?} came while {port} was to be {state}"),
        }
    }
}

fn far(wire: &Wire) -> &Namespace {
    &wire.far
}

fn dut(wire: &Wire) -> &Namespace {
    &wire.dut
}

#[test]
fn a_link_that_is_lost_beyond_one_port_is_lost_beyond_the_other_and_comes_back_with_it()
-> Result<()> {
    Wire::new()?.run(true, async |mut bench| {
        for (lost, mirrored, side) in [("a1", "b1", A), ("b1", "a1", B)] {
            bench.await_state(far, "b1", "LOWER_UP").await?;
            bench.await_state(far, "a1", "LOWER_UP").await?;
            bench.wire.far.ip(&format!("link set {lost} down"))?;
            bench.expect(Event::Lost(side)).await?;
            bench.expect(Event::SetDown(side.other())).await?;
            ensure!(bench.watch.holds(side.other()));
            bench.await_state(far, mirrored, "NO-CARRIER").await?;
            let down = Change::LinkDown { iface: bench.watch.iface(side.other()).to_owned() };
            ensure!(bench.journal.changes() == [down]);
            bench.wire.far.ip(&format!("link set {lost} up"))?;
            bench.expect(Event::Back(side)).await?;
            bench.expect(Event::SetUp(side.other())).await?;
            bench.await_state(far, mirrored, "LOWER_UP").await?;
            ensure!(bench.journal.changes() == []);
        }
        Ok(())
    })
}

#[test]
fn a_port_that_is_held_at_the_end_is_set_up_by_the_journal() -> Result<()> {
    Wire::new()?.run(true, async |mut bench| {
        bench.await_state(far, "b1", "LOWER_UP").await?;
        bench.wire.far.ip("link set a1 down")?;
        bench.expect(Event::Lost(A)).await?;
        bench.expect(Event::SetDown(B)).await?;
        bench.await_state(far, "b1", "NO-CARRIER").await?;
        bench.journal.undo(&netlink::connect()?).await?;
        ensure!(bench.wire.dut.ip("link show b0")?.contains(",UP"));
        Ok(())
    })
}

#[test]
fn what_an_administrator_sets_is_his() -> Result<()> {
    Wire::new()?.run(true, async |mut bench| {
        bench.await_state(far, "b1", "LOWER_UP").await?;
        bench.await_state(far, "a1", "LOWER_UP").await?;
        // He sets one down: the other follows, and comes back with it.
        bench.wire.dut.ip("link set a0 down")?;
        bench.expect(Event::Lost(A)).await?;
        bench.expect(Event::SetDown(B)).await?;
        bench.await_state(far, "b1", "NO-CARRIER").await?;
        // He sets that up against us: his, and not in the journal any more.
        bench.wire.dut.ip("link set b0 up")?;
        bench.expect(Event::Taken(B)).await?;
        bench.await_state(far, "b1", "LOWER_UP").await?;
        ensure!(bench.journal.changes() == []);
        ensure!(bench.wire.dut.ip("link show a0")?.contains("state DOWN"));
        bench.wire.dut.ip("link set a0 up")?;
        bench.expect(Event::Back(A)).await
    })
}

#[test]
fn where_links_are_only_reported_nothing_is_set() -> Result<()> {
    Wire::new()?.run(false, async |mut bench| {
        bench.await_state(far, "b1", "LOWER_UP").await?;
        bench.await_state(far, "a1", "LOWER_UP").await?;
        bench.wire.far.ip("link set a1 down")?;
        bench.expect(Event::Lost(A)).await?;
        bench.wire.far.ip("link set a1 up")?;
        bench.expect(Event::Back(A)).await?;
        bench.await_state(dut, "b0", "LOWER_UP").await
    })
}

#[test]
fn an_interface_that_is_gone_has_lost_its_link() -> Result<()> {
    Wire::new()?.run(true, async |mut bench| {
        bench.await_state(far, "b1", "LOWER_UP").await?;
        bench.await_state(far, "a1", "LOWER_UP").await?;
        bench.wire.dut.ip("link delete a0")?;
        bench.expect(Event::Lost(A)).await?;
        bench.expect(Event::SetDown(B)).await?;
        bench.await_state(far, "b1", "NO-CARRIER").await
    })
}
