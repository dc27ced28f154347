//! The part of PromQL that is understood: a selector, with a range or without.

use std::{collections::BTreeMap, time::Duration};

use regex::Regex;

/// The label that has a series' name.
const NAME: &str = "__name__";

/// `name{label="value"}` or `name{label="value"}[5m]`.
#[derive(Debug, Clone)]
pub struct Selector {
    matchers: Vec<Matcher>,
    /// How far back raw samples are wanted; nothing where only the latest is.
    pub(super) range: Option<Duration>,
}

#[derive(Debug, Clone)]
struct Matcher {
    label: String,
    wanted: Wanted,
    /// Whether what is wanted must not be.
    negated: bool,
}

#[derive(Debug, Clone)]
enum Wanted {
    Text(String),
    Expression(Regex),
}

impl Wanted {
    fn fits(&self, value: &str) -> bool {
        match self {
            Self::Text(text) => text == value,
            Self::Expression(expression) => expression.is_match(value),
        }
    }
}

impl Selector {
    /// Reads a query.
    ///
    /// # Errors
    /// What is wrong, or is not understood here, and where.
    pub fn parse(query: &str) -> Result<Self, String> {
        let mut reader = Reader { query, at: 0 };
        let mut matchers = Vec::new();
        if let Some(name) = reader.word(":") {
            matchers.push(Matcher { label: NAME.to_owned(), wanted: Wanted::Text(name.to_owned()), negated: false });
        }
        if reader.takes("{") {
            reader.matchers(&mut matchers)?;
        }
        if !matchers.iter().any(Matcher::is_selective) {
            return Err(reader.fault("a name, or a matcher that does not match the empty string"));
        }
        let range = if reader.takes("[") { Some(reader.range()?) } else { None };
        if reader.is_at_end() { Ok(Self { matchers, range }) } else { Err(reader.fault("the end of a plain selector")) }
    }

    /// Whether a series is meant; `labels` holds its name as `__name__`.
    #[must_use]
    pub fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = |label: &str| labels.get(label).map_or("", String::as_str);
        self.matchers.iter().all(|matcher| matcher.wanted.fits(value(&matcher.label)) != matcher.negated)
    }
}

impl Matcher {
    fn is_selective(&self) -> bool {
        self.wanted.fits("") == self.negated
    }
}

/// A query that is being read.
struct Reader<'a> {
    query: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&mut self) -> &'a str {
        let rest = &self.query[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn is_at_end(&mut self) -> bool {
        self.rest().is_empty()
    }

    fn takes(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    /// A name of letters, digits, `_` and `others`.
    fn word(&mut self, others: &str) -> Option<&'a str> {
        let rest = self.rest();
        let belongs = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || others.contains(letter);
        let end = rest.find(|letter| !belongs(letter)).unwrap_or(rest.len());
        let word =
            Some(&rest[..end]).filter(|word| !word.is_empty() && !word.starts_with(|it: char| it.is_ascii_digit()));
        self.at += word.map_or(0, str::len);
        word
    }

    /// As Prometheus begins it.
    fn fault(&mut self, expected: &str) -> String {
        let rest = self.rest();
        let found = rest.chars().next().map_or_else(|| "end of input".to_owned(), |letter| format!("{letter:?}"));
        format!("1:{}: parse error: unexpected {found}, expected {expected}", self.at + 1)
    }

    fn matchers(&mut self, matchers: &mut Vec<Matcher>) -> Result<(), String> {
        while !self.takes("}") {
            matchers.push(self.matcher()?);
            if !self.takes(",") {
                return if self.takes("}") { Ok(()) } else { Err(self.fault("`,` or `}`")) };
            }
        }
        Ok(())
    }

    fn matcher(&mut self) -> Result<Matcher, String> {
        let label = self.word("").ok_or_else(|| self.fault("a label's name"))?.to_owned();
        let operators = [("=~", true, false), ("!~", true, true), ("!=", false, true), ("=", false, false)];
        let found = operators.into_iter().find(|(token, ..)| self.takes(token));
        let (_, is_expression, negated) = found.ok_or_else(|| self.fault("`=`, `!=`, `=~` or `!~`"))?;
        let begun = self.at;
        let text = self.string()?;
        let wanted = if is_expression {
            let fault = |_| format!("1:{}: parse error: invalid regular expression {text:?}", begun + 1);
            Wanted::Expression(Regex::new(&format!("^(?s:{text})$")).map_err(fault)?)
        } else {
            Wanted::Text(text)
        };
        Ok(Matcher { label, wanted, negated })
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = ['"', '\'', '`'].into_iter().find(|quote| self.takes(quote.encode_utf8(&mut [0; 4])));
        let quote = quote.ok_or_else(|| self.fault("a string"))?;
        let mut text = String::new();
        let mut letters = self.query[self.at..].char_indices();
        while let Some((place, letter)) = letters.next() {
            match letter {
                _ if letter == quote => {
                    self.at += place + letter.len_utf8();
                    return Ok(text);
                }
                '\\' if quote != '`' => {
                    let escaped = letters.next().and_then(|(_, letter)| unescaped(letter, quote));
                    let fault = || format!("1:{}: parse error: unknown escape sequence", self.at + place + 1);
                    text.push(escaped.ok_or_else(fault)?);
                }
                letter => text.push(letter),
            }
        }
        Err(format!("1:{}: parse error: unterminated quoted string", self.at))
    }

    /// Numbers with units, the largest first, and the bracket that ends them.
    fn range(&mut self) -> Result<Duration, String> {
        let mut range = Duration::ZERO;
        while !self.takes("]") {
            let rest = self.rest();
            let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
            let count: Option<u32> = rest[..digits].parse().ok();
            self.at += digits;
            let unit = UNITS.into_iter().find(|(token, _)| self.takes(token));
            let (Some(count), Some((_, milliseconds))) = (count, unit) else { return Err(self.fault("a duration")) };
            range += Duration::from_millis(milliseconds) * count;
        }
        if range.is_zero() { Err(self.fault("a duration longer than 0")) } else { Ok(range) }
    }
}

