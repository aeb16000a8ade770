//! The page of a terminal: plain text of a given width, drawn anew as the campaign goes on.

use super::Status;
use super::words::{bytes, count, duration, not_read, plural, unix_seconds, wrapped};

/// The heights of a small curve.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Columns of a small curve.
const CURVE: usize = 24;

/// How many findings are shown when there is room for any number.
const FINDINGS: usize = 20;

/// How many lines name the defects that are left, before one that counts the others.
const LEFT: usize = 6;

/// What a page is drawn for.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Columns.
    pub width: usize,
    /// Lines; the findings give way.
    pub height: usize,
    /// Seconds since 1970, to say how long ago the campaign was heard of; `None`: not said.
    pub now: Option<i64>,
    /// With bold and dim words.
    pub styled: bool,
}

/// A line, and how it looks on a terminal.
struct Line {
    look: &'static str,
    words: String,
}

/// Control sequences.
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

impl Line {
    fn plain(words: impl Into<String>) -> Line {
        Line { look: "", words: words.into() }
    }
}

/// The page.
pub fn page(s: &Status, view: View) -> String {
    let mut lines = vec![head(s), Line::plain(clock(s, view)), Line::plain("")];
    lines.extend(figures(s).into_iter().map(Line::plain));
    lines.push(Line::plain(""));
    let mut last = defects(s, view.width);
    last.extend(not_read(s.torn, s.unknown));
    let below = if last.is_empty() { 0 } else { last.len() + 1 };
    lines.extend(findings(s, view.height.saturating_sub(lines.len() + below)));
    if !last.is_empty() {
        lines.push(Line::plain(""));
        lines.extend(last.into_iter().map(Line::plain));
    }
    lines.iter().map(|line| shown(line, view)).collect()
}

/// A line as it is drawn: no wider than the view.
fn shown(line: &Line, view: View) -> String {
    let mut words = line.words.clone();
    if words.chars().count() > view.width {
        words = words.chars().take(view.width.saturating_sub(1)).collect();
        words.push('…');
    }
    match view.styled && !line.look.is_empty() {
        true => format!("{}{words}{PLAIN}\n", line.look),
        false => format!("{words}\n"),
    }
}

/// What campaign it is.
fn head(s: &Status) -> Line {
    let words = match s.starts.last() {
        None => "ifscrub campaign".to_string(),
        Some(start) => format!(
            "ifscrub {} campaign  {}, {}, {}",
            start.version,
            start.kernel,
            start.engine,
            plural(start.jobs, "job")
        ),
    };
    Line { look: BOLD, words }
}

/// How long it has run, and whether it is alive.
fn clock(s: &Status, view: View) -> String {
    let ran = duration(s.last.seconds);
    let starts = match s.starts.len() {
        0 | 1 => String::new(),
        n => format!(" in {n} starts"),
    };
    if let Some(end) = &s.end {
        return format!("ended after {ran}{starts}: {}", end.reason);
    }
    let round = s.progress.last().map_or(1, |p| p.round);
    let ago = view.now.zip(unix_seconds(&s.last.at)).map(|(now, at)| (now - at).max(0));
    let heard = match ago {
        Some(seconds) => format!("last heard of {} ago", duration(seconds as f64)),
        None => format!("last heard of at {}", s.last.at),
    };
    format!("running for {ran}{starts}, round {round}; {heard}")
}

/// The figures, a line each, with the curve of those that have one.
fn figures(s: &Status) -> Vec<String> {
    let Some(p) = s.progress.last() else {
        return vec!["nothing was measured yet".to_string()];
    };
    let curve = |of: &dyn Fn(&super::Progress) -> Option<f64>| curve(s, of);
    let line = |name: &str, value: &str, curve: String| {
        format!("{name:<12}{value:>28}  {curve}").trim_end().to_string()
    };
    let mut lines = vec![
        line("executions", &count(s.executions()), curve(&|p| Some(p.executions as f64))),
        line(
            "speed",
            &format!("{} a second", count(p.execs_per_second.max(0.0).round() as u64)),
            curve(&|p| Some(p.execs_per_second)),
        ),
    ];
    if let Some(features) = p.features {
        let features = count(features);
        lines.push(line("features", &features, curve(&|p| Some(p.features? as f64))));
    }
    if let Some(reached) = p.reached {
        lines.push(line("reached", &count(reached), curve(&|p| Some(p.reached? as f64))));
    }
    let corpus = format!("{} files, {}", count(p.corpus), bytes(p.corpus_bytes));
    lines.push(line("corpus", &corpus, curve(&|p| Some(p.corpus as f64))));
    lines.push(line("memory", &format!("{:.0} MB", p.rss_mb), curve(&|p| Some(p.rss_mb))));
    let jobs = s.starts.last().map_or(p.workers, |start| start.jobs);
    lines.push(line("workers", &format!("{} of {jobs}", p.workers), String::new()));
    lines
}

