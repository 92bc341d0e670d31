//! Request smuggling: no request may end in one place for Ostler and in another one for the server behind it.

mod exchange;
mod grammar;
mod page;
mod proxies;
mod recorder;
mod table;

use std::path::Path;
use std::thread;

use exchange::{Observed, run};
use page::page;
use proxies::Proxy;
use table::{Case, Table};

/// Set to write `docs/smuggling.md` anew.
const WRITE: &str = "OSTLER_WRITE_DOCS";

/// A case and what Ostler, nginx and HAProxy did.
struct Row {
    case: &'static Case,
    ostler: Observed,
    nginx: Observed,
    haproxy: Observed,
}

#[test]
fn no_request_is_read_in_two_ways_and_the_page_shows_what_others_do() {
    let sides = thread::scope(|scope| {
        let sides = [Proxy::ostler, Proxy::nginx, Proxy::haproxy];
        let sides = sides.map(|start| scope.spawn(move || run_all(&start())));
        sides.map(|side| side.join().unwrap())
    });
    let [ostler, nginx, haproxy] = sides.map(Vec::into_iter);
    let rows: Vec<Row> = Table::get()
        .cases()
        .zip(ostler.zip(nginx.zip(haproxy)))
        .map(|(case, (ostler, (nginx, haproxy)))| Row { case, ostler, nginx, haproxy })
        .collect();
    let wrong: Vec<String> = rows.iter().filter_map(Row::wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let page = page(&rows);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/smuggling.md");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    for (written, is) in written.lines().zip(page.lines()) {
        assert_eq!(written, is, "docs/smuggling.md is out of date: run this test with {WRITE}=1");
    }
    assert_eq!(written.len(), page.len(), "docs/smuggling.md is out of date: run this test with {WRITE}=1");
}

fn run_all(proxy: &Proxy) -> Vec<Observed> {
    Table::get().cases().map(|case| run(proxy, &case.bytes())).collect()
}

impl Row {
    /// What is wrong about it.
    fn wrong(&self) -> Option<String> {
        let Self { case: Case { name, ostler, why, .. }, .. } = self;
        let is = self.ostler.to_string();
        if let Some(doubt) = self.ostler.doubts().next() {
            return Some(format!("{name}: what is passed on has two readings: {doubt}"));
        }
        if self.ostler.is_smuggled() {
            return Some(format!("{name}: a request was smuggled: {is}"));
        }
        if is != *ostler {
            return Some(format!("{name}:\n  ostler = {ostler:?}\n  but it is {is:?}"));
        }
        let differs =
            [&self.nginx, &self.haproxy].iter().any(|other| other.essence() != self.ostler.essence());
        match (differs, why.is_empty()) {
            (true, true) => {
                Some(format!("{name}: no reason for {is:?} | \"{}\" | \"{}\"", self.nginx, self.haproxy))
            }
            (false, false) => Some(format!("{name}: a reason for no difference")),
            (true, false) | (false, true) => None,
        }
    }
}
