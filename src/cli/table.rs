//! Tables that are as wide as their content, and give way to a narrow terminal.

use crate::text;

/// The narrowest that a column is cut to.
const NARROWEST: usize = 6;
const GAP: &str = "  ";

/// How a column gives way when the terminal is too narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Never: ids and states are useless in part.
    Never,
    /// The middle goes: names differ at both ends.
    Middle,
    /// The end goes: sentences begin with what matters.
    End,
}

/// Rows under headings.
#[derive(Debug, Clone, Default)]
pub struct Table {
    columns: Vec<(&'static str, Cut)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(columns: &[(&'static str, Cut)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row with one text for each column.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// Leaves a column out in which no row has anything.
    pub fn leave_out_empty(&mut self, head: &str) {
        let Some(at) = self.columns.iter().position(|(name, _)| *name == head) else {
            return;
        };
        let empty = |row: &Vec<String>| row.get(at).is_none_or(String::is_empty);
        if self.rows.iter().all(empty) {
            self.columns.remove(at);
            for row in &mut self.rows {
                if at < row.len() {
                    row.remove(at);
                }
            }
        }
    }

    /// Whether there is no row under the headings.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines of the table, none longer than `width` where that can be had.
    pub fn lines(&self, width: Option<usize>) -> Vec<String> {
        let heads = self
            .columns
            .iter()
            .map(|(head, _)| text::clean(head))
            .collect::<Vec<_>>();
        let rows = self
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| text::clean(cell)).collect::<Vec<_>>());
        let rows: Vec<Vec<text::DisplayText>> = std::iter::once(heads).chain(rows).collect();
        let mut widths = vec![0; self.columns.len()];
        for row in &rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = cell.width().max(*widest);
            }
        }
        if let Some(width) = width {
            self.shrink(&mut widths, width);
        }
        rows.iter().map(|row| self.line(row, &widths)).collect()
    }

    /// Takes columns away from the widest of those that may be cut, until the line fits.
    fn shrink(&self, widths: &mut [usize], width: usize) {
        let gaps = GAP.len() * self.columns.len().saturating_sub(1);
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
        while excess > 0 {
            let flexible = widths
                .iter_mut()
                .zip(&self.columns)
                .filter(|(_, (_, cut))| *cut != Cut::Never);
            let Some((widest, _)) = flexible
                .max_by_key(|(width, _)| **width)
                .filter(|(width, _)| **width > NARROWEST)
            else {
                return;
            };
            *widest -= 1;
            excess -= 1;
        }
    }

    fn line(&self, row: &[text::DisplayText], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), (_, cut)) in row.iter().zip(widths).zip(&self.columns) {
            let cell = match cut {
                Cut::Never => cell.clone(),
                Cut::Middle => cell.cut_middle(*width, "…"),
                Cut::End => cell.cut_end(*width, "…"),
            };
            line.push_str(cell.pad(*width).as_str());
            line.push_str(GAP);
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[
            ("ID", Cut::Never),
            ("TARGET", Cut::Middle),
            ("REASON", Cut::End),
        ]);
        table.row([
            "R-1".to_owned(),
            "orders-db-production-eu".to_owned(),
            "INC-4127 stuck orders in the queue".to_owned(),
        ]);
        table.row(["R-2".to_owned(), "web".to_owned(), "x".to_owned()]);
        table
    }

    #[test]
    fn a_table_is_as_wide_as_its_content_where_nobody_looks() {
        let lines = table().lines(None).join("\n");
        insta::assert_snapshot!(lines, @r"
        ID   TARGET                   REASON
        R-1  orders-db-production-eu  INC-4127 stuck orders in the queue
        R-2  web                      x
        ");
    }

    #[test]
    fn a_table_gives_way_to_a_narrow_terminal_and_keeps_its_ids() {
        let lines = table().lines(Some(40)).join("\n");
        insta::assert_snapshot!(lines, @r"
        ID   TARGET             REASON
        R-1  orders-d…ction-eu  INC-4127 stuck …
        R-2  web                x
        ");
        assert!(
            table()
                .lines(Some(40))
                .iter()
                .all(|line| text::clean(line).width() <= 40)
        );
        assert!(table().lines(Some(3)).iter().all(|line| line.len() < 40));
    }
}