/// A curve of a line, over time, from 0 to its highest value.
fn curve(s: &Status, of: &dyn Fn(&super::Progress) -> Option<f64>) -> String {
    let points: Vec<_> =
        s.progress.iter().filter_map(|p| Some((p.stamp.seconds, of(p)?))).collect();
    let (Some(&(from, _)), Some(&(to, _))) = (points.first(), points.last()) else {
        return String::new();
    };
    if to <= from {
        return String::new();
    }
    let highest = points.iter().map(|p| p.1).fold(0.0, f64::max);
    let bar = |i: usize| {
        let until = from + (to - from) * (i + 1) as f64 / CURVE as f64;
        // The last one known by then.
        let at = points.partition_point(|p| p.0 <= until).max(1) - 1;
        let share = if highest > 0.0 { points[at].1 / highest } else { 0.0 };
        BARS[((share * 7.0).round() as usize).min(7)]
    };
    (0..CURVE).map(bar).collect()
}

/// What was found, the newest first, on so many lines.
fn findings(s: &Status, room: usize) -> Vec<Line> {
    let title = format!("findings: {}", count(s.findings.len() as u64));
    let mut lines = vec![Line { look: BOLD, words: title }];
    if s.findings.is_empty() {
        return lines;
    }
    let words = format!("{:>12}{:>16}  {:>3}  signature", "after", "executions", "ops");
    lines.push(Line { look: DIM, words });
    let all = s.findings.len();
    let room = room.saturating_sub(lines.len());
    // One line says how many more there are.
    let shown =
        if all <= room.min(FINDINGS) { all } else { room.saturating_sub(1).clamp(1, FINDINGS) };
    for f in s.findings.iter().rev().take(shown) {
        let (after, executions) = (duration(f.stamp.seconds), count(f.executions));
        let operations = f.operations.map_or("-".to_string(), |n| n.to_string());
        let words = format!("{after:>12}{executions:>16}  {operations:>3}  {}", f.signature);
        lines.push(Line::plain(words));
    }
    if all > shown {
        lines.push(Line::plain(format!("{:>12}{} more", "", all - shown)));
    }
    lines
}

/// Which defects were found, and which are left.
fn defects(s: &Status, width: usize) -> Vec<String> {
    let hunted = s.hunted().len();
    if hunted == 0 {
        return Vec::new();
    }
    let left = s.left();
    let found = hunted - left.len();
    let done = found * CURVE / hunted;
    let bar: String = (0..CURVE).map(|i| if i < done { '█' } else { '░' }).collect();
    let mut lines = vec![format!("defects found: {found} of {hunted}  {bar}")];
    let mut named = wrapped("left:", "     ", left, width);
    if named.len() > LEFT {
        // No name has a blank in it.
        let others: usize = named.drain(LEFT..).map(|line| line.split_whitespace().count()).sum();
        named.push(format!("      and {others} more"));
    }
    lines.extend(named);
    lines
}

#[cfg(test)]
mod tests {
    use super::super::testing::CAMPAIGN;
    use super::*;

    const SHOWN: View = View { width: 90, height: 40, now: None, styled: false };

    #[test]
    fn a_running_campaign_says_when_it_was_last_heard_of() {
        let before_the_end = CAMPAIGN.trim_end().rsplit_once('\n').unwrap().0;
        let s = Status::of(before_the_end);
        let now = unix_seconds("2026-01-01T00:15:20Z");
        let text = page(&s, View { now, ..SHOWN });
        assert!(
            text.contains(
                "\nrunning for 10 min 00 s in 2 starts, round 2; last heard of 30 s ago\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn no_line_is_wider_and_the_findings_give_way_to_the_height() {
        for styled in [false, true] {
            let view = View { width: 40, height: 18, now: None, styled };
            let text = page(&Status::of(CAMPAIGN), view);
            let plain = text.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "");
            assert!(plain.lines().all(|l| l.chars().count() <= 40), "{text}");
            assert!(text.lines().count() <= 18, "{} lines\n{text}", text.lines().count());
            assert!(text.contains("2 more"), "{text}");
        }
    }

    #[test]
    fn a_campaign_that_has_only_started_and_one_without_defects_have_pages() {
        let first = CAMPAIGN.lines().next().unwrap();
        assert!(page(&Status::of(first), SHOWN).contains("nothing was measured yet"));
        let news = first.replace("\"in-control-unserialized\",", "");
        let (before, rest) = news.split_once("\"defects\":[").unwrap();
        let news = format!("{before}\"defects\":[{}", &rest[rest.find(']').unwrap()..]);
        assert!(!page(&Status::of(&news), SHOWN).contains("defects found"));
    }

    #[test]
    fn every_defect_that_is_left_is_named_or_counted() {
        for (n, lines) in [(1, 1), (30, 6), (31, 7), (60, 7)] {
            let ids: Vec<String> = (0..n).map(|i| format!("defect-{i:04}")).collect();
            let start = super::super::Start { defects: ids.clone(), ..Default::default() };
            let s = Status { starts: vec![start], ..Status::default() };
            let text = page(&s, View { width: 65, ..SHOWN });
            let (_, left) = text.split_once("left:").unwrap();
            assert_eq!(left.lines().count(), lines, "{text}");
            let named = ids.iter().filter(|id| left.contains(&**id)).count();
            let more = left.split_once("and ").map_or(0, |(_, rest)| {
                rest.split_once(" more").unwrap().0.parse::<usize>().unwrap()
            });
            assert_eq!(named + more, n, "{text}");
        }
    }
}
