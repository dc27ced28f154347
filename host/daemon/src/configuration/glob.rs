//! Patterns for the names of Deployments: `*` is any text, `?` any one character.

use std::fmt;

use regex::Regex;

use super::names::{LONGEST_NAME, is_name};

/// A pattern that some name can match.
#[derive(Debug, Clone)]
pub struct Glob {
    text: String,
    regex: Regex,
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong and the way out.
    pub fn parse(text: &str) -> Result<Self, String> {
        let known = |character: char| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || "-.*?".contains(character)
        };
        if let Some(strange) = text.chars().find(|character| !known(*character)) {
            return Err(format!(
                "has {strange:?}, which no name has: write lowercase letters, digits, dashes, dots, * for any text and ? for any \
                 one character"
            ));
        }
        // The kindest name for the pattern: where that is none, no name matches.
        let kindest = text.replace(['*', '?'], "a");
        if text.replace('*', "").len() > LONGEST_NAME || !is_name(&kindest, usize::MAX, true) {
            return Err(format!(
                "matches no name: a name has up to {LONGEST_NAME} characters, and a letter or digit at both ends and beside dots"
            ));
        }
        let pattern = regex::escape(text).replace(r"\*", ".*").replace(r"\?", ".");
        let regex = Regex::new(&format!("^{pattern}$")).map_err(|error| format!("is no pattern ({error})"))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Whether it matches a name.
    pub fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
