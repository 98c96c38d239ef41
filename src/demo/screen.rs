//! Standard output: a picture that is drawn anew in its place on a terminal, plain lines anywhere else.

use std::io::{self, IsTerminal as _, Write as _};

use crossterm::style::{Attribute, Color, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use crossterm::{cursor, queue, terminal};

/// Size of a terminal that does not tell its own.
const USUAL: (u16, u16) = (80, 24);

/// How a part of a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tint {
    /// As any text.
    #[default]
    Plain,
    /// A heading.
    Strong,
    /// The stable version.
    Stable,
    /// The canary.
    Canary,
    /// Something went wrong.
    Bad,
}

/// A part of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// What it says.
    pub text: String,
    /// How it looks.
    pub tint: Tint,
}

/// A line.
pub type Line = Vec<Span>;

/// A part of a line that looks like `tint`.
pub fn span(tint: Tint, text: impl Into<String>) -> Span {
    Span { text: text.into(), tint }
}

/// Standard output; a terminal gets its cursor back when this is dropped.
pub struct Screen {
    terminal: bool,
    color: bool,
    /// Lines of the picture that is on the terminal; the cursor is below them.
    drawn: u16,
    hidden: bool,
}

impl Screen {
    /// Finds out what standard output is.
    pub fn new() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let terminal = io::stdout().is_terminal() && set("TERM").is_none_or(|kind| kind != "dumb");
        Self { terminal, color: set("NO_COLOR").is_none(), drawn: 0, hidden: false }
    }

    /// Whether pictures can be drawn.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Prints text that stays. On a failure nobody reads any more.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Draws a picture in the place of the one before; what does not fit is left out.
    pub fn draw(&mut self, picture: &[Line]) -> io::Result<()> {
        let or_usual = |size: u16, usual: u16| if size == 0 { usual } else { size };
        let (width, height) = terminal::size().unwrap_or(USUAL);
        let (width, height) = (or_usual(width, USUAL.0), or_usual(height, USUAL.1));
        let mut bytes = Vec::new();
        queue!(bytes, BeginSynchronizedUpdate, cursor::Hide)?;
        if self.drawn > 0 {
            queue!(bytes, cursor::MoveToPreviousLine(self.drawn))?;
        }
        self.drawn = 0;
        for line in picture.iter().take(usize::from(height.saturating_sub(1))) {
            // A line that fills the width would wrap on some terminals.
            self.line(&mut bytes, &fit(line, usize::from(width.saturating_sub(1))))?;
            self.drawn += 1;
        }
        queue!(bytes, Clear(ClearType::FromCursorDown), EndSynchronizedUpdate)?;
        self.hidden = true;
        let mut out = io::stdout().lock();
        out.write_all(&bytes)?;
        out.flush()
    }

    fn line(&self, bytes: &mut Vec<u8>, line: &Line) -> io::Result<()> {
        for Span { text, tint } in line {
            let color = match tint {
                Tint::Stable => Some(Color::Green),
                Tint::Canary => Some(Color::Yellow),
                Tint::Bad => Some(Color::Red),
                Tint::Plain | Tint::Strong => None,
            };
            match color.filter(|_| self.color) {
                Some(color) => queue!(bytes, SetForegroundColor(color))?,
                None if *tint == Tint::Strong => queue!(bytes, SetAttribute(Attribute::Bold))?,
                None => {}
            }
            bytes.extend_from_slice(text.as_bytes());
            queue!(bytes, SetAttribute(Attribute::Reset))?;
            if self.color {
                queue!(bytes, ResetColor)?;
            }
        }
        queue!(bytes, Clear(ClearType::UntilNewLine))?;
        bytes.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Leaves the last picture where it is and gives the cursor back.
    pub fn release(&mut self) {
        if std::mem::take(&mut self.hidden) {
            // A terminal that is gone has no cursor either.
            _ = crossterm::execute!(io::stdout(), EndSynchronizedUpdate, cursor::Show);
        }
        self.drawn = 0;
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.release();
    }
}

/// The part of a line that fits into a width.
fn fit(line: &Line, width: usize) -> Line {
    let mut left = width;
    let mut fitting = Line::new();
    for Span { text, tint } in line {
        let text: String = text.chars().take(left).collect();
        left -= text.chars().count();
        fitting.push(Span { text, tint: *tint });
    }
    fitting
}

#[cfg(test)]
mod tests;
