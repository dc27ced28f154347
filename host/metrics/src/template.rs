//! PromQL with placeholders: only what stands in quotes is replaced, so that a selector's own braces stay as they are.

use thiserror::Error;

/// What is wrong with the placeholders of a query.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateFault {
    /// A name nobody knows.
    #[error(
        "unknown placeholder {0}: known are {{namespace}}, {{service}}, {{track}}, {{pods}} and, in a condition, {{pod}}; \
         write an opening brace that is meant as such as \\x7b"
    )]
    Unknown(String),
    /// A placeholder that is not in a string.
    #[error("placeholder {0} stands outside of quotes: write it as the value of a label, such as label=\"{0}\"")]
    Unquoted(String),
    /// A placeholder in a raw string, where nothing can be escaped.
    #[error("placeholder {0} stands in backticks, where nothing can be escaped: use double quotes")]
    Backticks(String),
    /// A regular expression where a plain text is compared.
    #[error("placeholder {0} is a regular expression of several names: compare it with =~ or !~")]
    NotARegex(String),
    /// A string without an end.
    #[error("a string is opened by {0} and never closed: add the closing quote")]
    Unclosed(char),
}

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placeholder {
    Namespace,
    Service,
    Track,
    Pods,
    Pod,
}

impl Placeholder {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "namespace" => Self::Namespace,
            "service" => Self::Service,
            "track" => Self::Track,
            "pods" => Self::Pods,
            "pod" => Self::Pod,
            _ => return None,
        })
    }

    const fn is_alternation(self) -> bool {
        matches!(self, Self::Track | Self::Pods)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Hole { placeholder: Placeholder, quote: char, regex: bool },
}

/// A query whose placeholders have been found and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

/// What the placeholders stand for; a pod is present where a query is asked per pod.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) service: &'a str,
    pub(crate) tracks: &'a [&'a str],
    pub(crate) pods: &'a [&'a str],
    pub(crate) pod: &'a str,
}

impl Values<'_> {
    fn of(&self, placeholder: Placeholder) -> Vec<&str> {
        match placeholder {
            Placeholder::Namespace => vec![self.namespace],
            Placeholder::Service => vec![self.service],
            Placeholder::Track => self.tracks.to_vec(),
            Placeholder::Pods => self.pods.to_vec(),
            Placeholder::Pod => vec![self.pod],
        }
    }
}

impl Template {
    /// Finds the placeholders of `query`.
    pub(crate) fn parse(query: &str) -> Result<Self, TemplateFault> {
        Scanner::new(query).scan()
    }

    pub(crate) fn uses(&self, wanted: Placeholder) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Hole { placeholder, .. } if *placeholder == wanted))
    }

    /// The query with every placeholder replaced and escaped for the place where it stands.
    pub(crate) fn render(&self, values: &Values<'_>) -> String {
        let mut query = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => query.push_str(text),
                Piece::Hole { placeholder, quote, regex } => {
                    push_names(&mut query, &values.of(*placeholder), *quote, *regex);
                }
            }
        }
        query
    }
}

/// Writes `text` so that PromQL reads it back between two `quote`s.
pub(crate) fn push_quoted(query: &mut String, text: &str, quote: char) {
    for character in text.chars() {
        match character {
            '\n' => query.push_str("\\n"),
            '\\' => query.push_str("\\\\"),
            _ if character == quote => query.extend(['\\', character]),
            _ => query.push(character),
        }
    }
}

fn push_names(query: &mut String, names: &[&str], quote: char, regex: bool) {
    let text =
        if regex { names.iter().map(|name| escape_regex(name)).collect::<Vec<_>>().join("|") } else { names.concat() };
    push_quoted(query, &text, quote);
}

fn escape_regex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

struct Scanner<'a> {
    rest: &'a str,
    text: String,
    pieces: Vec<Piece>,
}

impl<'a> Scanner<'a> {
    const fn new(query: &'a str) -> Self {
        Self { rest: query, text: String::new(), pieces: Vec::new() }
    }

    fn scan(mut self) -> Result<Template, TemplateFault> {
        while let Some(character) = self.rest.chars().next() {
            match character {
                '"' | '\'' | '`' => self.string(character)?,
                '#' => self.copy(self.rest.find('\n').unwrap_or(self.rest.len())),
                _ => {
                    if let Some((written, _)) = placeholder_at(self.rest) {
                        return Err(self.outside(written));
                    }
                    self.copy(character.len_utf8());
                }
            }
        }
        self.flush();
        Ok(Template { pieces: self.pieces })
    }

