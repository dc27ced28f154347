//! Lines of styled words that fit into a terminal.

/// How words look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    Dim,
    Bold,
    Good,
    Doubtful,
    Bad,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<(Style, String)>);

impl Style {
    /// How an outcome or an ending looks.
    pub fn of(word: &str) -> Self {
        match word {
            "pass" | "promoted" => Self::Good,
            "fail" | "critical" | "rolled back" => Self::Bad,
            _ => Self::Doubtful,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Good => "32",
            Self::Doubtful => "33",
            Self::Bad => "31",
        }
    }
}

impl Line {
    /// With plain words.
    pub fn new(words: impl Into<String>) -> Self {
        Self::default().add(Style::Plain, words)
    }

    /// With more words at its end.
    #[must_use]
    pub fn add(mut self, style: Style, words: impl Into<String>) -> Self {
        self.0.push((style, words.into()));
        self
    }

    /// Filled up with blanks to a width.
    #[must_use]
    pub fn pad(self, width: usize) -> Self {
        let missing = width.saturating_sub(self.width());
        self.add(Style::Plain, " ".repeat(missing))
    }

    /// With all of another line at its end.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Columns it takes.
    pub fn width(&self) -> usize {
        self.0.iter().map(|(_, words)| words.chars().count()).sum()
    }

    /// Cut where it is too wide.
    #[must_use]
    pub fn cut(self, width: usize) -> Self {
        if self.width() <= width {
            return self;
        }
        let mut left = width.saturating_sub(1);
        let mut cut = Self::default();
        for (style, words) in self.0 {
            let kept: String = words.chars().take(left).collect();
            left -= kept.chars().count();
            cut = cut.add(style, kept);
        }
        cut.add(Style::Plain, "…")
    }

    /// Broken between words where it is too wide; what follows is indented.
    pub fn wrap(self, width: usize, indent: usize) -> Vec<Self> {
        let (mut lines, mut line) = (Vec::new(), Self::default());
        for (style, words) in self.0 {
            for word in words.split_inclusive(' ') {
                if line.width() > indent && line.width() + word.trim_end().chars().count() > width {
                    lines.push(std::mem::replace(&mut line, Self::new(" ".repeat(indent))).trimmed());
                }
                line = line.add(style, word);
            }
        }
        lines.push(line.trimmed());
        lines
    }

    /// Without the blank after its last word, which may be one column too many.
    fn trimmed(mut self) -> Self {
        if let Some((_, words)) = self.0.last_mut() {
            words.truncate(words.trim_end().len());
        }
        self
    }

    /// As written to a terminal, with or without colours.
    pub fn written(&self, colours: bool) -> String {
        let part = |(style, words): &(Style, String)| match style {
            Style::Plain => words.clone(),
            _ if !colours => words.clone(),
            style => format!("\u{1b}[{}m{words}\u{1b}[0m", style.code()),
        };
        self.0.iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_keeps_its_styles_and_tells_that_it_was_cut() {
        let line = Line::new("one ").add(Style::Bad, "two three");
        assert_eq!(line.clone().cut(13), line);
        assert_eq!(line.clone().cut(7).written(false), "one tw…");
        assert_eq!(line.cut(7).written(true), "one \u{1b}[31mtw\u{1b}[0m…");
    }

    #[test]
    fn a_wrapped_line_loses_no_word_and_is_nowhere_too_wide() {
        let line = Line::new("0:01  ").add(Style::Good, "the canary is good, as good as the primary");
        let lines: Vec<String> = line.wrap(20, 6).iter().map(|line| line.written(false)).collect();
        assert!(lines.iter().all(|line| line.chars().count() <= 20), "{lines:?}");
        assert!(lines[1..].iter().all(|line| line.starts_with("      ")));
        let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
        assert_eq!(words.join(" "), "0:01 the canary is good, as good as the primary");
    }
}
