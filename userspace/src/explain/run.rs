//! From a capture to its account.

use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use super::burst::Bursts;
use super::capture::Capture;
use super::error::{CaptureError, WriteError};
use super::report::Reporter;
use super::settings::Settings;
use super::summary::{Counter, Summary};
use super::trace::Trace;
use super::trial::Trial;
use super::writer::TrainWriter;

/// What is to be explained, and how.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The capture.
    pub capture: PathBuf,
    /// What the coalescer is to work by.
    pub settings: Settings,
    /// Whether `rx_checksum` is to stay as it is, although bytes are missing that it is made of.
    pub keep_rx_checksum: bool,
    /// What belongs to one burst.
    pub bursts: Bursts,
    /// Where the super-packets are written to.
    pub write: Option<PathBuf>,
}

/// Why there is no account, or not a whole one.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The capture could not be read, or not to its end; what could be read has been told.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The super-packets could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The account could not be written.
    #[error("the account cannot be written")]
    Report(#[from] io::Error),
}

impl Explanation {
    /// Reads the capture and tells what became of its packets. `progress` is told now and then how many
    /// bytes have been read; the capture is read twice.
    ///
    /// # Errors
    /// See [`ExplainError`].
    pub fn tell(
        &self,
        reporter: &mut dyn Reporter,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Summary, ExplainError> {
        let (is_cut, read) = survey(Capture::open(&self.capture)?, progress);
        let settings = match is_cut && !self.keep_rx_checksum {
            true => self.settings.clone().trusting(),
            false => self.settings.clone(),
        };
        let mut account = Account::new(self, &settings)?;
        let mut capture = Capture::open(&self.capture)?;
        let end = loop {
            match capture.next_packet() {
                Ok(Some(packet)) => account.packet(&packet.into(), reporter)?,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            progress(read + capture.consumed());
        };
        let summary = account.finish(&settings, reporter)?;
        end?;
        Ok(summary)
    }
}

/// Whether packets are cut short, and how much there is to read. What is wrong is told when it is read again.
fn survey(mut capture: Capture, progress: &mut dyn FnMut(u64)) -> (bool, u64) {
    let mut is_cut = false;
    while let Ok(Some(packet)) = capture.next_packet() {
        is_cut |= packet.is_cut();
        progress(capture.consumed());
    }
    (is_cut, capture.consumed())
}

/// The account as it is made.
struct Account {
    trace: Trace,
    counter: Counter,
    trials: Vec<Trial>,
    writer: Option<TrainWriter>,
    write_error: Option<WriteError>,
}

impl Account {
    fn new(explanation: &Explanation, settings: &Settings) -> Result<Self, WriteError> {
        let Explanation { bursts, write, .. } = explanation;
        Ok(Self {
            trace: Trace::new(settings.coalescing(), *bursts),
            counter: Counter::default(),
            trials: Trial::all(settings, *bursts),
            writer: write.as_deref().map(TrainWriter::create).transpose()?,
            write_error: None,
        })
    }

    fn packet(
        &mut self,
        packet: &Rc<super::Packet>,
        reporter: &mut dyn Reporter,
    ) -> Result<(), ExplainError> {
        self.counter.packet(packet);
        self.trials.iter_mut().for_each(|trial| trial.push(packet));
        let Self { trace, writer, write_error, .. } = self;
        trace.push(packet, |train, reason| {
            let written = writer.as_mut().map(|writer| writer.write(train, reason));
            *write_error = write_error.take().or(written.and_then(Result::err));
        });
        self.lines(reporter)
    }

    fn lines(&mut self, reporter: &mut dyn Reporter) -> Result<(), ExplainError> {
        if let Some(error) = self.write_error.take() {
            return Err(error.into());
        }
        while let Some(line) = self.trace.next_line() {
            self.counter.line(&line);
            reporter.line(&line)?;
        }
        Ok(())
    }

    fn finish(
        mut self,
        settings: &Settings,
        reporter: &mut dyn Reporter,
    ) -> Result<Summary, ExplainError> {
        let Self { trace, writer, write_error, .. } = &mut self;
        trace.finish(|train, reason| {
            let written = writer.as_mut().map(|writer| writer.write(train, reason));
            *write_error = write_error.take().or(written.and_then(Result::err));
        });
        self.lines(reporter)?;
        if let Some(writer) = self.writer {
            writer.finish()?;
        }
        let mut summary = self.counter.into_summary();
        summary.settings = settings.text();
        let hand_overs = summary.hand_overs;
        summary.would_merge_more =
            self.trials.into_iter().filter_map(|trial| trial.finish(hand_overs)).collect();
        reporter.summary(&summary)?;
        Ok(summary)
    }
}
