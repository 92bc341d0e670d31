//! `docs/smuggling.md`: what each proxy does, side by side.

use std::fmt::Write;

use super::Row;
use super::table::Table;

const HEAD: &str = include_str!("head.md");

pub(super) fn page(rows: &[Row]) -> String {
    let mut page = HEAD.to_owned();
    let mut rows = rows.iter();
    for group in &Table::get().group {
        let _ = write!(page, "\n## {}\n\n", group.title);
        page.push_str(
            "| request | Ostler | nginx | HAProxy | why they differ |\n| --- | --- | --- | --- | --- |\n",
        );
        for row in rows.by_ref().take(group.case.len()) {
            let about = row.case.about.replace('|', "\\|");
            let _ = writeln!(
                page,
                "| {about} | {} | {} | {} | {} |",
                row.ostler, row.nginx, row.haproxy, row.case.why
            );
        }
    }
    page
}
