//! The report for people: the verdict first, then tables that grep understands.
//!
//! Owns layout and colour. Invariant: [`render`] is a pure function of the report; [`coloured`] is
//! the same text with escape sequences around the words that matter.

use std::fmt::Write;

use annulus_ring::diagnose::Fact;

use super::report::{Opened, Report, Row, Verdict, version};

/// The report as plain text.
pub fn render(report: &Report) -> String {
    Page::new(false).report(report)
}

/// The report for a terminal.
pub fn coloured(report: &Report) -> String {
    Page::new(true).report(report)
}

#[derive(Clone, Copy)]
enum Ink {
    Good = 32,
    Bad = 31,
    Faint = 2,
    Heading = 1,
}

struct Page {
    text: String,
    colour: bool,
}

impl Page {
    fn new(colour: bool) -> Self {
        Self { text: String::with_capacity(8192), colour }
    }

    fn report(mut self, report: &Report) -> String {
        let release = report.release.as_deref().unwrap_or("of unknown release");
        self.line(&format!("kernel   Linux {release}"));
        self.verdict(report);
        match &report.outcome {
            Ok(opened) => self.opened(opened, &report.facts),
            Err(refusal) => self.line(&format!("\n{}", refusal.text)),
        }
        self.text
    }

    fn verdict(&mut self, report: &Report) {
        let (ink, words) = match report.verdict() {
            Verdict::Ready => {
                (Ink::Good, "ready: the runtime has all that it needs here".to_owned())
            }
            Verdict::RingOnly => {
                let missing: Vec<&str> = report.unmet().map(|row| row.name.as_str()).collect();
                let words = format!(
                    "a ring opens, but the runtime cannot run here; missing: {}",
                    missing.join(", ")
                );
                (Ink::Bad, words)
            }
            Verdict::Refused => (Ink::Bad, "refused: no ring can be made here".to_owned()),
        };
        let words = self.ink(ink, &words);
        self.line(&format!("verdict  {words}"));
    }

    fn opened(&mut self, opened: &Opened, facts: &[Fact]) {
        if !opened.remedy.is_empty() {
            self.heading("remedy");
            for step in &opened.remedy {
                self.line(&format!("  - {step}"));
            }
        }
        self.heading("ring");
        let flags: Vec<&str> = opened.flags.iter().map(String::as_str).collect();
        self.pair("submissions", &opened.sq_entries.to_string());
        self.pair("completions", &opened.cq_entries.to_string());
        self.pair("flags", &flags.join(" "));
        self.pair("locked memory", &format!("{} KiB", opened.ring_bytes / 1024));
        self.rows("needed by the runtime", &opened.needs);
        self.rows("features", &opened.features);
        self.rows("operations", &opened.operations);
        self.rows("registrations", &opened.registrations);
        self.heading("limits and policy");
        let rings = match opened.rings_within_memlock {
            Some(count) => format!("at most {count} per user, by RLIMIT_MEMLOCK"),
            None => "not limited by RLIMIT_MEMLOCK".to_owned(),
        };
        self.pair("rings like this", &rings);
        for fact in facts.iter().filter(|fact| fact.subject != "kernel") {
            self.pair(fact.subject, &fact.value);
        }
    }

    fn rows(&mut self, title: &str, rows: &[Row]) {
        let present = rows.iter().filter(|row| row.present == Some(true)).count();
        self.heading(&format!("{title} ({present} of {})", rows.len()));
        for row in rows {
            let state = match row.present {
                Some(true) => self.ink(Ink::Good, "yes"),
                Some(false) => self.ink(Ink::Bad, "no "),
                None => self.ink(Ink::Faint, "-  "),
            };
            let since = row.since.map(version).unwrap_or_default();
            let why = row.why.as_deref().map(|why| self.ink(Ink::Faint, why)).unwrap_or_default();
            let line = format!("  {state}  {:<28} {since:<6} {why}", row.name);
            self.line(line.trim_end());
        }
    }

    fn heading(&mut self, title: &str) {
        let title = self.ink(Ink::Heading, title);
        self.line(&format!("\n{title}"));
    }

    fn pair(&mut self, name: &str, value: &str) {
        self.line(format!("  {name:<30} {value}").trim_end());
    }

    fn ink(&self, ink: Ink, words: &str) -> String {
        if self.colour { format!("\x1b[{}m{words}\x1b[0m", ink as u8) } else { words.to_owned() }
    }

    fn line(&mut self, line: &str) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}
