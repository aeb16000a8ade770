//! The status that a campaign leaves, and the pages that show it.
//!
//! A campaign appends to `status.jsonl`, one JSON object a line; [`Status`] is what its
//! lines say, and all that the pages know: [`page`] is the one of a terminal, [`html`] the
//! one of a browser, with the plots of [`plot`]. [`follow`] reads a file that grows.
//!
//! Every line has `kind`, `at` (RFC 3339, UTC) and `seconds` of the campaign's run time,
//! which goes on over restarts:
//!
//! | kind | what it says |
//! | --- | --- |
//! | `start` | `version`, `kernel` or kernels, `engine`, `jobs`, `defects` that are goals, `corpus` folder |
//! | `progress` | `round`, `executions` over all starts, `execs_per_second`, `corpus` files, `corpus_bytes`, `reached` in the models by the corpus (`null` until it is counted), `features`, `rss_mb`, `workers` |
//! | `finding` | `round`, `executions`, `signature`, `credit`, `operations` and `report` (`null` for a bug of the harness), `file` |
//! | `round` | the `round` that ended, the defects `found` in it and the goals `left` |
//! | `end` | `executions`, `found`, `unfound`, `reason` |
//!
//! Whoever writes may be killed at any moment and started again. So a line that is torn, at
//! the end of the file or before the line that a later start has added to it, is counted
//! and not an error, and so is a kind that a later version has.

pub mod follow;
pub mod html;
pub mod page;
pub mod plot;
pub mod summary;
pub mod words;

use serde::Deserialize;
use serde_json::Value;

/// What every line has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stamp {
    /// RFC 3339, UTC.
    pub at: String,
    /// Run time of the campaign.
    pub seconds: f64,
}

/// A campaign was started, for the first time or again.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Start {
    /// When.
    #[serde(skip)]
    pub stamp: Stamp,
    /// Of ifscrub.
    pub version: String,
    /// Kernel or kernels.
    pub kernel: String,
    /// Fuzzing engine.
    pub engine: String,
    /// Processes at a time.
    pub jobs: u64,
    /// What is hunted; empty when any finding is news.
    pub defects: Vec<String>,
    /// Folder of the corpus.
    pub corpus: String,
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Progress {
    /// When.
    #[serde(skip)]
    pub stamp: Stamp,
    /// The round that runs.
    #[serde(default)]
    pub round: u64,
    /// Programs run, over all starts.
    pub executions: u64,
    /// Speed of late.
    #[serde(default)]
    pub execs_per_second: f64,
    /// Files in the corpus.
    #[serde(default)]
    pub corpus: u64,
    /// Their size.
    #[serde(default)]
    pub corpus_bytes: u64,
    /// What the corpus reaches in the models, once counted: yield points passed, and those
    /// parked at, fallible calls passed, and those that failed, the results of each verb.
    pub reached: Option<u64>,
    /// Features of the runs covered.
    pub features: Option<u64>,
    /// Resident memory of the largest process.
    #[serde(default)]
    pub rss_mb: f64,
    /// Processes that run.
    #[serde(default)]
    pub workers: u64,
}

/// Something was found.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Finding {
    /// When.
    #[serde(skip)]
    pub stamp: Stamp,
    /// In which round.
    #[serde(default)]
    pub round: u64,
    /// Programs run until then.
    #[serde(default)]
    pub executions: u64,
    /// What it is.
    pub signature: String,
    /// Defects that it is due to; empty for news.
    #[serde(default)]
    pub credit: Vec<String>,
    /// Operations of the minimized program; a bug of the harness is not minimized.
    pub operations: Option<u64>,
    /// The program.
    #[serde(default)]
    pub file: String,
    /// Its report; a bug of the harness has none.
    pub report: Option<String>,
}

/// A round has ended.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Round {
    /// When.
    #[serde(skip)]
    pub stamp: Stamp,
    /// Programs run until then, by the line before.
    #[serde(skip)]
    pub executions: u64,
    /// Its number.
    pub round: u64,
    /// Defects that it found.
    #[serde(default)]
    pub found: Vec<String>,
    /// Defects that are left for the next.
    #[serde(default)]
    pub left: Vec<String>,
}

/// The campaign has ended.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct End {
    /// When.
    #[serde(skip)]
    pub stamp: Stamp,
    /// Programs run.
    pub executions: u64,
    /// Defects found.
    pub found: Vec<String>,
    /// Defects not found.
    pub unfound: Vec<String>,
    /// Why it ended.
    pub reason: String,
}

