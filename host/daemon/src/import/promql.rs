//! An expression of the original, which replaces `<<pod>>` anywhere in the text, as PromQL with our placeholders, which
//! stand within quotes.

use std::time::Duration;

use aviary_core::{
    judge::{Better, MetricKind},
    settings::{MetricSettings, MetricSource},
};
use aviary_metrics::{placeholder_after, validate_metric};

use super::values::Read;
use crate::configuration::{Faults, document::Node, fields::FromNode as _};

/// The original's placeholder.
const POD: &str = "<<pod>>";
/// Words of PromQL that stand where a metric could.
const WORDS: [&str; 14] = [
    "and",
    "or",
    "unless",
    "bool",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "offset",
    "inf",
    "nan",
    "atan2",
];
/// After these words a list of labels may follow.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// What a check asks Prometheus.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The metric it is about, for people.
    pub metric: String,
    /// How it is asked here.
    pub source: MetricSource,
}

impl Read for Asked {
    fn read(node: &Node, faults: &mut Faults) -> Option<Self> {
        let asked = asked(&String::from_node(node, faults)?);
        let checked = validate_metric(&settings(asked.clone()));
        checked.map_err(|fault| node.fault(faults, fault.to_string())).ok().map(|()| asked)
    }
}

fn settings(asked: Asked) -> MetricSettings {
    let condition = matches!(asked.source, MetricSource::Condition(_));
    MetricSettings {
        name: asked.metric,
        unit: String::new(),
        source: asked.source,
        kind: if condition { MetricKind::Condition } else { MetricKind::Evaluated },
        better: Better::Neither,
        min: None,
        max: None,
        window: Duration::from_secs(60),
        parameters: serde_json::Value::Null,
    }
}

/// How an expression is asked here: of each pod, or of the service as a whole where it names none.
pub fn asked(expression: &str) -> Asked {
    let pieces = pieces(expression.trim());
    let (mut text, mut code, mut of_pods, mut comment) = (String::new(), String::new(), false, false);
    for piece in pieces {
        match piece {
            Piece::Code(piece) => {
                text.push_str(piece);
                code.push_str(piece);
            }
            Piece::Comment(piece) => {
                text.push_str(piece);
                comment = true;
            }
            Piece::Quoted(quote, inner) => {
                of_pods |= inner.contains(POD);
                text.push_str(&quoted(quote, inner));
                code.push_str("\"\"");
            }
        }
    }
    let metric = metric(&code).unwrap_or("condition").to_owned();
    let end = if comment { "\n" } else { "" };
    let source = if of_pods {
        MetricSource::Condition(text)
    } else {
        // Without a result there is a 0, which is below the minimum of 1.
        MetricSource::Query(format!("count({text}{end}) or vector(0)"))
    };
    Asked { metric, source }
}

enum Piece<'a> {
    Code(&'a str),
    Comment(&'a str),
    /// A quote and what stands up to the next one; a string without an end is code.
    Quoted(char, &'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (piece, length) = match first {
            '#' => {
                let end = rest.find('\n').unwrap_or(rest.len());
                (Piece::Comment(&rest[..end]), end)
            }
            '"' | '\'' | '`' => match closing(&rest[1..], first) {
                Some(end) => (Piece::Quoted(first, &rest[1..=end]), end + 2),
                None => (Piece::Code(rest), rest.len()),
            },
            _ => {
                let end = rest.find(['#', '"', '\'', '`']).unwrap_or(rest.len());
                (Piece::Code(&rest[..end]), end)
            }
        };
        pieces.push(piece);
        rest = &rest[length..];
    }
    pieces
}

/// Where the string that began before `text` ends.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = quote != '`',
            _ if character == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// A string with our placeholder, and with every text escaped that would be one by accident.
fn quoted(quote: char, inner: &str) -> String {
    // Within backticks nothing can be escaped.
    let raw = quote == '`';
    let (mut text, mut rest, mut found) = (String::new(), inner, false);
    while let Some(first) = rest.chars().next() {
        let length = if let Some((written, _)) = placeholder_after(&text, rest) {
            found = true;
            replace(&mut text, written);
            written.len()
        } else if first == '\\' && !raw {
            let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
            text.push_str(&rest[..length]);
            length
        } else {
            push(&mut text, first, raw);
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    match (raw, found) {
        (true, true) => format!("\"{text}\""),
        (true, false) => format!("`{inner}`"),
        (false, _) => format!("{quote}{text}{quote}"),
    }
}

fn replace(text: &mut String, written: &str) {
    let ours = if placeholder_after(text, "{pod}").is_some() { "{pod}" } else { POD };
    match written {
        POD => text.push_str(ours),
        other if other.starts_with('{') => text.extend([r"\x7b", &other[1..]]),
        other => text.extend([r"\x3c", &other[1..]]),
    }
}

/// A character of a raw string within double quotes.
fn push(text: &mut String, character: char, raw: bool) {
    match character {
        '\\' if raw => text.push_str(r"\\"),
        '"' if raw => text.push_str("\\\""),
        '\n' if raw => text.push_str(r"\n"),
        _ => text.push(character),
    }
}

/// The first name in PromQL without its strings that is neither a function, a word, nor a label.
fn metric(code: &str) -> Option<&str> {
    let name = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    let (mut rest, mut labels) = (code, 0_u32);
    while let Some(first) = rest.chars().next() {
        let length = if name(first) { rest.find(|other| !name(other)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (token, after) = rest.split_at(length);
        let opens = after.trim_start().starts_with('(');
        let word = token.to_ascii_lowercase();
        match first {
            '{' | '[' => labels += 1,
            '}' | ']' => labels = labels.saturating_sub(1),
            '(' if labels > 0 => labels += 1,
            ')' if labels > 0 => labels -= 1,
            _ if !name(first) || first.is_ascii_digit() || labels > 0 || WORDS.contains(&word.as_str()) => {}
            _ if opens || grouped(after) => {}
            _ => return Some(token),
        }
        rest = if opens && BEFORE_LABELS.contains(&word.as_str()) && labels == 0 {
            labels = 1;
            &after.trim_start()[1..]
        } else {
            after
        };
    }
    None
}

/// Whether an aggregation's labels follow, as in `sum by (pod) (...)`.
fn grouped(after: &str) -> bool {
    let after = after.trim_start().to_ascii_lowercase();
    ["by", "without"]
        .iter()
        .any(|word| after.strip_prefix(word).is_some_and(|after| after.trim_start().starts_with('(')))
}
