//! Label selectors as people write them for `kubectl --selector`: equality and sets, all of which must hold.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::{Expression, Selector, SelectorExt as _};

use super::names::{LONGEST_NAME, is_name, said};

/// The most characters that a selector may have.
const LONGEST: usize = 1024;
/// The most characters that a label's name, without its prefix, and its value may have.
const LONGEST_LABEL: usize = 63;

const EXAMPLE: &str = "write one such as team=ingest,tier in (batch,stream),!legacy";

/// Reads a selector.
///
/// # Errors
/// What is wrong and the way out.
pub fn parse(text: &str) -> Result<Selector, String> {
    if text.len() > LONGEST {
        return Err(format!("has more than {LONGEST} characters: shorten it, or label the Deployments"));
    }
    let requirements = requirements(text)?.into_iter().map(|requirement| expression(requirement.trim()));
    let expressions: Vec<Expression> = requirements.collect::<Result<_, _>>()?;
    match expressions.iter().map(key_of).find(|key| contradicts_itself(key, &expressions)) {
        Some(key) => {
            Err(format!("can match nothing: no label {key} is all that is asked of it; correct its requirements"))
        }
        None => Ok(expressions.into_iter().collect()),
    }
}

/// Reads the labels of a Deployment, such as `team=ingest,tier=batch`.
///
/// # Errors
/// What is wrong and the way out.
pub fn labels(text: &str) -> Result<BTreeMap<String, String>, String> {
    let one = |expression: Expression| match expression {
        Expression::Equal(key, value) => Ok((key, value)),
        other => Err(format!("{other} is no label with its value: write them as team=ingest,tier=batch")),
    };
    parse(text)?.into_iter().map(one).collect()
}

/// Whether no value of this label, nor its absence, fits everything that is asked of it.
fn contradicts_itself(key: &str, expressions: &[Expression]) -> bool {
    let asked: Vec<&Expression> = expressions.iter().filter(|expression| key_of(expression) == key).collect();
    let fits = |labels: &BTreeMap<String, String>| asked.iter().all(|expression| expression.matches(labels));
    let with = |value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let named = asked.iter().flat_map(|expression| values_of(expression));
    let other = "a value that no selector can name";
    !named.map(String::as_str).chain([other]).any(|value| fits(&with(value))) && !fits(&BTreeMap::new())
}

fn key_of(expression: &Expression) -> &str {
    match expression {
        Expression::In(key, _) | Expression::NotIn(key, _) => key,
        Expression::Equal(key, _) | Expression::NotEqual(key, _) => key,
        Expression::Exists(key) | Expression::DoesNotExist(key) => key,
    }
}

/// The values that a label is required to have.
fn values_of(expression: &Expression) -> Vec<&String> {
    match expression {
        Expression::In(_, values) => values.iter().collect(),
        Expression::Equal(_, value) => vec![value],
        _ => Vec::new(),
    }
}

/// The parts between the commas that are in no parentheses.
fn requirements(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        match character {
            '(' | ')' if inside == (character == '(') => {
                return Err(format!("has a {character} that does not fit: {EXAMPLE}"));
            }
            '(' | ')' => inside = !inside,
            ',' if !inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    if inside { Err(format!("has a ( without its ): {EXAMPLE}")) } else { Ok(parts) }
}

fn expression(text: &str) -> Result<Expression, String> {
    if text.is_empty() {
        return Err(format!("has nothing before or after a comma: {EXAMPLE}"));
    }
    if let Some(name) = text.strip_prefix('!') {
        return Ok(Expression::DoesNotExist(key(name)?));
    }
    if text.contains('(') {
        return set(text);
    }
    match text.split_once('=') {
        None => Ok(Expression::Exists(key(text)?)),
        Some((name, wanted)) => match name.strip_suffix('!') {
            Some(name) => Ok(Expression::NotEqual(key(name)?, value(wanted)?)),
            None => Ok(Expression::Equal(key(name)?, value(wanted.strip_prefix('=').unwrap_or(wanted))?)),
        },
    }
}

fn set(text: &str) -> Result<Expression, String> {
    let fault = || format!("{} is no requirement: {EXAMPLE}", said(text));
    let (before, values) = text.split_once('(').ok_or_else(fault)?;
    let values = values.strip_suffix(')').ok_or_else(fault)?;
    let (name, word) = before.trim_end().rsplit_once(char::is_whitespace).ok_or_else(fault)?;
    let name = key(name)?;
    let values: BTreeSet<String> = values.split(',').map(value).collect::<Result<_, _>>()?;
    match word {
        "in" => Ok(Expression::In(name, values)),
        "notin" => Ok(Expression::NotIn(name, values)),
        _ => Err(fault()),
    }
}

fn key(text: &str) -> Result<String, String> {
    let text = text.trim();
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    if !name.is_empty() && is_label(name) && prefix.is_none_or(|prefix| is_name(prefix, LONGEST_NAME, true)) {
        return Ok(text.to_owned());
    }
    Err(format!("{} is not the name of a label: {EXAMPLE}", said(text)))
}

fn value(text: &str) -> Result<String, String> {
    let text = text.trim();
    if is_label(text) {
        return Ok(text.to_owned());
    }
    let shape = format!("use up to {LONGEST_LABEL} letters, digits, dashes, dots and underscores");
    Err(format!("{} is not the value of a label: {shape}, with a letter or digit at both ends", said(text)))
}

fn is_label(text: &str) -> bool {
    let end = |character: Option<char>| character.is_none_or(|character| character.is_ascii_alphanumeric());
    text.len() <= LONGEST_LABEL
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
        && end(text.chars().next())
        && end(text.chars().next_back())
}
