//! Tables as lines that fit: which rows, how wide the columns, what is cut.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::view::{Table, View};
use crate::commands::words::{grouped, plain};

/// Between two columns.
const GAP: &str = "  ";

/// Text columns are cut down to this before others lose their end.
const NARROWEST: usize = 14;

/// The room that there is, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Columns of the terminal.
    pub width: usize,
    /// Its lines.
    pub height: usize,
    /// The most rows of a table.
    pub rows: usize,
}

/// A line, and how it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it says; no wider than the room.
    pub text: String,
    /// How it looks.
    pub look: Looks,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// As any text.
    Plain,
    /// As what stands above others.
    Heading,
    /// As what is to be seen first.
    Wrong,
}

/// The head and the tables, as lines that fit into the room. Each table gets its share of the lines,
/// and what the others leave.
pub fn lines(head: &[String], view: &View, room: Room) -> Vec<Line> {
    let line = |text: &str, look| Line { text: cut(text, room.width), look };
    let mut lines: Vec<Line> = Vec::new();
    for (at, text) in head.iter().enumerate() {
        lines.push(line(&plain(text), if at == 0 { Looks::Heading } else { Looks::Wrong }));
    }
    let tables = &view.tables;
    // Each has a heading, and an empty line between it and what is above it.
    let taken =
        lines.len() + 2 * tables.len() - usize::from(lines.is_empty() && !tables.is_empty());
    let wanted: Vec<usize> = tables.iter().map(|table| table.rows.len().min(room.rows)).collect();
    let shares = shares(&wanted, room.height.saturating_sub(taken));
    for (table, rows) in tables.iter().zip(shares) {
        if rows == 0 && !table.rows.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(line("", Looks::Plain));
        }
        let shown = &table.rows[..rows];
        let widths = widths(table, shown, room.width);
        let headings: Vec<&str> = table.columns.iter().map(|column| column.heading).collect();
        let mut heading = laid_out(table, &headings, &widths);
        let more = table.rows.len() - rows;
        if more > 0 {
            heading = format!("{heading}{GAP}(+{} more)", grouped(more as u64));
        }
        let (above, of_rows) =
            if table.wrong { (Looks::Wrong, Looks::Wrong) } else { (Looks::Heading, Looks::Plain) };
        lines.push(line(&heading, above));
        lines.extend(shown.iter().map(|row| line(&laid_out(table, row, &widths), of_rows)));
    }
    lines.truncate(room.height);
    lines
}

/// How many rows each gets of so many: one after the other in turn, until all have what they want.
fn shares(wanted: &[usize], mut room: usize) -> Vec<usize> {
    let mut shares = vec![0; wanted.len()];
    while room > 0 && shares.iter().zip(wanted).any(|(share, wanted)| share < wanted) {
        for (share, wanted) in shares.iter_mut().zip(wanted) {
            if *share < *wanted && room > 0 {
                *share += 1;
                room -= 1;
            }
        }
    }
    shares
}

/// How wide each column is: as its widest cell, or less for texts where the room is narrow.
fn widths(table: &Table, rows: &[Vec<String>], room: usize) -> Vec<usize> {
    let widest = |at: usize, heading: &str| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width());
        cells.max().unwrap_or_default().max(heading.width())
    };
    let mut widths: Vec<usize> =
        table.columns.iter().enumerate().map(|(at, it)| widest(at, it.heading)).collect();
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > room {
        let texts = widths.iter_mut().zip(&table.columns).filter(|(_, it)| !it.number);
        let Some((widest, _)) = texts.max_by_key(|(width, _)| **width) else { break };
        if *widest <= NARROWEST {
            break;
        }
        *widest -= 1;
    }
    widths
}

fn laid_out(table: &Table, cells: &[impl AsRef<str>], widths: &[usize]) -> String {
    let mut line = String::new();
    for ((cell, column), width) in cells.iter().zip(&table.columns).zip(widths) {
        let cell = cut(cell.as_ref(), *width);
        let room = " ".repeat(width.saturating_sub(cell.width()));
        if !line.is_empty() {
            line.push_str(GAP);
        }
        if column.number {
            line.push_str(&room);
            line.push_str(&cell);
        } else {
            line.push_str(&cell);
            line.push_str(&room);
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// A text that is no wider than this; what is missing at its end is shown by "…".
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(1) else { return String::new() };
    let mut shown = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or_default();
        if used > room {
            break;
        }
        shown.push(c);
    }
    shown.push('…');
    shown
}
