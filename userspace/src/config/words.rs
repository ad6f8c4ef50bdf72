//! How types, choices and suggestions are worded.

use toml::de::DeValue;

/// How a value's type is called in a message.
pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// `"a", "b" or "c"`.
pub(super) fn one_of<T>(words: &[(&str, T)]) -> String {
    let quoted: Vec<_> = words.iter().map(|(name, _)| format!("{name:?}")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// `; did you mean "x"?` where one of `known` is near enough to be a slip of the finger.
pub(crate) fn did_you_mean<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> String {
    // One slip in a short word, two or three in a long one; more and it is another word.
    let slips = (written.chars().count() / 3).max(1);
    let counted = known.map(|name| (strsim::damerau_levenshtein(written, name), name));
    let best = counted.filter(|&(count, _)| count <= slips).min_by_key(|&(count, _)| count);
    best.map_or_else(String::new, |(_, name)| format!("; did you mean {name:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_gets_a_suggestion_and_a_foreign_word_none() {
        let known = || ["frames", "ring", "queues"].into_iter();
        assert_eq!(did_you_mean("framse", known()), "; did you mean \"frames\"?");
        assert_eq!(did_you_mean("colour", known()), "");
    }
}
