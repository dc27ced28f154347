//! The rule of Kubernetes for names (RFC 1123), and how texts of any length are said.

use super::{fault::Faults, fields::Placed};

/// The most characters that the name of a Deployment may have.
pub const LONGEST_NAME: usize = 253;
/// The most characters that the name of a namespace may have.
pub const LONGEST_NAMESPACE: usize = 63;
/// How much of a text is said.
const SAID: usize = 80;

/// Whether it is a name; `dots` separate parts that are names each.
pub fn is_name(text: &str, longest: usize, dots: bool) -> bool {
    let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    let label =
        |label: &str| label.chars().all(plain) && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    let labels = if dots { text.split('.').all(label) } else { label(text) };
    labels && text.len() <= longest
}

/// Says so if it is no name.
pub fn check_name(name: &Placed<String>, longest: usize, dots: bool, faults: &mut Faults) {
    if !is_name(&name.value, longest, dots) {
        let message = format!(
            "{} is not a name in kubernetes: use up to {longest} lowercase letters, digits and dashes, with a letter or digit \
             at both ends",
            said(&name.value)
        );
        name.fault(faults, message);
    }
}

/// A text in quotes, cut where it is longer than anybody reads.
pub fn said(text: &str) -> String {
    match text.char_indices().nth(SAID) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}
