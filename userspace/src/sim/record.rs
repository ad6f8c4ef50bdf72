//! Packets, one after the other.

/// Packets in the order they came, in memory that is reserved beforehand: recording one allocates
/// nothing as long as [`reserve`](Self::reserve) was generous.
#[derive(Clone, Debug, Default)]
pub struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Record {
    /// Makes room for that many more.
    pub fn reserve(&mut self, packets: usize, bytes: usize) {
        self.ends.reserve(packets);
        self.bytes.reserve(bytes);
    }

    /// Adds a packet made of `parts`.
    pub fn push<'a>(&mut self, parts: impl IntoIterator<Item = &'a [u8]>) {
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.ends.push(self.bytes.len());
    }

    /// How many packets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The packets, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    /// Forgets them, and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    fn packets_keep_their_order_and_bounds() {
        let mut record = Record::default();
        record.push([&b"he"[..], b"llo"]);
        record.push([&b""[..]]);
        record.push([&b"world"[..]]);
        assert_eq!(record.iter().collect::<Vec<_>>(), [&b"hello"[..], b"", b"world"]);
        record.clear();
        assert_eq!(record.iter().count(), 0);
    }
}