/// All that the lines of a campaign say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Starts, the first one and those after an interruption.
    pub starts: Vec<Start>,
    /// Progress.
    pub progress: Vec<Progress>,
    /// Findings.
    pub findings: Vec<Finding>,
    /// Rounds that ended.
    pub rounds: Vec<Round>,
    /// The end, if nothing was started after it.
    pub end: Option<End>,
    /// The last line that could be read.
    pub last: Stamp,
    /// Lines of a kind that is not known here.
    pub unknown: u64,
    /// Lines, or pieces of them, that could not be read.
    pub torn: u64,
}

impl Status {
    /// What `text` says.
    pub fn of(text: &str) -> Status {
        let mut status = Status::default();
        for line in text.lines() {
            status.line(line);
        }
        status
    }

    /// Whether any line could be read.
    pub fn is_empty(&self) -> bool {
        self.last == Stamp::default() && self.unknown == 0
    }

    /// Takes the next line. A torn one is counted, and what follows it on the same line,
    /// because its writer was killed, is read.
    pub fn line(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() || self.record(line) {
            return;
        }
        self.torn += 1;
        if let Some(at) = line.rfind("{\"").filter(|&at| at > 0) {
            self.record(&line[at..]);
        }
    }

    /// Takes one record; whether it is one.
    fn record(&mut self, text: &str) -> bool {
        let Ok(Value::Object(record)) = serde_json::from_str(text) else { return false };
        let word = |name: &str| record.get(name).and_then(Value::as_str).map(str::to_string);
        let (Some(kind), Some(at)) = (word("kind"), word("at")) else { return false };
        let Some(seconds) = record.get("seconds").and_then(Value::as_f64) else { return false };
        let stamp = Stamp { at, seconds };
        let record = Value::Object(record);
        if !self.take(&kind, record, &stamp) {
            return false;
        }
        self.last = stamp;
        true
    }

    fn take(&mut self, kind: &str, record: Value, stamp: &Stamp) -> bool {
        let stamp = stamp.clone();
        match kind {
            "start" => {
                let Ok(start) = Start::deserialize(record) else { return false };
                self.starts.push(Start { stamp, ..start });
                self.end = None;
            }
            "progress" => {
                let Ok(progress) = Progress::deserialize(record) else { return false };
                self.progress.push(Progress { stamp, ..progress });
            }
            "finding" => {
                let Ok(finding) = Finding::deserialize(record) else { return false };
                self.findings.push(Finding { stamp, ..finding });
            }
            "round" => {
                let Ok(round) = Round::deserialize(record) else { return false };
                let executions = self.executions();
                self.rounds.push(Round { stamp, executions, ..round });
            }
            "end" => {
                let Ok(end) = End::deserialize(record) else { return false };
                self.end = Some(End { stamp, ..end });
            }
            _ => self.unknown += 1,
        }
        true
    }

    /// Programs run, as far as any line says.
    pub fn executions(&self) -> u64 {
        let progress = self.progress.last().map_or(0, |p| p.executions);
        let finding = self.findings.last().map_or(0, |f| f.executions);
        let end = self.end.as_ref().map_or(0, |e| e.executions);
        progress.max(finding).max(end)
    }

    /// Every defect that is or was hunted, in the order in which they were named.
    pub fn hunted(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for id in self.starts.iter().flat_map(|s| &s.defects) {
            if !all.contains(&&**id) {
                all.push(id);
            }
        }
        all
    }

    /// The defects that were found, each when it first was, in that order: credited in a
    /// finding or told by a round or the end.
    pub fn found(&self) -> Vec<Found<'_>> {
        let mut all: Vec<Found<'_>> = Vec::new();
        let mut add = |id: &'_ str, seconds: f64, executions: u64| -> Option<()> {
            let hunted = self.starts.iter().flat_map(|s| &s.defects).find(|d| *d == id)?;
            match all.iter_mut().find(|f| f.id == hunted) {
                Some(f) if f.seconds <= seconds => {}
                Some(f) => (f.seconds, f.executions) = (seconds, executions),
                None => all.push(Found { id: hunted, seconds, executions }),
            }
            Some(())
        };
        for f in &self.findings {
            for id in &f.credit {
                add(id, f.stamp.seconds, f.executions);
            }
        }
        for r in &self.rounds {
            for id in &r.found {
                add(id, r.stamp.seconds, r.executions);
            }
        }
        if let Some(end) = &self.end {
            for id in &end.found {
                add(id, end.stamp.seconds, end.executions);
            }
        }
        all.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        all
    }

    /// The hunted defects that were not found.
    pub fn left(&self) -> Vec<&str> {
        let found = self.found();
        let mut left = self.hunted();
        left.retain(|id| found.iter().all(|f| f.id != *id));
        left
    }
}

