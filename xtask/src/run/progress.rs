//! The display while it runs; nothing where standard error is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over all measurements, in tenths of a second.
pub(super) struct Progress {
    bar: ProgressBar,
    measurement: u64,
    done: std::cell::Cell<u64>,
}

impl Progress {
    /// For `measurements` of `seconds` each.
    pub(super) fn new(measurements: usize, seconds: u32) -> Self {
        let measurement = u64::from(seconds) * 10;
        let bar = ProgressBar::new(measurement * measurements as u64);
        let style = ProgressStyle::with_template("{msg:30} {wide_bar} {percent:>3} %  {eta} left");
        bar.set_style(style.expect("the template is well-formed"));
        Self { bar, measurement, done: 0.into() }
    }

    /// The next measurement begins.
    pub(super) fn begin(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// It has lasted this many tenths of a second.
    pub(super) fn at(&self, tenths: u64) {
        self.bar.set_position(self.done.get() + tenths.min(self.measurement));
    }

    /// It has ended.
    pub(super) fn end(&self) {
        self.done.set(self.done.get() + self.measurement);
        self.at(0);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