/// Milliseconds of each unit; `ms` goes before `m`.
const UNITS: [(&str, u64); 7] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
    ("y", 31_536_000_000),
];

const fn unescaped(letter: char, quote: char) -> Option<char> {
    match letter {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '\\' => Some('\\'),
        letter if letter == quote => Some(letter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(query: &str) -> bool {
        let labels = [("__name__", "jobs_total"), ("pod", "a.1"), ("namespace", "shop"), ("note", "say \"\\\n")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Selector::parse(query).unwrap().fits(&labels.into())
    }

    #[test]
    fn a_selector_means_the_series_that_prometheus_means() {
        let yes = [
            "jobs_total",
            " jobs_total { } ",
            r#"{__name__="jobs_total"}"#,
            r#"jobs_total{pod=~"a\\.1|b",namespace="shop",}"#,
            r#"jobs_total{pod=~'a.*'}"#,
            "jobs_total{pod=~`a\\.1`}",
            r#"jobs_total{pod!="b",pod!~"c.*",absent=""}"#,
            r#"jobs_total{note="say \"\\\n"}[5m]"#,
            r#"{pod=~".+"}"#,
        ];
        for query in yes {
            assert!(fits(query), "{query}");
        }
        let no = [
            "jobs",
            r#"jobs_total{pod=~"a"}"#,
            r#"jobs_total{pod=~"1|.1"}"#,
            r#"jobs_total{pod!~"a\\.1"}"#,
            r#"jobs_total{absent=~".+"}"#,
            r#"jobs_total{pod=~"a\\.2|b"}"#,
        ];
        for query in no {
            assert!(!fits(query), "{query}");
        }
    }

    #[test]
    fn a_range_adds_up() {
        let range = |query| Selector::parse(query).unwrap().range;
        assert_eq!(range("a[5m]"), Some(Duration::from_secs(300)));
        assert_eq!(range("a{b=\"c\"} [1h 30m]"), Some(Duration::from_secs(5400)));
        assert_eq!(range("a[1500ms]"), Some(Duration::from_millis(1500)));
        assert_eq!(range("a"), None);
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_place() {
        let table = [
            ("", "1:1: parse error: unexpected end of input, expected a name"),
            ("{}", "1:3: parse error: unexpected end of input, expected a name"),
            (r#"{a=~".*"}"#, "expected a name, or a matcher that does not match the empty string"),
            ("rate(a[5m])", "1:5: parse error: unexpected '(', expected the end of a plain selector"),
            ("a + b", "1:3: parse error: unexpected '+'"),
            ("a offset 5m", "1:3: parse error: unexpected 'o'"),
            ("1", "1:1: parse error: unexpected '1'"),
            ("a{b}", "1:4: parse error: unexpected '}', expected `=`"),
            ("a{b=c}", "1:5: parse error: unexpected 'c', expected a string"),
            (r#"a{b="c"#, "1:5: parse error: unterminated quoted string"),
            (r#"a{b="\q"}"#, "1:6: parse error: unknown escape sequence"),
            (r#"a{b="c" d="e"}"#, "1:9: parse error: unexpected 'd', expected `,`"),
            (r#"a{b=~"("}"#, "1:6: parse error: invalid regular expression \"(\""),
            ("a[]", "expected a duration"),
            ("a[5]", "1:4: parse error: unexpected ']', expected a duration"),
            ("a[5m", "1:5: parse error: unexpected end of input, expected a duration"),
        ];
        for (query, words) in table {
            let fault = Selector::parse(query).unwrap_err();
            assert!(fault.contains(words), "{query}: {fault}");
        }
    }
}
