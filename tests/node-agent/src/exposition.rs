//! The text that pods say of themselves to Prometheus: read, given the pod's labels, and put together into one.

use std::{collections::BTreeMap, fmt::Write};

/// All samples of several scrapes, by metric, in the order of the alphabet.
#[derive(Debug, Default)]
pub struct Exposition {
    families: BTreeMap<String, Family>,
}

#[derive(Debug, Default)]
struct Family {
    /// HELP and TYPE, as the first pod that has them says them.
    header: Vec<String>,
    samples: Vec<String>,
}

impl Exposition {
    /// Adds what one pod says; its own labels win over those given here.
    pub fn add(&mut self, text: &str, labels: &BTreeMap<String, String>) {
        let mut family = String::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(comment) = line.strip_prefix('#') {
                if let Some(name) = described(comment) {
                    family = name.to_owned();
                    self.families.entry(family.clone()).or_default().describe(line);
                }
                continue;
            }
            let name = sample_name(line);
            if !belongs(name, &family) {
                family = name.to_owned();
            }
            self.families.entry(family.clone()).or_default().samples.push(labelled(line, labels));
        }
    }

    /// The whole as text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for line in self.families.values().flat_map(|family| family.header.iter().chain(&family.samples)) {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

impl Family {
    fn describe(&mut self, line: &str) {
        let kind = |line: &str| line.trim_start_matches('#').split_whitespace().next().map(str::to_owned);
        if !self.header.iter().any(|known| kind(known) == kind(line)) {
            self.header.push(line.to_owned());
        }
    }
}

/// The metric that a HELP or TYPE comment is about.
fn described(comment: &str) -> Option<&str> {
    let mut words = comment.split_whitespace();
    matches!(words.next(), Some("HELP" | "TYPE")).then(|| words.next()).flatten()
}

fn sample_name(line: &str) -> &str {
    line.split(['{', ' ', '\t']).next().unwrap_or(line)
}

fn belongs(name: &str, family: &str) -> bool {
    let suffix = name.strip_prefix(family);
    !family.is_empty() && matches!(suffix, Some("" | "_bucket" | "_sum" | "_count"))
}

fn labelled(line: &str, labels: &BTreeMap<String, String>) -> String {
    let name = sample_name(line);
    let rest = line[name.len()..].trim_start();
    let (own, value) = match rest.strip_prefix('{') {
        Some(inside) => inside.split_at(end_of_labels(inside)),
        None => ("", rest),
    };
    let own = own.trim().trim_end_matches(',');
    let taken = label_names(own);
    let mut added: Vec<String> = labels
        .iter()
        .filter(|(label, _)| !taken.contains(&label.as_str()))
        .map(|(label, value)| format!("{label}=\"{}\"", escape(value)))
        .collect();
    if !own.is_empty() {
        added.push(own.to_owned());
    }
    let mut sample = String::new();
    let value = value.trim_start_matches('}').trim();
    // Writing to a string cannot fail.
    let _ = write!(sample, "{name}{{{}}} {value}", added.join(","));
    sample
}

/// Where the closing brace is, quoted ones left aside.
fn end_of_labels(inside: &str) -> usize {
    outside_quotes(inside).find(|(_, letter)| *letter == '}').map_or(inside.len(), |(at, _)| at)
}

fn label_names(labels: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut start = 0;
    for (at, letter) in outside_quotes(labels) {
        match letter {
            '=' => names.push(labels[start..at].trim()),
            ',' => start = at + 1,
            _ => {}
        }
    }
    names
}

fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().filter(move |(_, letter)| {
        let was_quoted = quoted;
        match letter {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = *letter == '\\' && !escaped;
        !was_quoted && *letter != '"'
    })
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pod: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("pod".to_owned(), pod.to_owned()), ("track".to_owned(), "canary".to_owned())])
    }

    #[test]
    fn samples_of_all_pods_stand_together_under_one_header() {
        let text = "# HELP a_total All.\n# TYPE a_total counter\na_total 1\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
        let mut all = Exposition::default();
        all.add(text, &labels("x"));
        all.add(text, &labels("y"));
        let expected = "# HELP a_total All.\n# TYPE a_total counter\na_total{pod=\"x\",track=\"canary\"} 1\n\
            a_total{pod=\"y\",track=\"canary\"} 1\n# TYPE h histogram\n\
            h_bucket{pod=\"x\",track=\"canary\",le=\"+Inf\"} 2\nh_sum{pod=\"x\",track=\"canary\"} 3\nh_count{pod=\"x\",track=\"canary\"} 2\n\
            h_bucket{pod=\"y\",track=\"canary\",le=\"+Inf\"} 2\nh_sum{pod=\"y\",track=\"canary\"} 3\nh_count{pod=\"y\",track=\"canary\"} 2\n";
        assert_eq!(all.render(), expected);
    }

    #[test]
    fn labels_of_the_sample_win_and_quotes_do_not_confuse() {
        let mut all = Exposition::default();
        all.add("m{ pod=\"own\", path=\"/{a},b=\\\"c\\\"\", } 1 1700000000000\n", &labels("x"));
        assert_eq!(all.render(), "m{track=\"canary\",pod=\"own\", path=\"/{a},b=\\\"c\\\"\"} 1 1700000000000\n");
    }

    #[test]
    fn values_are_escaped() {
        let mut all = Exposition::default();
        all.add("m 1\n", &BTreeMap::from([("pod".to_owned(), "a\"b\\c\n".to_owned())]));
        assert_eq!(all.render(), "m{pod=\"a\\\"b\\\\c\\n\"} 1\n");
    }
}
