//! A table as text: the first column to the left, numbers to the right.

use std::fmt;

/// A title, a head, rows of as many cells, and notes below.
#[derive(Debug, Default)]
pub struct Table {
    /// The first line.
    pub title: String,
    /// Above the columns.
    pub head: Vec<&'static str>,
    /// At most as many cells as columns.
    pub rows: Vec<Vec<String>>,
    /// Below, one line each.
    pub notes: Vec<String>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widths = cells.map(|cell| cell.chars().count());
            widths.chain([self.head[column].chars().count()]).max()
        };
        let widths: Vec<usize> = (0..self.head.len()).filter_map(width).collect();
        line(f, &self.head, &widths)?;
        for row in &self.rows {
            line(f, row, &widths)?;
        }
        for note in &self.notes {
            writeln!(f, "  {note}")?;
        }
        Ok(())
    }
}

fn line<S: AsRef<str>>(f: &mut fmt::Formatter<'_>, cells: &[S], widths: &[usize]) -> fmt::Result {
    let mut text = String::new();
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        let cell = cell.as_ref();
        if column == 0 {
            text += &format!("  {cell:<width$}");
        } else {
            text += &format!("  {cell:>width$}");
        }
    }
    writeln!(f, "{}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let table = Table {
            title: "reads".to_owned(),
            head: vec!["", "ns/op", "p50 µs"],
            rows: vec![row(["limit", "7", "1.25"]), row(["us", "123456", ""])],
            notes: vec!["a note".to_owned()],
        };
        let expected = "reads\n\
                        \x20         ns/op  p50 µs\n\
                        \x20 limit       7    1.25\n\
                        \x20 us     123456\n\
                        \x20 a note\n";
        assert_eq!(table.to_string(), expected);
    }
}
