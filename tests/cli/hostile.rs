//! Text that others typed, on its way through tables, lines, JSON and errors.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use portcullis::cli::print::Printer;
use portcullis::cli::table::{Cut, Table};
use portcullis::cli::{Exit, Failure};
use portcullis::text::hidden;
use portcullis::wire::Problem;

use crate::support::hostile::corpus;

/// Keeps what is printed.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn printer(json: bool, width: Option<usize>) -> (Printer, Paper) {
    let paper = Paper::default();
    (
        Printer::new(
            Box::new(paper.clone()),
            Box::new(paper.clone()),
            width,
            json,
        ),
        paper,
    )
}

fn assert_harmless(paper: &Paper, lines: usize, about: &str) {
    let text = paper.text();
    assert!(
        !text.chars().any(|c| c != '\n' && hidden(c)),
        "{about:?} → {text:?}"
    );
    assert_eq!(text.lines().count(), lines, "{about:?} → {text:?}");
}

#[test]
fn hostile_text_cannot_leave_its_cell() {
    for attack in corpus() {
        for width in [None, Some(80), Some(20)] {
            let (printer, paper) = printer(false, width);
            let mut table = Table::new(&[
                ("ID", Cut::Never),
                ("WHO", Cut::Middle),
                ("REASON", Cut::End),
            ]);
            table.row(["R-1".to_owned(), attack.clone(), attack.clone()]);
            printer.table(&table, "none").unwrap();
            assert_harmless(&paper, 2, &attack);
        }
    }
}

#[test]
fn hostile_text_is_harmless_in_lines_errors_and_json() {
    for attack in corpus() {
        let (human, paper) = printer(false, None);
        human.line(&attack).unwrap();
        human.note(&attack);
        human.facts(&[("name", attack.clone())]).unwrap();
        assert_harmless(&paper, 3, &attack);

        let problem = Problem {
            span: None,
            suggestion: None,
            kind: "urn:portcullis:problem:x".to_owned(),
            status: 500,
            code: "x".to_owned(),
            title: attack.clone(),
            hint: Some(attack.clone()),
            instance: attack.clone(),
        };
        let failure = Failure {
            problem: Some(Box::new(problem.clone())),
            ..Failure::refused(attack.clone(), attack.clone())
        };
        let (human, paper) = printer(false, None);
        assert_eq!(human.failure(&failure), Exit::REFUSED);
        assert_harmless(&paper, 3, &attack);

        let (json, paper) = printer(true, None);
        json.failure(&failure);
        json.json_line(&attack).unwrap();
        assert_harmless(&paper, 2, &attack);
        let text = paper.text();
        let mut lines = text.lines();
        assert_eq!(
            serde_json::from_str::<Problem>(lines.next().unwrap()).unwrap(),
            problem
        );
        assert_eq!(
            serde_json::from_str::<String>(lines.next().unwrap()).unwrap(),
            attack
        );
    }
}