    fn outside(&self, written: &str) -> TemplateFault {
        match known(written) {
            Some(_) => TemplateFault::Unquoted(written.to_owned()),
            None => TemplateFault::Unknown(written.to_owned()),
        }
    }

    fn string(&mut self, quote: char) -> Result<(), TemplateFault> {
        let before = self.text.trim_end();
        let regex = before.ends_with("=~") || before.ends_with("!~");
        self.copy(1);
        while let Some(character) = self.rest.chars().next() {
            if character == quote {
                self.copy(1);
                return Ok(());
            }
            if character == '\\' && quote != '`' {
                self.copy(1 + self.rest[1..].chars().next().map_or(0, char::len_utf8));
            } else if let Some((written, name)) = placeholder_after(&self.text, self.rest) {
                self.hole(written, name, quote, regex)?;
            } else {
                self.copy(character.len_utf8());
            }
        }
        Err(TemplateFault::Unclosed(quote))
    }

    fn hole(&mut self, written: &str, name: &str, quote: char, regex: bool) -> Result<(), TemplateFault> {
        let placeholder = Placeholder::from_name(name).ok_or_else(|| TemplateFault::Unknown(written.to_owned()))?;
        if quote == '`' {
            return Err(TemplateFault::Backticks(written.to_owned()));
        }
        if placeholder.is_alternation() && !regex {
            return Err(TemplateFault::NotARegex(written.to_owned()));
        }
        self.flush();
        self.pieces.push(Piece::Hole { placeholder, quote, regex });
        self.rest = &self.rest[written.len()..];
        Ok(())
    }

    fn copy(&mut self, bytes: usize) {
        let (head, tail) = self.rest.split_at(bytes);
        self.text.push_str(head);
        self.rest = tail;
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(Piece::Text(std::mem::take(&mut self.text)));
        }
    }
}

/// What would be a placeholder at the head of `rest`, known or not: as it is written, and its name. `before` is what stands
/// before it in the string: a group's name in a replacement or a character class of a regular expression is none.
#[must_use]
pub fn placeholder_after<'a>(before: &str, rest: &'a str) -> Option<(&'a str, &'a str)> {
    let group = ["$", r"\p", r"\P", r"\x"].iter().any(|prefix| before.ends_with(prefix));
    if group && rest.starts_with('{') { None } else { placeholder_at(rest) }
}

/// `{name}` or `<<name>>` at the head of `text`: as it is written, and the name.
fn placeholder_at(text: &str) -> Option<(&str, &str)> {
    let (open, close) = if text.starts_with('{') { ("{", "}") } else { ("<<", ">>") };
    let (name, _) = text.strip_prefix(open)?.split_once(close)?;
    let mut characters = name.chars();
    let named = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || "_-".contains(character));
    named.then(|| (&text[..open.len() + name.len() + close.len()], name))
}

