//! What commands print: text and tables for people, or JSON for programs.

use std::fmt;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

/// Headings.
pub const BOLD: Style = Style::new().bold();
/// All is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// To be looked at.
pub const CARE: Style = AnsiColor::Yellow.on_default();
/// To be mended.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Of less interest.
pub const FAINT: Style = Style::new().dimmed();

/// The option that chooses the format.
#[derive(Debug, Clone, Copy, Args)]
pub struct Format {
    /// Prints JSON, for programs, in place of text
    #[arg(long, global = true)]
    pub json: bool,
}

impl Format {
    /// To standard output, in this format.
    pub fn output(self) -> Output {
        Output::new(self.json, Box::new(anstream::stdout()))
    }
}

/// Where a command prints its result. Standard output loses its colours where it is no terminal, or
/// where `NO_COLOR` is set.
pub struct Output {
    json: bool,
    out: Box<dyn Write + Send>,
}

impl Output {
    /// Writes into `out`.
    pub fn new(json: bool, out: Box<dyn Write + Send>) -> Self {
        Self { json, out }
    }

    /// Whether JSON is wanted, and nothing else.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a line of text.
    pub fn line(&mut self, text: impl fmt::Display) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// Prints a JSON document on a line of its own.
    pub fn document(&mut self, document: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(document).map_err(io::Error::other)?;
        self.line(text)
    }

    /// Prints names and what is told by each, on a line for each, all of them indented.
    pub fn facts<N: AsRef<str>>(&mut self, indent: &str, facts: &[(N, String)]) -> io::Result<()> {
        let width = facts.iter().map(|(name, _)| name.as_ref().width()).max().unwrap_or(0);
        for (name, told) in facts {
            let name = name.as_ref();
            self.line(format_args!("{indent}{BOLD}{name:<width$}{BOLD:#}  {told}"))?;
        }
        Ok(())
    }

    /// Prints the rows below their headings; nothing where there are no rows.
    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        write!(self.out, "{table}")
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    heading: &'static str,
    right: bool,
}

/// A column of text.
pub const fn left(heading: &'static str) -> Column {
    Column { heading, right: false }
}

/// A column of numbers.
pub const fn right(heading: &'static str) -> Column {
    Column { heading, right: true }
}

/// Rows of cells. What they hold may come from anywhere: control characters are replaced.
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<(String, Style)>>,
}

impl Table {
    /// Without rows so far.
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: vec![] }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [&dyn fmt::Display; N]) {
        self.styled(cells.map(|cell| (cell, Style::new())));
    }

    /// Adds a row of cells with a style each.
    pub fn styled<const N: usize>(&mut self, cells: [(&dyn fmt::Display, Style); N]) {
        let cells = cells.map(|(cell, style)| (plain(&cell.to_string()), style));
        self.rows.push(cells.to_vec());
    }

    fn width(&self, column: usize) -> usize {
        let heading = self.columns.get(column).map_or(0, |column| column.heading.width());
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|(cell, _)| cell.width()).fold(heading, usize::max)
    }

    fn write_row(
        &self,
        f: &mut fmt::Formatter<'_>,
        widths: &[usize],
        cells: &[(String, Style)],
    ) -> fmt::Result {
        let last = self.columns.len().saturating_sub(1);
        for (index, (column, (cell, style))) in self.columns.iter().zip(cells).enumerate() {
            let pad = widths.get(index).map_or(0, |width| width.saturating_sub(cell.width()));
            let (before, after) = if column.right { (pad, 0) } else { (0, pad) };
            write!(f, "{:before$}{style}{cell}{style:#}", "")?;
            match index == last {
                true => writeln!(f)?,
                false => write!(f, "{:after$}  ", "")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let widths: Vec<usize> = (0..self.columns.len()).map(|index| self.width(index)).collect();
        let headings = self.columns.iter().map(|column| (column.heading.to_owned(), BOLD));
        self.write_row(f, &widths, &headings.collect::<Vec<_>>())?;
        self.rows.iter().try_for_each(|row| self.write_row(f, &widths, row))
    }
}

/// Says something on standard error, beside the result; where that is closed it is not said.
pub fn say(text: impl fmt::Display) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// Answers quote what any sender wrote: no control character of it may reach the terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A string as it is, any other value as JSON; safe to be printed.
pub fn text(value: &Value) -> String {
    plain(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_numbers_end_together() {
        let mut table = Table::new(&[left("name"), right("n"), left("why")]);
        table.row([&"東京", &7, &"wide characters take two columns"]);
        table.row([&"a", &1_000, &"x\u{1b}[31my"]);
        let text = anstream::adapter::strip_str(&table.to_string()).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "name     n  why");
        assert_eq!(lines[1], "東京     7  wide characters take two columns");
        assert_eq!(lines[2], "a     1000  x\u{fffd}[31my");
        assert_eq!(Table::new(&[left("name")]).to_string(), "");
    }
}
