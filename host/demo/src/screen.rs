//! The terminal: what was said scrolls up, the board below it is redrawn in place. Without a terminal only what is
//! said is written.

use std::{
    env,
    io::{IsTerminal as _, Write as _},
};

use anyhow::{Context as _, Result};

use crate::text::Line;

/// Columns where nobody tells how many there are.
const WIDTH: usize = 100;
const HIDE_CURSOR: &str = "\u{1b}[?25l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";

/// Where the demo is watched.
#[derive(Debug)]
pub struct Screen {
    terminal: bool,
    colours: bool,
    board: Vec<Line>,
    drawn: usize,
}

impl Screen {
    /// The standard output; with colours on a terminal, unless `NO_COLOR` is set.
    pub fn new() -> Self {
        let terminal = std::io::stdout().is_terminal() && env::var("TERM").is_ok_and(|term| term != "dumb");
        let colours = terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { terminal, colours, board: Vec::new(), drawn: 0 }
    }

    /// Writes a line that stays.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub fn say(&mut self, line: Line, indent: usize) -> Result<()> {
        let lines = if self.terminal { line.wrap(self.width(), indent) } else { vec![line] };
        let text = self.text(&lines);
        self.write(&text)
    }

    /// Shows the board from now on.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub fn show(&mut self, board: Vec<Line>) -> Result<()> {
        if !self.terminal {
            return Ok(());
        }
        self.board = board;
        self.write("")
    }

    /// Takes the board away.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub fn clear(&mut self) -> Result<()> {
        self.show(Vec::new())
    }

    fn width(&self) -> usize {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).map(|size| usize::from(size.ws_col));
        size.ok().filter(|width| *width > 20).unwrap_or(WIDTH)
    }

    /// In one write, so that nothing flickers: the text in the place of the board, and the board below it.
    fn write(&mut self, text: &str) -> Result<()> {
        let width = self.width();
        let board: Vec<Line> = self.board.iter().map(|line| line.clone().cut(width)).collect();
        let mut all = String::new();
        if self.drawn > 0 {
            all += &format!("\u{1b}[{}A\r", self.drawn);
        }
        all += text;
        all += &self.text(&board);
        if self.terminal {
            all += "\u{1b}[J";
            all += if board.is_empty() { SHOW_CURSOR } else { HIDE_CURSOR };
        }
        self.drawn = board.len();
        let mut output = std::io::stdout().lock();
        output.write_all(all.as_bytes()).and_then(|()| output.flush()).context("nobody reads the demo any more")
    }

    fn text(&self, lines: &[Line]) -> String {
        let end = if self.terminal { "\u{1b}[K\n" } else { "\n" };
        lines.iter().map(|line| line.written(self.colours) + end).collect()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Who reads no longer needs no cursor.
        let _ = self.clear();
    }
}
