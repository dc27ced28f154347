//! A document that is written for people: fields in an order of ours, comments right above what they are about.

use crate::configuration::Place;

/// The widest line of a comment, its indentation apart.
const WIDTH: usize = 110;

/// A field with what is to be said about it.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: &'static str,
    pub value: Value,
    pub notes: Vec<Note>,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// YAML that is written as it is, on one line.
    Plain(String),
    /// A text, which is quoted.
    Text(String),
    Fields(Vec<Field>),
    Items(Vec<Vec<Field>>),
}

/// Something that means another thing than it did.
#[derive(Debug, Clone)]
pub struct Note {
    /// The field of the original's file that it comes from; nothing for the file as a whole.
    pub from: Option<(Place, String)>,
    pub text: String,
    /// YAML of ours, on one line, to write instead.
    pub instead: Option<&'static str>,
    /// It holds for every field of that name: saying it once is enough.
    pub once: bool,
}

impl PartialEq for Field {
    /// Whether both say the same of the service; a note for every field of that name makes no difference.
    fn eq(&self, other: &Self) -> bool {
        let own = |field: &Self| field.notes.iter().filter(|note| !note.once).map(|note| note.text.clone()).collect();
        let (one, another): (Vec<String>, Vec<String>) = (own(self), own(other));
        self.name == other.name && self.value == other.value && one == another
    }
}

/// The document with a comment at its head.
pub fn write(head: &[String], fields: &[Field]) -> String {
    let mut writer = Writer { text: String::new() };
    for paragraph in head {
        writer.comment(0, paragraph);
    }
    for field in fields {
        writer.text.push('\n');
        writer.field(field, 0, "");
    }
    writer.text
}

struct Writer {
    text: String,
}

impl Writer {
    fn line(&mut self, indent: usize, text: &str) {
        self.text.extend([" ".repeat(indent).as_str(), text, "\n"]);
    }

    /// `lead` is the dash of an item whose first field this is.
    fn field(&mut self, field: &Field, indent: usize, lead: &str) {
        for note in &field.notes {
            self.comment(indent, &note.text);
            if let Some(instead) = note.instead {
                self.line(indent, &format!("# {instead}"));
            }
        }
        let name = format!("{lead}{}:", field.name);
        let inner = indent + lead.len() + 2;
        match &field.value {
            Value::Plain(value) => self.line(indent, &format!("{name} {value}")),
            Value::Text(text) => self.text(indent, inner, &name, text),
            Value::Fields(fields) => {
                self.line(indent, &name);
                self.fields(fields, inner, "");
            }
            Value::Items(items) => {
                self.line(indent, &name);
                for (number, item) in items.iter().enumerate() {
                    if indent == 0 && number > 0 {
                        self.text.push('\n');
                    }
                    self.fields(item, inner, "- ");
                }
            }
        }
    }

    fn fields(&mut self, fields: &[Field], indent: usize, lead: &str) {
        for (number, field) in fields.iter().enumerate() {
            if number == 0 {
                self.field(field, indent, lead);
            } else {
                self.field(field, indent + lead.len(), "");
            }
        }
    }

    fn text(&mut self, indent: usize, inner: usize, name: &str, text: &str) {
        let lines: Vec<&str> = text.split('\n').collect();
        let plain = |line: &&str| !line.trim().is_empty() && line.chars().all(is_printable);
        let block = lines.len() > 1 && lines.iter().all(plain) && !lines[0].starts_with(' ');
        if block {
            self.line(indent, &format!("{name} |-"));
            for line in lines {
                self.line(inner, line);
            }
        } else {
            self.line(indent, &format!("{name} {}", quoted(text)));
        }
    }

    fn comment(&mut self, indent: usize, text: &str) {
        let mut line = String::from("#");
        for word in text.split_whitespace() {
            if line.chars().count() + word.chars().count() > WIDTH {
                self.line(indent, &line);
                line.truncate(1);
            }
            line.push(' ');
            line.extend(word.chars().map(|character| if is_printable(character) { character } else { '?' }));
        }
        self.line(indent, &line);
    }
}

/// Without quotes where YAML can take it for nothing else, in single ones where that is possible: PromQL is full of double
/// ones.
fn quoted(text: &str) -> String {
    if is_word(text) {
        return text.to_owned();
    }
    if text.chars().all(is_printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let escaped = text.chars().map(|character| match character {
        '"' | '\\' => format!("\\{character}"),
        _ if is_printable(character) => character.to_string(),
        _ => format!("\\U{:08x}", u32::from(character)),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

fn is_word(text: &str) -> bool {
    let value =
        ["true", "false", "yes", "no", "on", "off", "y", "n", "null"].contains(&text.to_ascii_lowercase().as_str());
    let ends = text.starts_with(|first: char| first.is_ascii_alphabetic()) && !text.ends_with(':');
    ends && !value && text.chars().all(|character| character.is_ascii_alphanumeric() || "-_./:".contains(character))
}

/// Whether YAML takes it as it is, within a line.
fn is_printable(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}