/// A hunted defect that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found<'a> {
    /// Its name.
    pub id: &'a str,
    /// When, in run time.
    pub seconds: f64,
    /// When, in programs.
    pub executions: u64,
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use super::testing::CAMPAIGN;
    use super::*;

    #[test]
    fn every_kind_of_line_is_read() {
        let s = Status::of(CAMPAIGN);
        assert_eq!((s.starts.len(), s.progress.len(), s.findings.len()), (2, 6, 3));
        assert_eq!((s.rounds.len(), s.unknown, s.torn), (1, 0, 0));
        assert_eq!(s.end.as_ref().map(|e| &*e.reason), Some("time is up"));
        assert_eq!(s.executions(), 3_600_000);
        assert_eq!(s.last.seconds, 600.0);
        assert_eq!((s.progress[0].reached, s.progress[1].reached), (None, Some(212)));
        assert_eq!(s.progress[0].features, Some(900));
    }

    #[test]
    fn defects_are_found_when_first_credited_and_the_others_are_left() {
        let s = Status::of(CAMPAIGN);
        assert_eq!(s.hunted().len(), 5);
        let found: Vec<_> = s.found().iter().map(|f| (f.id, f.seconds)).collect();
        let expected = [("c4-tapclose-zeroes", 12.5), ("w8-double-difaddr", 130.0)];
        assert_eq!(found[..2], expected);
        // Only the round says that an enabling defect is done with.
        assert_eq!(found[2], ("in-control-unserialized", 300.0));
        assert_eq!(s.left(), ["c1-sppp-unserialized", "ifindex-hole"]);
    }

    #[test]
    fn a_torn_last_line_is_counted_wherever_it_is_torn() {
        let whole = CAMPAIGN.trim_end();
        let before = whole.rfind('\n').expect("several lines");
        let last = Status::of(&whole[..before]);
        for end in before + 2..whole.len() {
            let torn = Status::of(&whole[..end]);
            assert_eq!(torn.torn, 1, "{end}");
            assert_eq!(Status { torn: 0, ..torn }, last, "{end}");
        }
    }

    #[test]
    fn a_start_that_was_appended_to_a_torn_line_is_read() {
        let (first, rest) = CAMPAIGN.split_once('\n').expect("several lines");
        let glued = format!("{first}\n{{\"kind\":\"progress\",\"at\":\"2026-{first}\n{rest}");
        let s = Status::of(&glued);
        assert_eq!((s.starts.len(), s.torn), (3, 1));
    }

    #[test]
    fn unknown_kinds_and_fields_are_no_error_and_a_restart_takes_back_the_end() {
        let later = "{\"kind\":\"weather\",\"at\":\"2026-01-01T00:20:00Z\",\"seconds\":601}\n\
            {\"kind\":\"start\",\"at\":\"2026-01-01T00:30:00Z\",\"seconds\":601,\"moon\":\"full\"}\n";
        let s = Status::of(&format!("{CAMPAIGN}{later}"));
        assert_eq!((s.unknown, s.torn, s.starts.len()), (1, 0, 3));
        assert_eq!(s.end, None);
    }

    #[test]
    fn a_line_may_leave_out_what_it_can_do_without() {
        let stamp = "\"at\":\"2026-01-01T00:00:00Z\",\"seconds\":1";
        let least = format!(
            "{{\"kind\":\"start\",{stamp}}}\n{{\"kind\":\"progress\",{stamp},\"executions\":7}}\n\
             {{\"kind\":\"finding\",{stamp},\"signature\":\"a/b\"}}\n\
             {{\"kind\":\"round\",{stamp},\"round\":1}}\n{{\"kind\":\"end\",{stamp}}}\n"
        );
        let s = Status::of(&least);
        assert_eq!((s.starts.len(), s.progress.len(), s.findings.len()), (1, 1, 1));
        assert_eq!((s.rounds.len(), s.end.is_some(), s.torn, s.unknown), (1, true, 0, 0));
        assert_eq!(s.executions(), 7);
    }

    #[test]
    fn a_bug_of_the_harness_has_no_operations_and_no_report() {
        let bug = "{\"kind\":\"finding\",\"at\":\"2026-01-01T00:20:00Z\",\"seconds\":601,\
            \"signature\":\"harness/panic\",\"credit\":[],\"operations\":null,\
            \"file\":\"artifacts/crash-0\",\"report\":null}";
        let s = Status::of(bug);
        assert_eq!((s.torn, s.findings.len()), (0, 1));
        assert_eq!((s.findings[0].operations, &s.findings[0].report), (None, &None));
    }

    #[test]
    fn what_is_no_status_is_empty() {
        for text in ["", "\n\n", "no status\n", "{}\n[1]\n{\"kind\":\"start\"}\n"] {
            assert!(Status::of(text).is_empty(), "{text}");
        }
        assert!(!Status::of(CAMPAIGN).is_empty());
    }
}
