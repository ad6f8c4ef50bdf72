//! Orders that the data plane carries out while it works, and who waits to hear what came of them.

use std::collections::VecDeque;
use std::time::Duration;

use sluice_common::offload::features::Features;
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::super::protocol::{Order, Switched};
use super::super::request::{ReloadReport, SetReply, SetReport};
use super::asked::answer;
use super::serve::{Phase, Supervisor};

/// How long the data plane may take to say what came of an order, before the answer goes without it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is said where the data plane is not there to do it.
const LATER: &str = "the data plane is not running now; in force as soon as it is";

/// Who is to hear what came of an order.
#[derive(Debug)]
pub(super) enum Hears {
    /// Who wants features switched.
    Switch { asker: UnixStream, report: SetReport, before: Features },
    /// Who wants the configuration read anew: over the socket, or by a signal.
    Reload { asker: Option<UnixStream>, report: ReloadReport, before: Features },
    /// A data plane that has just come up is told what it does not know yet.
    Nobody,
}

impl Hears {
    /// The features as they were, where the order has changed them.
    const fn before(&self) -> Option<Features> {
        match self {
            Self::Switch { before, .. } | Self::Reload { before, .. } => Some(*before),
            Self::Nobody => None,
        }
    }

    /// It was done, or will be: `later` says when.
    fn done(self, later: Option<String>) {
        match self {
            Self::Switch { asker, report, .. } => {
                answer(asker, &SetReply::Done(SetReport { later, ..report }));
            }
            Self::Reload { asker, report, .. } => {
                report_reload(asker, &ReloadReport { later, ..report });
            }
            Self::Nobody => {}
        }
    }

    fn refused(self, message: String) {
        match self {
            Self::Switch { asker, .. } => answer(asker, &SetReply::Refused { message }),
            Self::Reload { asker, report, .. } => {
                report_reload(asker, &ReloadReport { failed: Some(message), ..report });
            }
            Self::Nobody => {}
        }
    }
}

/// Tells whoever asked, and the log: a signal has nobody else to tell.
pub(super) fn report_reload(asker: Option<UnixStream>, report: &ReloadReport) {
    if report.succeeded() {
        tracing::info!("reload: {report}");
    } else {
        tracing::error!("reload: {report}");
    }
    if let Some(asker) = asker {
        answer(asker, report);
    }
}

/// Those who wait, in the order in which the data plane was told.
#[derive(Debug, Default)]
pub(super) struct Orders {
    waiting: VecDeque<(Hears, Instant)>,
}

impl Supervisor {
    /// Has the data plane work with the features that are on now; with `settle`, by the configuration too.
    pub(super) async fn put_in_force(&mut self, settle: bool, hears: Hears) {
        let features = self.features.active();
        let order = match settle {
            true => Order::Settle { config: self.configured.text.clone(), features },
            false => Order::Switch(features),
        };
        let told = match (&mut self.data_plane, self.phase) {
            (Some(data_plane), Phase::Running { .. }) => data_plane.order(&order).await.is_ok(),
            _ => false,
        };
        if told {
            self.told.features = features;
            if settle {
                self.told.revision = self.revision;
            }
            self.orders.waiting.push_back((hears, Instant::now()));
        } else {
            hears.done(Some(LATER.to_owned()));
        }
    }

    /// The data plane says what came of the oldest order.
    pub(super) fn carried_out(&mut self, switched: Switched) {
        let Some((hears, _)) = self.orders.waiting.pop_front() else { return };
        match switched {
            Switched::Done => hears.done(None),
            Switched::Late(queues) => hears.done(Some(format!(
                "the workers of queues {queues:?} are busy; in force there at the end of their turn"
            ))),
            Switched::Refused(message) => {
                tracing::error!("features stay as they were: {message}");
                self.features = hears.before().unwrap_or(self.features);
                hears.refused(message);
            }
        }
    }

    /// Answers those whom the data plane has left waiting: all, where it has ended, else those who have
    /// waited long enough.
    pub(super) fn give_up_waiting(&mut self, ended: bool) {
        let is_over = |waiting: &(Hears, Instant)| ended || waiting.1.elapsed() >= PATIENCE;
        while self.orders.waiting.front().is_some_and(is_over) {
            let Some((hears, _)) = self.orders.waiting.pop_front() else { return };
            hears.done(Some(LATER.to_owned()));
        }
    }

    /// What was changed while a data plane opened goes to it.
    pub(super) async fn catch_up(&mut self) {
        let settle = self.told.revision != self.revision;
        if settle || self.told.features != self.features.active() {
            self.put_in_force(settle, Hears::Nobody).await;
        }
    }
}
