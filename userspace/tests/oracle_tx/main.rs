//! The kernel as the oracle for segmentation.
//!
//! The same super-packets go through the kernel's software segmentation and through Sluice's segmenter, and
//! every byte of every wire packet is compared. Where the two differ on purpose, a table says why. Needs
//! root.
//!
//! | file | what it holds |
//! |---|---|
//! | `kernel` | the kernel's way: a packet socket, a veth that takes nothing over, and what comes out |
//! | `vxlan` | the kernel's own tunnel over that interface |
//! | `engine` | Sluice's way |
//! | `case` | one super-packet with its vnet header |
//! | `generate` | super-packets of every kind, truthful and lying |
//! | `corners` | super-packets that chance would meet too rarely |
//! | `exceptions` | where Sluice differs on purpose, and why |
//! | `compare` | the verdict over one super-packet |
//! | `fragments` | fragments put together again |
//! | `dice` | chance that can be replayed |
//!
//! ```sh
//! SLUICE_ORACLE_SEED=7 cargo test -p sluice --test oracle_tx -- --nocapture       # the same run again
//! SLUICE_ORACLE_CASES=50000 cargo test -p sluice --test oracle_tx                 # a longer one
//! ```

mod case;
mod compare;
mod corners;
mod dice;
mod engine;
mod exceptions;
mod fragments;
mod generate;
mod kernel;
mod vxlan;

use anyhow::{Context, Result, ensure};

use compare::{Tally, generated, rolled};
use kernel::Kernel;
use vxlan::Vxlan;

/// What stands around the generated table in the documentation.
const BEGIN: &str = "<!-- oracle_tx: made by the test of that name -->\n";
const END: &str = "<!-- oracle_tx: end -->";

/// Nothing here passes because nothing was compared.
fn mostly_cut(tally: &Tally, cases: usize) -> Result<()> {
    let same = tally.same();
    ensure!(same * 10 > cases * 8, "only {same} of {cases} super-packets were cut by both");
    Ok(())
}

#[test]
fn s2_s3_s4_s5_s6_s7_s8_s9_tcp_is_cut_into_the_bytes_the_kernel_makes() -> Result<()> {
    let (kernel, mut tally) = (Kernel::new()?, Tally::default());
    generated(&mut tally, &kernel, 2_000, generate::tcp)?;
    tally.finish("TCP")?;
    mostly_cut(&tally, 2_000)
}

#[test]
fn s4_s5_s6_s9_s17_tcp_at_the_edges_is_cut_into_the_bytes_the_kernel_makes() -> Result<()> {
    let (kernel, mut tally) = (Kernel::new()?, Tally::default());
    for (index, case) in corners::tcp().iter().enumerate() {
        tally.judge(&kernel, case, &format!("corner {index}"))?;
    }
    tally.finish("TCP at the edges")
}

#[test]
fn s9_s10_datagrams_are_cut_into_the_bytes_the_kernel_makes() -> Result<()> {
    let (kernel, mut tally) = (Kernel::new()?, Tally::default());
    generated(&mut tally, &kernel, 1_000, generate::uso)?;
    for (index, case) in corners::uso().iter().enumerate() {
        tally.judge(&kernel, case, &format!("corner {index}"))?;
    }
    tally.finish("USO")?;
    mostly_cut(&tally, 1_000)
}

#[test]
fn s11_datagrams_are_cut_into_the_fragments_the_kernel_makes() -> Result<()> {
    let (kernel, mut tally) = (Kernel::new()?, Tally::default());
    generated(&mut tally, &kernel, 800, generate::ufo)?;
    tally.finish("UFO")?;
    ensure!(tally.same() > 200, "only {} datagrams were cut by both", tally.same());
    Ok(())
}

#[test]
fn s6_s8_s9_s13_what_is_inside_vxlan_is_cut_into_the_bytes_the_kernel_makes() -> Result<()> {
    let (vxlan, mut tally) = (Vxlan::new()?, Tally::default());
    rolled(800, |dice, label| vxlan.judge(dice, label, &mut tally))?;
    tally.finish("VXLAN")?;
    mostly_cut(&tally, 800)
}

#[test]
fn s12_jumbograms_are_cut_into_the_bytes_the_kernel_makes() -> Result<()> {
    let (kernel, mut tally) = (Kernel::new()?, Tally::default());
    let cases = corners::jumbo();
    for (index, case) in cases.iter().enumerate() {
        tally.judge(&kernel, case, &format!("jumbogram {index}"))?;
    }
    tally.finish("jumbograms")?;
    ensure!(tally.same() == cases.len(), "only {} jumbograms were cut by both", tally.same());
    Ok(())
}

#[test]
fn s15_what_the_kernel_refuses_is_refused() -> Result<()> {
    let (kernel, mut tally) = (Kernel::new()?, Tally::default());
    generated(&mut tally, &kernel, 600, generate::lie)?;
    tally.finish("lies")
}

#[test]
fn every_exception_is_met_by_its_example() -> Result<()> {
    let kernel = Kernel::new()?;
    for exception in exceptions::all() {
        let case = (exception.example)();
        let (theirs, ours) = (kernel.segment(&case)?, engine::segment(&case));
        let found = exceptions::explaining(&case, &theirs, &ours).map(|found| found.name);
        ensure!(theirs.as_ref().ok() != ours.as_ref().ok(), "{}: no difference", exception.name);
        ensure!(found == Some(exception.name), "{}: found {found:?}", exception.name);
    }
    Ok(())
}

/// The table of exceptions in the documentation: `SLUICE_BLESS=1` writes it.
#[test]
fn the_documented_exceptions_are_these() -> Result<()> {
    let path = sluice_lab::top().join("docs/ORACLE.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(BEGIN).context("no place for the table")?;
    let (_, after) = rest.split_once(END).context("no end of the table")?;
    let made = format!("{before}{BEGIN}{}{END}{after}", exceptions::table());
    if std::env::var_os("SLUICE_BLESS").is_some() {
        std::fs::write(&path, &made)?;
    }
    ensure!(made == std::fs::read_to_string(&path)?, "out of date: SLUICE_BLESS=1");
    Ok(())
}
