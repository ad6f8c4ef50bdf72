//! The journal on disk and against a real kernel: what a killed process leaves is undone. Needs root.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;
use sluice::control::journal::{Change, Journal, JournalError};
use sluice::control::netlink;
use sluice::control::nic::rss::{Channels, ChannelsChange, IndirectionChange};
use sluice::control::routes::{Family, PolicyRule, Selector};
use sluice::control::sysctl::Setting;
use sluice_lab::{Namespace, Process};
use tempfile::TempDir;

const IFACE: &str = "lo";
const KEY: &str = "ipv4/conf/lo/rp_filter";
/// An interface with queues, and one that is set down.
const PORTS: [&str; 2] = ["eth1", "eth2"];
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

fn changes() -> Vec<Change> {
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
    let [iface, down] = PORTS.map(str::to_owned);
    let queues = |rx| Channels { combined: 0, rx, tx: 2 };
    vec![
        Change::Rule(rule),
        Change::Sysctl(setting),
        Change::Channels(ChannelsChange { iface: iface.clone(), old: queues(1), new: queues(2) }),
        Change::Promiscuous { iface },
        Change::LinkDown { iface: down },
    ]
}

/// A namespace with all that the changes change.
fn namespace() -> Result<Namespace> {
    let namespace = Namespace::new("journal")?;
    let [wide, down] = PORTS;
    namespace.ip_batch(&format!(
        "link add {wide} numrxqueues 2 numtxqueues 2 type veth peer name far1\n\
         link add {down} type veth peer name far2\nlink set {wide} up\nlink set {down} up\n"
    ))?;
    namespace.exec("ethtool", &format!("-L {wide} rx 1 tx 2"))?;
    namespace.run(|| fs::write(format!("/proc/sys/net/{KEY}"), "0"))?;
    Ok(namespace)
}

/// What the changes change.
fn state(namespace: &Namespace) -> Result<Vec<String>> {
    let value = namespace.run(|| fs::read_to_string(format!("/proc/sys/net/{KEY}")))?;
    let mut state = vec![namespace.ip("rule")?, value];
    state.push(namespace.exec("ethtool", &format!("-l {}", PORTS[0]))?);
    for port in PORTS {
        let told = namespace.ip(&format!("link show {port}"))?;
        let flags = told.split_once('<').and_then(|(_, rest)| rest.split_once('>')).unwrap().0;
        let set = |flag: &str| flags.split(',').any(|one| one == flag);
        state.push(format!("{port} up {} promiscuous {}", set("UP"), set("PROMISC")));
    }
    Ok(state)
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
    let (namespace, folder) = (namespace()?, TempDir::new()?);
    let before = state(&namespace)?;
    // SIGKILL, and reaped.
    drop(supervisor(&namespace, folder.path(), stage)?);
    for (before, now) in before.iter().zip(state(&namespace)?) {
        assert_eq!(*before == now, stage == "recorded", "the stage was not reached: {now}");
    }

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
fn a_journal_of_an_earlier_version_is_read() -> Result<()> {
    let (namespace, folder) = (Namespace::new("journal")?, TempDir::new()?);
    namespace.run(|| Journal::open(folder.path(), IFACE))?;
    let file = only_file(folder.path());
    let earlier = r#""changes": [
    {"rule": {"priority": 1000, "selector": {"family": "v4", "ip_proto": 6, "from": null, "to": null,
      "sport": [5000, 6000], "dport": null}, "table": 21000}},
    {"sysctl": {"key": "ipv4/conf/lo/rp_filter", "old": "0", "new": "2"}}
  ]"#;
    let text = fs::read_to_string(&file)?;
    assert!(text.contains("\"changes\": []"), "{text}");
    fs::write(&file, text.replace("\"changes\": []", earlier))?;
    assert_eq!(namespace.run(|| Journal::open(folder.path(), IFACE))?.changes(), &changes()[..2]);
    Ok(())
}

#[test]
fn every_change_is_read_as_it_was_written() -> Result<()> {
    let (namespace, folder) = (Namespace::new("journal")?, TempDir::new()?);
    let table =
        IndirectionChange { iface: "eth1".to_owned(), old: vec![0, 0, 3], new: vec![0, 1, 2] };
    let all = [changes(), vec![Change::Indirection(table)]].concat();
    namespace.run(|| Journal::open(folder.path(), IFACE))?.record(all.clone())?;
    assert_eq!(namespace.run(|| Journal::open(folder.path(), IFACE))?.changes(), all);
    Ok(())
}

#[test]
fn what_is_gone_is_nothing_to_undo() -> Result<()> {
    let (namespace, folder) = (Namespace::new("journal")?, TempDir::new()?);
    let table = IndirectionChange { iface: "eth1".to_owned(), old: vec![0], new: vec![1] };
    let gone = [changes().split_off(2), vec![Change::Indirection(table)]].concat();
    inside(&namespace, async || -> Result<()> {
        let mut journal = Journal::open(folder.path(), IFACE)?;
        journal.record(gone)?;
        journal.undo(&netlink::connect()?).await?;
        assert_eq!(journal.changes(), []);
        Ok(())
    })
}

#[test]
fn one_change_is_undone_and_forgotten_and_the_others_are_kept() -> Result<()> {
    let (namespace, folder) = (namespace()?, TempDir::new()?);
    let set = |index: usize| -> Result<bool> { Ok(state(&namespace)?[index].ends_with("true")) };
    let (promiscuous, all) = (Change::Promiscuous { iface: PORTS[0].to_owned() }, changes());
    inside(&namespace, async || -> Result<()> {
        let handle = netlink::connect()?;
        let mut journal = Journal::open(folder.path(), IFACE)?;
        for change in &all {
            journal.apply(change.clone(), &handle).await?;
        }
        assert!(set(3)?, "the change was not made");
        journal.revert(&promiscuous, &handle).await?;
        assert!(!set(3)?, "the change was not undone");
        assert!(!journal.changes().contains(&promiscuous));
        assert_eq!(journal.changes().len(), all.len() - 1);
        journal.forget(&all[0])?;
        assert_eq!(journal.changes().len(), all.len() - 2);
        assert!(namespace.ip("rule")?.contains("lookup 21000"), "what is forgotten stays as it is");
        Ok(())
    })?;
    // On disk too.
    let kept = namespace.run(|| Journal::open(folder.path(), IFACE))?.changes().to_vec();
    assert_eq!(kept.len(), all.len() - 2);
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

#[test]
fn what_takes_the_place_of_other_changes_is_all_there_is_to_undo() {
    let folder = tempfile::tempdir().unwrap();
    let [rule, setting] = [0, 1].map(|index| changes()[index].clone());
    let mut journal = Journal::open(folder.path(), IFACE).unwrap();
    journal.record([rule.clone(), setting.clone()]).unwrap();
    let Change::Rule(mut other) = rule.clone() else { unreachable!("the first is a rule") };
    other.priority += 1;
    let other = Change::Rule(other);
    journal.exchange(std::slice::from_ref(&rule), vec![other.clone()]).unwrap();
    assert_eq!(journal.changes(), [setting.clone(), other.clone()]);
    journal.exchange(std::slice::from_ref(&other), vec![other.clone(), rule.clone()]).unwrap();
    assert_eq!(journal.changes(), [setting, other, rule]);
    let again = Journal::open(folder.path(), IFACE).unwrap();
    assert_eq!(again.changes(), journal.changes(), "on disk, too");
}
