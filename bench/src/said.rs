//! How a measuring program tells its result.

use std::collections::BTreeMap;

/// A result: the number that is compared, and others beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    numbers: BTreeMap<&'static str, f64>,
}

impl Said {
    /// The number that is compared.
    #[must_use]
    pub fn value(value: f64) -> Self {
        Self { numbers: [("value", value)].into() }
    }

    /// And another.
    #[must_use]
    pub fn and(mut self, name: &'static str, value: f64) -> Self {
        self.numbers.insert(name, value);
        self
    }

    /// Nanoseconds for a packet of so many bytes, and what that is in 10^9 bytes a second.
    #[must_use]
    pub fn per_packet(nanoseconds: f64, bytes: usize) -> Self {
        Self::value(nanoseconds).and("gb_per_s", bytes as f64 / nanoseconds)
    }

    /// The line that is printed.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::json!(self.numbers).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_one_object() {
        let line = Said::per_packet(2.0, 1500).and("trains", 3.0).line();
        assert_eq!(line, r#"{"gb_per_s":750.0,"trains":3.0,"value":2.0}"#);
    }
}
