//! The journal on disk and against a real kernel: what a killed process leaves is undone. Needs root.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;
use sluice::control::journal::{Change, Journal, JournalError};
use sluice::control::netlink;
use sluice::control::routes::{Family, PolicyRule, Selector};
use sluice::control::sysctl::Setting;
use sluice_lab::{Namespace, Process};
use tempfile::TempDir;

const IFACE: &str = "lo";
const KEY: &str = "ipv4/conf/lo/rp_filter";
/// Says to the copy of this test program that plays the killed supervisor where to put its journal.
const FOLDER: &str = "SLUICE_TEST_JOURNAL";
/// And how far it gets before it is killed.
const STAGE: &str = "SLUICE_TEST_STAGE";

fn inside<T: Send>(namespace: &Namespace, body: impl AsyncFnOnce() -> T + Send) -> T {
    namespace.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(body())
    })
}

fn changes() -> [Change; 2] {
    let selector = Selector {
        family: Family::V4,
        ip_proto: 6,
        from: None,
        to: None,
        sport: Some((5000, 6000)),
        dport: None,
    };
    let rule = PolicyRule { priority: 1000, selector, table: 21_000 };
    let setting = Setting { key: KEY.to_owned(), old: "0".to_owned(), new: "2".to_owned() };
    [Change::Rule(rule), Change::Sysctl(setting)]
}

/// What the changes change.
fn state(namespace: &Namespace) -> Result<(String, String)> {
    let value = namespace.run(|| fs::read_to_string(format!("/proc/sys/net/{KEY}")))?;
    Ok((namespace.ip("rule")?, value))
}

fn only_file(folder: &Path) -> PathBuf {
    let mut files = fs::read_dir(folder).unwrap();
    let file = files.next().expect("a journal is there").unwrap().path();
    assert!(files.next().is_none(), "more than one file");
    file
}

/// Not a test of its own: the process that [`killed`] starts and kills.
#[test]
fn supervisor_that_is_killed() {
    let (Ok(folder), Ok(stage)) = (std::env::var(FOLDER), std::env::var(STAGE)) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let handle = netlink::connect().unwrap();
        let mut journal = Journal::open(folder.as_ref(), IFACE).unwrap();
        journal.record(changes()).unwrap();
        let made = if stage == "recorded" { 0 } else { changes().len() };
        for change in &changes()[..made] {
            change.apply(&handle).await.unwrap();
        }
        println!("READY");
        std::future::pending::<()>().await;
    });
}

/// A supervisor that has got as far as `stage` and lives.
fn supervisor(namespace: &Namespace, folder: &Path, stage: &str) -> Result<Process> {
    let mut command: Command = namespace.command(std::env::current_exe()?);
    command.args(["--exact", "supervisor_that_is_killed", "--nocapture"]);
    command.env(FOLDER, folder).env(STAGE, stage).stdout(Stdio::piped());
    let mut process = namespace.spawn(&mut command)?;
    let output = BufReader::new(process.child().stdout.take().unwrap());
    let ready = output.lines().map_while(Result::ok).any(|line| line.ends_with("READY"));
    assert!(ready, "the supervisor ended before it was ready");
    Ok(process)
}

fn killed(stage: &str) -> Result<()> {
    let (namespace, folder) = (Namespace::new("journal")?, TempDir::new()?);
    namespace.run(|| fs::write(format!("/proc/sys/net/{KEY}"), "0"))?;
    let before = state(&namespace)?;
    // SIGKILL, and reaped.
    drop(supervisor(&namespace, folder.path(), stage)?);
    assert_eq!(state(&namespace)? == before, stage == "recorded", "the stage was not reached");

    inside(&namespace, async || -> Result<()> {
        let mut journal = Journal::open(folder.path(), IFACE)?;
        assert_eq!(journal.changes(), changes());
        journal.undo(&netlink::connect()?).await?;
        assert_eq!(journal.changes(), []);
        Ok(journal.remove()?)
    })?;
    assert_eq!(state(&namespace)?, before);
    assert_eq!(fs::read_dir(folder.path())?.count(), 0, "a file is left");
    Ok(())
}

#[test]
fn killed_between_the_record_and_the_change() -> Result<()> {
    killed("recorded")
}

#[test]
fn killed_after_the_change() -> Result<()> {
    killed("applied")
}

#[test]
fn a_journal_whose_owner_lives_is_refused_with_its_pid() -> Result<()> {
    let (namespace, folder) = (Namespace::new("journal")?, TempDir::new()?);
    let owner = supervisor(&namespace, folder.path(), "recorded")?;
    let refused = namespace.run(|| Journal::open(folder.path(), IFACE)).unwrap_err();
    assert!(matches!(refused, JournalError::Owned { pid, .. } if pid == owner.pid().as_raw()));
    assert!(refused.to_string().contains(&format!("kill {}", owner.pid())), "{refused}");
    // Another interface, and another namespace, are another's business.
    namespace.run(|| Journal::open(folder.path(), "eth9"))?;
    Namespace::new("journal")?.run(|| Journal::open(folder.path(), IFACE))?;
    Ok(())
}

#[test]
fn a_corrupt_journal_is_refused_with_what_to_do_and_left_as_it_is() -> Result<()> {
    let (namespace, folder) = (Namespace::new("journal")?, TempDir::new()?);
    namespace.run(|| Journal::open(folder.path(), IFACE))?;
    let file = only_file(folder.path());
    let whole = fs::read_to_string(&file)?;
    for bad in ["", &whole[..whole.len() / 2], &whole.replace("\"version\": 1", "\"version\": 9")] {
        fs::write(&file, bad)?;
        let refused = namespace.run(|| Journal::open(folder.path(), IFACE)).unwrap_err();
        assert!(matches!(refused, JournalError::Corrupt { .. }), "{refused}");
        assert!(refused.to_string().contains("delete the file"), "{refused}");
        assert_eq!(fs::read_to_string(&file)?, bad);
    }
    Ok(())
}

#[test]
fn what_was_left_before_the_machine_started_anew_is_forgotten() -> Result<()> {
    let (namespace, folder) = (Namespace::new("journal")?, TempDir::new()?);
    let mut journal = namespace.run(|| Journal::open(folder.path(), IFACE))?;
    journal.record(changes())?;
    let file = only_file(folder.path());
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let earlier = fs::read_to_string(&file)?.replace(boot.trim(), "an-earlier-boot");
    fs::write(&file, earlier)?;
    assert_eq!(namespace.run(|| Journal::open(folder.path(), IFACE))?.changes(), []);
    Ok(())
}

#[test]
fn a_change_is_on_disk_once_it_is_recorded_and_only_once() -> Result<()> {
    let (namespace, folder) = (Namespace::new("journal")?, TempDir::new()?);
    let mut journal = namespace.run(|| Journal::open(folder.path(), IFACE))?;
    journal.record(changes())?;
    journal.record(changes())?;
    let text = fs::read_to_string(only_file(folder.path()))?;
    assert_eq!(text.matches("\"rule\"").count(), 1, "{text}");
    assert_eq!(text.matches("\"sysctl\"").count(), 1, "{text}");
    Ok(())
}
