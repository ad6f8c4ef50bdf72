//! Switching features of the running process.

use sluice_common::offload::features::Feature;

use super::{Args, Failure, print, print_json, running};
use crate::config::did_you_mean;
use crate::control::request::{Request, SetReply, SetReport};

/// A feature, and whether it is to be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Switch {
    feature: Feature,
    on: bool,
}

/// Reads `NAME=on|off`.
pub(super) fn switch(written: &str) -> Result<Switch, String> {
    let (name, word) = written.split_once('=').ok_or("NAME=on or NAME=off is wanted")?;
    let feature = Feature::from_label(name).ok_or_else(|| unknown(name))?;
    match word {
        "on" => Ok(Switch { feature, on: true }),
        "off" => Ok(Switch { feature, on: false }),
        _ => Err(format!("{name} is switched `on` or `off`, not {word:?}")),
    }
}

fn unknown(name: &str) -> String {
    let meant = did_you_mean(name, Feature::ALL.iter().map(|feature| feature.label()));
    let hint = if meant.is_empty() { "; `sluice features IFACE` lists them" } else { &meant };
    format!("there is no feature {name:?}{hint}")
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let named = |switch: &Switch| (switch.feature.label().to_owned(), switch.on);
    let request = Request::Set {
        iface: args.iface.clone(),
        features: args.switches.iter().map(named).collect(),
    };
    let answer = running::ask(&args.socket, &request).map_err(Failure::failed)?;
    let reply = running::understood(&args.socket, &answer).map_err(Failure::failed)?;
    match reply {
        SetReply::Done(report) if args.json => print_json(&report),
        SetReply::Done(report) => print(sentences(&report)),
        SetReply::Refused { message } => Err(Failure::failed(anyhow::anyhow!(message))),
    }
}

fn sentences(report: &SetReport) -> String {
    let changes = report.changes.iter().map(ToString::to_string);
    changes.chain(report.later.clone()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_a_name_and_a_word() {
        let feature = Feature::GenericReceive;
        assert_eq!(switch("generic-receive-offload=on"), Ok(Switch { feature, on: true }));
        assert_eq!(switch("generic-receive-offload=off"), Ok(Switch { feature, on: false }));
    }

    #[test]
    fn what_is_no_switch_is_told_what_it_lacks() {
        let refused = |written| switch(written).unwrap_err();
        assert!(refused("generic-receive-offload").contains("NAME=on"));
        assert!(refused("generic-receive-offload=yes").contains("not \"yes\""));
        let slip = refused("generic-recieve-offload=on");
        assert!(slip.contains("did you mean \"generic-receive-offload\"?"), "{slip}");
        assert!(refused("gro=on").contains("`sluice features IFACE` lists them"));
    }
}