fn known(written: &str) -> Option<Placeholder> {
    Placeholder::from_name(written.trim_matches(['{', '}', '<', '>']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values<'a>(pods: &'a [&'a str]) -> Values<'a> {
        Values { namespace: "shop", service: "a.b", tracks: &["primary", "canary"], pods, pod: pods[0] }
    }

    fn render(query: &str, pods: &[&str]) -> Result<String, TemplateFault> {
        Template::parse(query).map(|template| template.render(&values(pods)))
    }

    #[test]
    fn placeholders_are_replaced_where_they_stand_in_quotes() {
        let table = [
            (r#"foo{namespace="{namespace}",pod=~"{pods}"}"#, r#"foo{namespace="shop",pod=~"p-1|p.2"}"#),
            (r#"foo{pod="<<pod>>"} > 0"#, r#"foo{pod="p-1"} > 0"#),
            ("foo{pod='{pod}'}", "foo{pod='p-1'}"),
            (r#"foo{a="{service}",b=~"{service}-.*"}"#, r#"foo{a="a.b",b=~"a\\.b-.*"}"#),
            (r#"foo{t=~ "{track}", u !~"{track}"}"#, r#"foo{t=~ "primary|canary", u !~"primary|canary"}"#),
            ("foo{} + bar{a=\"b\"} # {pods} \"\n+ 1", "foo{} + bar{a=\"b\"} # {pods} \"\n+ 1"),
            (r#"foo{a=~"x{2}y{1,3}\\p{Greek}"}"#, r#"foo{a=~"x{2}y{1,3}\\p{Greek}"}"#),
            (
                r#"label_replace(foo, "a", "${name}", "b", "(?P<name>.*)")"#,
                r#"label_replace(foo, "a", "${name}", "b", "(?P<name>.*)")"#,
            ),
            (r#"foo{a="\x7bpods}\"{pod}"}"#, r#"foo{a="\x7bpods}\"p-1"}"#),
            ("foo{a=`{2}\\`}", "foo{a=`{2}\\`}"),
        ];
        for (query, expected) in table {
            let expected = expected.replace("p.2", r"p\\.2");
            assert_eq!(render(query, &["p-1", "p.2"]).as_deref(), Ok(expected.as_str()), "{query}");
        }
    }

    #[test]
    fn what_is_not_a_placeholder_is_a_fault_with_a_way_out() {
        let table = [
            (r#"foo{a="{nmespace}"}"#, TemplateFault::Unknown("{nmespace}".into())),
            (r#"foo{a="<<node>>"}"#, TemplateFault::Unknown("<<node>>".into())),
            ("foo{pod}", TemplateFault::Unquoted("{pod}".into())),
            ("<<pod>> > 0", TemplateFault::Unquoted("<<pod>>".into())),
            ("foo{x}", TemplateFault::Unknown("{x}".into())),
            (r#"foo{a="{pods}"}"#, TemplateFault::NotARegex("{pods}".into())),
            (r#"foo{a!="{track}"}"#, TemplateFault::NotARegex("{track}".into())),
            ("foo{a=~`{pods}`}", TemplateFault::Backticks("{pods}".into())),
            (r#"foo{a="b\"}"#, TemplateFault::Unclosed('"')),
            ("foo{a='b", TemplateFault::Unclosed('\'')),
        ];
        for (query, fault) in table {
            assert_eq!(render(query, &["p"]), Err(fault), "{query}");
        }
    }

    /// The string between the first two quotes as PromQL reads it.
    fn unquoted(query: &str, quote: char) -> (String, String) {
        let mut text = String::new();
        let start = query.find(quote).expect("an opening quote") + 1;
        let mut characters = query[start..].chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => match characters.next().expect("an escaped character") {
                    'n' => text.push('\n'),
                    escaped => text.push(escaped),
                },
                _ if character == quote => return (text, characters.collect()),
                '\n' => panic!("a line break in a string"),
                _ => text.push(character),
            }
        }
        panic!("{query} has no closing quote")
    }

    proptest! {
        #[test]
        fn any_name_comes_out_of_promql_as_it_went_in(name: String, quote in prop_oneof![Just('"'), Just('\'')]) {
            let query = format!("foo{{pod={quote}{{pod}}{quote}}} > 0");
            let rendered = render(&query, &[&name]).expect("a good query");
            prop_assert_eq!(unquoted(&rendered, quote), (name, "} > 0".to_owned()));
        }

        #[test]
        fn the_alternation_matches_the_names_and_nothing_else(
            names in proptest::collection::vec("[a-z0-9.|*+$^(){}\\[\\]\\\\\"'?-]{1,12}", 1..6),
            other in "[a-z0-9.|*+$^(){}\\[\\]\\\\\"'?-]{0,12}",
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let rendered = render(r#"foo{pod=~"{pods}"}"#, &names).expect("a good query");
            let (regex, rest) = unquoted(&rendered, '"');
            prop_assert_eq!(rest, "}");
            let regex = regex::Regex::new(&format!("^(?:{regex})$")).expect("a regular expression");
            for name in &names {
                prop_assert!(regex.is_match(name));
            }
            prop_assert_eq!(regex.is_match(&other), names.contains(&other.as_str()));
        }

        #[test]
        fn no_query_makes_the_scanner_panic(query: String, braces in "[{}<>a-c\"'`\\\\$#~= \n]{0,40}") {
            let _ = render(&query, &["p"]);
            let _ = render(&braces, &["p"]);
        }

        #[test]
        fn a_query_without_placeholders_is_unchanged(query in "[a-z{}=~\"0-9(),\\[\\] ]{0,60}") {
            if let Ok(template) = Template::parse(&query)
                && template.pieces.iter().all(|piece| matches!(piece, Piece::Text(_)))
            {
                prop_assert_eq!(template.render(&values(&["p"])), query);
            }
        }
    }
}
