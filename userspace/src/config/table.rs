//! Reading one TOML table key by key, remembering where each value stands and what was wrong with it.
//!
//! A reader never stops at the first mistake: it notes the problem, goes on with the default, and the
//! caller throws the result away when there was one. So a file with four mistakes is mended in one go.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::Source;
use super::words::{did_you_mean, one_of, type_name};

/// One table, and which of its keys have been asked for.
pub(super) struct Table<'a> {
    source: &'a Source<'a>,
    path: String,
    span: Range<usize>,
    entries: Option<&'a DeTable<'a>>,
    known: RefCell<Vec<&'static str>>,
}

/// A value that is there, with where it stands.
pub(super) struct Entry<'a> {
    pub(super) value: &'a DeValue<'a>,
    pub(super) span: Range<usize>,
}

impl<'a> Table<'a> {
    /// The table at `path`; `None` is one that the file leaves out.
    pub(super) fn new(
        source: &'a Source<'a>,
        path: String,
        span: Range<usize>,
        entries: Option<&'a DeTable<'a>>,
    ) -> Self {
        Self { source, path, span, entries, known: RefCell::default() }
    }

    /// The full name of `key`.
    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value of `key`, which from now on is a known one.
    pub(super) fn get(&self, key: &'static str) -> Option<Entry<'a>> {
        self.known.borrow_mut().push(key);
        let value = self.entries?.get(key)?;
        Some(Entry { value: value.get_ref(), span: value.span() })
    }

    /// Whether the file says anything for `key`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.is_some_and(|entries| entries.contains_key(key))
    }

    /// Notes a problem with the value of `key`, or with the table where there is no such value.
    pub(super) fn problem(&self, key: &str, message: impl Into<String>) {
        match self.entries.and_then(|entries| entries.get(key)) {
            Some(value) => self.problem_at(key, value.span(), message),
            None => self.source.note(self.span.clone(), self.name(key), false, message.into()),
        }
    }

    /// Notes a problem with `key` as a whole, whose value is too long or too little to be shown.
    pub(super) fn problem_without_value(&self, key: &str, message: impl Into<String>) {
        let value = self.entries.and_then(|entries| entries.get(key));
        let span = value.map_or_else(|| self.span.clone(), Spanned::span);
        self.source.note(span, self.name(key), false, message.into());
    }

    /// Notes a problem with a value, or with a part of one: an element of a list.
    pub(super) fn problem_at(&self, key: &str, span: Range<usize>, message: impl Into<String>) {
        self.source.note(span, self.name(key), true, message.into());
    }

    /// Notes that a value is of another type than `wanted`.
    pub(super) fn wrong_type(&self, key: &str, entry: &Entry<'_>, wanted: &str) {
        let message = format!("{} where {wanted} is wanted", type_name(entry.value));
        self.problem_at(key, entry.span.clone(), message);
    }

    /// Notes that a value is none of those `wanted`: another word, or another type.
    pub(super) fn not_wanted(&self, key: &str, entry: &Entry<'_>, wanted: &str) {
        match entry.value.is_str() {
            true => self.problem_at(key, entry.span.clone(), format!("not {wanted}")),
            false => self.wrong_type(key, entry, wanted),
        }
    }

    /// A switch.
    pub(super) fn boolean(&self, key: &'static str, default: bool) -> bool {
        let Some(entry) = self.get(key) else { return default };
        entry.value.as_bool().unwrap_or_else(|| {
            self.wrong_type(key, &entry, "true or false");
            default
        })
    }

    /// A string.
    pub(super) fn text(&self, key: &'static str, wanted: &str) -> Option<&'a str> {
        let entry = self.get(key)?;
        let text = entry.value.as_str();
        if text.is_none() {
            self.wrong_type(key, &entry, wanted);
        }
        text
    }

    /// A whole number within `range`.
    pub(super) fn integer(
        &self,
        key: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let Some(entry) = self.get(key) else { return default };
        self.integer_in(key, &entry, &range).unwrap_or(default)
    }

    /// `entry` as a whole number within `range`, or a problem noted.
    pub(super) fn integer_in(
        &self,
        key: &'static str,
        entry: &Entry<'_>,
        range: &RangeInclusive<u64>,
    ) -> Option<u64> {
        let (low, high) = (range.start(), range.end());
        let Some(digits) = entry.value.as_integer() else {
            self.wrong_type(key, entry, &format!("a whole number from {low} to {high}"));
            return None;
        };
        let number = u64::from_str_radix(digits.as_str(), digits.radix()).ok();
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let message = format!("out of range; from {low} to {high}");
            self.problem_at(key, entry.span.clone(), message);
        }
        number
    }

    /// A power of two within `range`.
    pub(super) fn power_of_two(
        &self,
        key: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> u32 {
        let (low, high) = range.into_inner();
        let number = self.integer(key, default.into(), low.into()..=high.into()) as u32;
        if number.is_power_of_two() {
            return number;
        }
        let above = number.next_power_of_two();
        let message =
            format!("not a power of two from {low} to {high}; {} or {above}, say", above / 2);
        self.problem(key, message);
        default
    }

    /// One of a set of words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, default: T, words: &[(&str, T)]) -> T {
        let Some(entry) = self.get(key) else { return default };
        let Some(word) = entry.value.as_str() else {
            self.wrong_type(key, &entry, &one_of(words));
            return default;
        };
        if let Some(&(_, value)) = words.iter().find(|(name, _)| *name == word) {
            return value;
        }
        let hint = did_you_mean(word, words.iter().map(|(name, _)| *name));
        self.problem_at(key, entry.span, format!("not {}{hint}", one_of(words)));
        default
    }

    /// The list under `key`, element by element; `None` where `key` is no list.
    pub(super) fn list(entry: &Entry<'a>) -> Option<Vec<Entry<'a>>> {
        let items = entry.value.as_array()?;
        let entry =
            |item: &'a Spanned<DeValue<'a>>| Entry { value: item.get_ref(), span: item.span() };
        Some(items.iter().map(entry).collect())
    }

    /// The table under `key`; an empty one where the file leaves it out.
    pub(super) fn table(&self, key: &'static str) -> Table<'a> {
        let path = self.name(key);
        let Some(entry) = self.get(key) else {
            return Table::new(self.source, path, self.span.clone(), None);
        };
        if entry.value.as_table().is_none() {
            self.wrong_type(key, &entry, &format!("a table, [{path}],"));
        }
        Table::new(self.source, path, entry.span, entry.value.as_table())
    }

    /// The tables under `[[key]]`.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        let Some(entry) = self.get(key) else { return Vec::new() };
        let wanted = format!("a list of tables, [[{key}]],");
        let Some(items) = Self::list(&entry) else {
            self.wrong_type(key, &entry, &wanted);
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            match item.value.as_table() {
                Some(table) => {
                    let path = format!("{}[{index}]", self.name(key));
                    tables.push(Table::new(self.source, path, item.span, Some(table)));
                }
                None => self.wrong_type(key, &item, &wanted),
            }
        }
        tables
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for key in self.entries.into_iter().flat_map(DeTable::keys) {
            if !known.iter().any(|known| known == key.get_ref()) {
                let hint = did_you_mean(key.get_ref(), known.iter().copied());
                let message = format!("unknown key{hint}; known here: {}", known.join(", "));
                self.source.note(key.span(), self.name(key.get_ref()), false, message);
            }
        }
    }
}
