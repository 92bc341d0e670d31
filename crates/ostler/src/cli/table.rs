//! Aligned columns.

use super::paint::{Paint, Style};

/// Rows under headings, each column as wide as its widest cell.
#[derive(Debug)]
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// A cell's text and how it looks.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Table {
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, each behind `indent`. The last column is not padded.
    pub(super) fn render(&self, indent: &str, paint: Paint) -> String {
        let headings = self.headings.iter().map(|heading| Cell::styled(*heading, Style::Heading)).collect();
        let lines: Vec<&Vec<Cell>> = std::iter::once(&headings).chain(&self.rows).collect();
        let width = |column: usize| {
            lines.iter().filter_map(|line| line.get(column)).map(Cell::width).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.headings.len()).map(width).collect();
        let mut text = String::new();
        for line in lines {
            text.push_str(indent);
            for (column, cell) in line.iter().enumerate() {
                text.push_str(&paint.style(cell.style, &cell.text));
                if column + 1 < line.len() {
                    text.push_str(&" ".repeat(widths[column] - cell.width() + 2));
                }
            }
            text.push('\n');
        }
        text
    }
}

impl Cell {
    pub(super) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::Plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_blanks_at_their_end() {
        let mut table = Table::new(&["KEY", "WHY"]);
        table.row(["shop.localhost".into(), "idle".into()]);
        table.row(["a".into(), Cell::from("1 lease")]);
        let lines = "  KEY             WHY\n  shop.localhost  idle\n  a               1 lease\n";
        assert_eq!(table.render("  ", Paint::off()), lines);
    }
}
