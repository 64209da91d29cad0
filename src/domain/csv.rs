//! Tables for other programs, as of RFC 4180: cells between commas, lines that end in CR LF, quotes where they are needed.

/// With these a spreadsheet takes a cell for a formula and may do what it says; the wide ones are the same to some.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// Adds a line.
pub fn push_line<'c>(table: &mut String, cells: impl IntoIterator<Item = &'c str>) {
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            table.push(',');
        }
        push_cell(table, cell);
    }
    table.push_str("\r\n");
}

/// People typed it: what a spreadsheet would take for a formula begins with an apostrophe.
fn push_cell(table: &mut String, cell: &str) {
    let is_formula = cell.trim_start_matches([' ', '\n']).starts_with(FORMULA);
    let mark = if is_formula { "'" } else { "" };
    if cell.contains(['"', ',', '\r', '\n']) || cell.starts_with(' ') || cell.ends_with(' ') {
        table.push('"');
        table.push_str(mark);
        table.push_str(&cell.replace('"', "\"\""));
        table.push('"');
    } else {
        table.push_str(mark);
        table.push_str(cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_have_to_be_and_are_never_formulas() {
        for (cell, written) in [
            ("", ""),
            ("Ann Lee", "Ann Lee"),
            ("12, High St", "\"12, High St\""),
            ("said \"no\"", "\"said \"\"no\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("+44", "'+44"),
            ("-", "'-"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            (" =1", "\"' =1\""),
            ("＝1", "'＝1"),
            ("a=b", "a=b"),
        ] {
            let mut table = String::new();
            push_line(&mut table, [cell, "x"]);
            assert_eq!(table, format!("{written},x\r\n"), "{cell:?}");
        }
    }
}
