//! Texts of strangers, made fit for a log and a screen.

/// The first `limit` bytes, at a character's border, with `...` where something is missing.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let kept = text.floor_char_boundary(limit);
    format!("{}...", &text[..kept])
}

/// Without control characters: a line stays a line, and a terminal is told nothing.
pub(crate) fn printable(text: &str) -> String {
    text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("größer", 3), "gr...");
        assert_eq!(cut("größer", 8), "größer");
    }

    #[test]
    fn a_text_cannot_forge_a_line_or_speak_to_the_terminal() {
        assert_eq!(printable(" fine\nERROR all is lost\x1b[2J\n"), "fine ERROR all is lost [2J");
    }
}
