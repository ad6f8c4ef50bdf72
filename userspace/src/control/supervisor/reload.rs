//! Reading the configuration file anew while packets flow.
//!
//! All of it comes in force, or nothing does: a file that is wrong, or that changes what was opened at the start,
//! leaves everything as it is.

use sluice_common::offload::features::Limits;
use tokio::net::UnixStream;

use super::super::request::ReloadReport;
use super::super::routes::plan;
use super::orders::{Hears, report_reload};
use super::rules::steering_rules;
use super::serve::{Phase, Supervisor};
use super::{Configured, SupervisorError};
use crate::config::{Changed, Config, Mode};
use crate::steer::SteerError;

impl Supervisor {
    /// Somebody wants the file read anew: over the socket, or by a signal.
    pub(super) async fn reload(&mut self, asker: Option<UnixStream>) {
        let file = &self.configured.file;
        let report = ReloadReport { file: file.display().to_string(), ..ReloadReport::default() };
        let new = match Configured::read(file) {
            Ok(new) => new,
            Err(error) => {
                let wrong = Some(error.to_string());
                return report_reload(asker, &ReloadReport { wrong, ..report });
            }
        };
        let changes = self.config().changes(&new.config);
        let (may, may_not): (Vec<_>, Vec<_>) = changes.into_iter().partition(|one| one.may_change);
        let keys = |changes: Vec<Changed>| changes.into_iter().map(|one| one.key).collect();
        if !may_not.is_empty() {
            return report_reload(asker, &ReloadReport { refused: keys(may_not), ..report });
        }
        if may.is_empty() {
            return report_reload(asker, &report);
        }
        let before = self.features;
        match self.go_by(new).await {
            Ok(for_workers) => {
                let report = ReloadReport { changed: keys(may), ..report };
                if for_workers {
                    self.put_in_force(true, Hears::Reload { asker, report, before }).await;
                } else {
                    report_reload(asker, &report);
                }
            }
            Err(error) => {
                let failed = Some(format!("{error}; nothing was changed"));
                report_reload(asker, &ReloadReport { failed, ..report });
            }
        }
    }

    /// Goes by `new`, as far as that is not the workers'; whether they are concerned. Where it fails everything is as
    /// before.
    async fn go_by(&mut self, new: Configured) -> Result<bool, SupervisorError> {
        let old = &self.configured.config;
        if new.config.rules != old.rules {
            if new.config.mode == Mode::Host {
                plan(&new.config.host, &new.config.rules)?;
            }
            self.replace_rules(&new.config)?;
        }
        let old = std::mem::replace(&mut self.configured, new).config;
        let new = &self.configured.config;
        let answers = |config: &Config| (config.wire.icmp_from, config.wire.icmp_rate);
        let for_workers =
            new.offload != old.offload || new.stage != old.stage || answers(new) != answers(&old);
        self.revision += u64::from(for_workers);
        if new.offload != old.offload {
            // What was switched since the start gives way to the file, within what the kernel can.
            let features = new.offload.features(new.mode);
            let able = features.limits().able.and(self.features.limits().able);
            self.features = features.within(Limits { able, ..*features.limits() });
        }
        let (rules, link) = (new.rules != old.rules, new.wire.link != old.wire.link);
        if answers(new) != answers(&old) {
            self.answer_anew();
        }
        if rules {
            self.follow_rules().await;
        }
        if link {
            self.watch_links().await;
        }
        Ok(for_workers)
    }

    /// On every port, or on none.
    fn replace_rules(&mut self, new: &Config) -> Result<(), SteerError> {
        let fail_open = new.worker.fail_open;
        let [new, old] = [new, self.config()].map(steering_rules);
        for index in 0..self.ports.len() {
            if let Err(error) = self.ports[index].steering.set_rules(&new, fail_open) {
                for port in &mut self.ports[..index] {
                    // They were there before, and the first error is the one to tell.
                    let _ = port.steering.set_rules(&old, fail_open);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Host mode's policy routes follow the rules.
    async fn follow_rules(&mut self) {
        let is_running = matches!(self.phase, Phase::Running { .. });
        if let (true, Some(diversion), [port]) = (is_running, &mut self.diversion, &mut *self.ports)
        {
            let config = &self.configured.config;
            if let Err(error) = diversion.follow_rules(config, &mut port.journal).await {
                tracing::error!("{error}");
            }
        }
    }
}
