//! The page of a browser: one file that needs nothing else, in light and dark.

use super::plot::{Across, Curve, Plot, escaped, lanes, plot};
use super::words::{bytes, count, duration, not_read, plural};
use super::{Finding, Progress, Status};
use std::collections::BTreeSet;

/// What the signature of a bug of the harness has in the place of a kernel.
const HARNESS: &str = "harness";

/// How it looks. Colours are named once for each look.
const STYLE: &str = "\
:root { color-scheme: light dark; --paper: #f6f6f3; --card: #fdfdfc; --ink: #14130f;
  --quiet: #5c5b55; --line: #e2e1da; --base: #b4b3ab; --edge: #e2e1da;
  --curve: #2a6fc4; --found: #c8501e; --left: #b93a3a; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #121211; --card: #1c1c1a; --ink: #f4f3ee; --quiet: #b3b2a9;
    --line: #2f2f2c; --base: #6b6a63; --edge: #33332f;
    --curve: #5a9bea; --found: #ec7f50; --left: #ee7a7a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 20px 60px; max-width: 1180px; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 24px; line-height: 1.25; }
h2 { margin: 34px 0 10px; font-size: 17px; }
p { margin: 6px 0; }
.quiet, .unit { color: var(--quiet); }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0 12px; }
.plots { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); }
.tile, figure { margin: 0; padding: 12px 16px; background: var(--card);
  border: 1px solid var(--edge); border-radius: 8px; }
.tile { flex: 1 0 auto; min-width: 130px; max-width: 320px; }
.tile b { display: block; font-size: 22px; font-weight: 600; line-height: 1.3;
  white-space: nowrap; }
figcaption { display: flex; justify-content: space-between; gap: 12px; margin-bottom: 6px; }
figcaption b { font-weight: 600; }
figure.wide { grid-column: 1 / -1; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--quiet); font: 11px system-ui, sans-serif;
  paint-order: stroke; stroke: var(--card); stroke-width: 3px; }
.grid { stroke: var(--line); } .base { stroke: var(--base); }
.restart { stroke: var(--base); stroke-dasharray: 2 3; }
.curve { fill: none; stroke: var(--curve); stroke-width: 2; stroke-linejoin: round; }
.area { fill: var(--curve); opacity: .1; }
.last { fill: var(--curve); stroke: var(--card); stroke-width: 2; }
.told { fill: transparent; } .told:hover { fill: var(--curve); opacity: .35; }
.found { fill: var(--found); stroke: var(--card); stroke-width: 1.5; }
.survival { --curve: var(--left); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; background: var(--card);
  border: 1px solid var(--edge); font-size: 14px; }
th, td { padding: 6px 12px; text-align: left; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--quiet); font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; }
ul.ids { margin: 0; padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: 6px; }
ul.ids li { padding: 1px 8px; border: 1px solid var(--edge); border-radius: 5px;
  background: var(--card); }
";

/// The page.
pub fn html(s: &Status) -> String {
    let start = s.starts.last();
    let kernel = start.map_or("ifscrub", |start| &start.kernel);
    let title = escaped(&format!("ifscrub campaign, {kernel}"));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    out += &format!("<p class=\"quiet\">{}</p>\n", about(s));
    out += &tiles(s);
    out += "<h2>Growth</h2>\n<div class=\"plots\">\n";
    out += &growth(s);
    out += "</div>\n";
    out += &survival(s);
    out += "<h2>Findings</h2>\n";
    out += &findings(s);
    out + "</body>\n</html>\n"
}

/// What ran, since when, and how it stands.
fn about(s: &Status) -> String {
    let mut words = Vec::new();
    if let Some(start) = s.starts.last() {
        words.push(format!(
            "ifscrub {}, {}, {}, corpus <code>{}</code>",
            escaped(&start.version),
            escaped(&start.engine),
            plural(start.jobs, "job"),
            escaped(&start.corpus)
        ));
    }
    if let Some(first) = s.starts.first() {
        let starts = if s.starts.len() > 1 {
            format!(" ({} starts)", s.starts.len())
        } else {
            String::new()
        };
        words.push(format!("begun {}{starts}", escaped(&first.stamp.at)));
    }
    words.push(match &s.end {
        Some(end) => format!("ended {}: {}", escaped(&end.stamp.at), escaped(&end.reason)),
        None => format!("last heard of {}", escaped(&s.last.at)),
    });
    words.extend(not_read(s.torn, s.unknown));
    words.join("<br>")
}

fn tiles(s: &Status) -> String {
    let mut tiles =
        vec![("run time", duration(s.last.seconds)), ("executions", count(s.executions()))];
    if let Some(p) = s.progress.last() {
        tiles.push(("corpus", format!("{} files", count(p.corpus))));
        if let Some(features) = p.features {
            tiles.push(("features", count(features)));
        }
        if let Some(reached) = p.reached {
            tiles.push(("reached", count(reached)));
        }
    }
    tiles.push(("findings", count(s.findings.len() as u64)));
    let hunted = s.hunted().len();
    if hunted > 0 {
        tiles.push(("defects found", format!("{} of {hunted}", hunted - s.left().len())));
    }
    let tile = |(name, value): &(&str, String)| {
        format!("<div class=\"tile\"><span class=\"unit\">{name}</span><b>{value}</b></div>\n")
    };
    let tiles: String = tiles.iter().map(tile).collect();
    format!("<div class=\"tiles\">\n{tiles}</div>\n")
}

/// A plot with its caption: what it shows, and what it has come to.
fn figure(class: &str, title: &str, value: &str, svg: &str) -> String {
    format!(
        "<figure class=\"{class}\"><figcaption><b>{}</b><span class=\"quiet\">{}</span>\
         </figcaption>\n{svg}</figure>\n",
        escaped(title),
        escaped(value)
    )
}

fn restarts(s: &Status) -> Vec<f64> {
    s.starts.iter().skip(1).map(|start| start.stamp.seconds).collect()
}

/// What grows with time.
fn growth(s: &Status) -> String {
    let restarts = restarts(s);
    let draw = |title: &str,
                unit: &str,
                value: &dyn Fn(&Progress) -> String,
                of: &dyn Fn(&Progress) -> Option<f64>| {
        let points: Vec<_> =
            s.progress.iter().filter_map(|p| Some((p.stamp.seconds, of(p)?))).collect();
        let last = s.progress.last().map(value);
        match points.len() {
            0 => String::new(),
            _ => {
                let curve = Curve { points, steps: false, unit };
                let (across, until) = (Across::Time, s.last.seconds);
                let svg = plot(&Plot { title, across, until, curve, restarts: &restarts });
                figure("", title, &last.unwrap_or_default(), &svg)
            }
        }
    };
    let whole = |n: f64| count(n.max(0.0).round() as u64);
    [
        draw("Executions", "programs", &|p| count(p.executions), &|p| Some(p.executions as f64)),
        draw("Speed", "a second", &|p| format!("{} a second", whole(p.execs_per_second)), &|p| {
            Some(p.execs_per_second)
        }),
        draw(
            "Coverage: points passed and disturbed, results of verbs",
            "reached",
            &|p| p.reached.map_or_else(String::new, count),
            &|p| Some(p.reached? as f64),
        ),
        draw(
            "State: features of the runs",
            "features",
            &|p| p.features.map_or_else(String::new, count),
            &|p| Some(p.features? as f64),
        ),
        draw(
            "Corpus",
            "files",
            &|p| format!("{} files, {}", count(p.corpus), bytes(p.corpus_bytes)),
            &|p| Some(p.corpus as f64),
        ),
        draw("Memory of the largest process", "MB", &|p| format!("{} MB", whole(p.rss_mb)), &|p| {
            Some(p.rss_mb)
        }),
    ]
    .concat()
}

/// When what was found, and a table of it.
fn findings(s: &Status) -> String {
    if s.findings.is_empty() {
        return "<p>None so far.</p>\n".to_string();
    }
    let kernels = s.findings.iter().map(|f| f.signature.split_once('/').map(|(kernel, _)| kernel));
    let kernels: BTreeSet<_> = kernels.filter(|kernel| *kernel != Some(HARNESS)).collect();
    let name = |f: &Finding| name_of(&f.signature, kernels.len() > 1);
    let names: Vec<_> = s.findings.iter().map(name).collect();
    let times: Vec<_> =
        s.findings.iter().zip(&names).map(|(f, name)| (f.stamp.seconds, &**name)).collect();
    let title = "Time of each finding, by signature";
    let svg = lanes(title, s.last.seconds, &times, &restarts(s));
    let mut out = figure("wide", title, &format!("{} findings", times.len()), &svg);
    out += "<div class=\"scroll\"><table style=\"margin-top: 12px\">\n<tr>\
        <th class=\"number\">after</th><th class=\"number\">executions</th>\
        <th class=\"number\">round</th><th class=\"number\">operations</th>\
        <th>signature</th><th>credit</th><th>program</th></tr>\n";
    for f in &s.findings {
        let credit: Vec<_> =
            f.credit.iter().map(|id| format!("<code>{}</code>", escaped(id))).collect();
        let credit = if credit.is_empty() { "none".to_string() } else { credit.join("<br>") };
        out += &format!(
            "<tr><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td><code>{}</code></td><td>{credit}</td><td><code>{}</code></td></tr>\n",
            duration(f.stamp.seconds),
            count(f.executions),
            f.round,
            f.operations.map_or("-".to_string(), |n| n.to_string()),
            escaped(&f.signature),
            escaped(&f.file)
        );
    }
    out + "</table></div>\n"
}

/// A signature without the word credit, and without its kernel unless there are several. A bug
/// of the harness is none of a kernel.
fn name_of(signature: &str, several: bool) -> String {
    let Some((kernel, name)) = signature.split_once('/') else { return signature.to_string() };
    let name = name.strip_prefix("credit:").unwrap_or(name);
    if several || kernel == HARNESS { format!("{kernel}/{name}") } else { name.to_string() }
}

/// How many of the hunted defects are left, as curves, and which.
fn survival(s: &Status) -> String {
    let hunted = s.hunted();
    if hunted.is_empty() {
        return String::new();
    }
    let (found, left) = (s.found(), s.left());
    let mut out = "<h2>Survival of the defects</h2>\n<div class=\"plots\">\n".to_string();
    for across in [Across::Time, Across::Executions] {
        let title = match across {
            Across::Time => "Not found yet, over time",
            Across::Executions => "Not found yet, over executions",
        };
        let until = across.of(s.last.seconds, s.executions());
        let mut at: Vec<f64> = found.iter().map(|f| across.of(f.seconds, f.executions)).collect();
        at.sort_by(f64::total_cmp);
        let steps = at.iter().enumerate().map(|(i, x)| (*x, (hunted.len() - i - 1) as f64));
        let mut points = vec![(0.0, hunted.len() as f64)];
        points.extend(steps);
        points.push((until, left.len() as f64));
        let curve = Curve { points, steps: true, unit: "left" };
        let svg = plot(&Plot { title, across, until, curve, restarts: &[] });
        out +=
            &figure("survival", title, &format!("{} of {} left", left.len(), hunted.len()), &svg);
    }
    out += "</div>\n";
    if !left.is_empty() {
        let items = left.iter().map(|id| format!("<li><code>{}</code></li>", escaped(id)));
        let items: String = items.collect();
        out += &format!(
            "<p class=\"quiet\">Hunted for {} and not found:</p>\n\
             <ul class=\"ids\">{items}</ul>\n",
            duration(s.last.seconds)
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::CAMPAIGN;
    use super::*;

    #[test]
    fn a_page_asks_the_network_for_nothing() {
        let page = html(&Status::of(CAMPAIGN));
        let links = page.replace("http://www.w3.org/2000/svg", "");
        for word in ["http:", "https:", "//", "src=", "href=", "@import", "url(", "<script"] {
            assert!(!links.contains(word), "{word}");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn a_page_has_every_plot_finding_and_defect() {
        let page = html(&Status::of(CAMPAIGN));
        for word in [
            "Executions",
            "Speed",
            "Coverage: points passed",
            "State: features",
            "Corpus",
            "Memory",
            "Time of each finding",
            "Not found yet, over time",
            "Not found yet, over executions",
            "ifindex-hole",
            "leaked:rtentry:-:rtrequest1&lt;rtinit",
            "found/w8-double-difaddr.ops",
            "3 of 5",
        ] {
            assert!(page.contains(word), "{word}");
        }
        let uncounted: String = CAMPAIGN.replace("\"reached\":", "\"seen\":");
        assert!(!html(&Status::of(&uncounted)).contains("Coverage"));
    }

    #[test]
    fn every_element_is_closed() {
        let page = html(&Status::of(CAMPAIGN));
        for name in ["svg", "figure", "div", "table", "tr", "td", "th", "code", "title", "circle"] {
            let (open, close) = (format!("<{name}"), format!("</{name}>"));
            let opened = page
                .match_indices(&open)
                .filter(|(at, _)| page[at + open.len()..].starts_with([' ', '>']));
            assert_eq!(opened.count(), page.matches(&close).count(), "{name}");
        }
        assert!(!page.contains("NaN"));
    }

    #[test]
    fn a_campaign_that_has_only_started_and_one_of_one_moment_have_pages() {
        let first = CAMPAIGN.lines().next().unwrap();
        let page = html(&Status::of(first));
        assert!(page.contains("None so far.") && page.contains("5 of 5 left"), "{page}");
        assert!(!page.contains("NaN") && !page.contains("inf\""), "{page}");
        let moment: Vec<String> = CAMPAIGN.lines().map(at_once).collect();
        let page = html(&Status::of(&moment.join("\n")));
        for word in ["Executions", "Time of each finding", "3 of 5"] {
            assert!(page.contains(word), "{word}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf\""), "{page}");
    }

    /// A line of the status as if nothing had taken any time.
    fn at_once(line: &str) -> String {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["seconds"] = 0.into();
        value.to_string()
    }

    #[test]
    fn findings_of_two_kernels_with_one_rule_have_lanes_of_their_own() {
        let other = CAMPAIGN
            .lines()
            .find(|l| l.contains("\"kind\":\"finding\""))
            .unwrap()
            .replace("dragonfly-2007/", "freebsd-14/");
        let page = html(&Status::of(&format!("{CAMPAIGN}{other}\n")));
        for lane in
            ["dragonfly-2007/c4-tapclose-zeroes</text>", "freebsd-14/c4-tapclose-zeroes</text>"]
        {
            assert!(page.contains(lane), "{lane}");
        }
        let bug = other.replace("freebsd-14/credit:c4-tapclose-zeroes", "harness/panic");
        assert!(bug.contains("\"harness/panic\""), "{bug}");
        for one in [CAMPAIGN.to_string(), format!("{CAMPAIGN}{bug}\n")] {
            let page = html(&Status::of(&one));
            assert!(page.contains(">c4-tapclose-zeroes</text>"), "{page}");
        }
        assert!(html(&Status::of(&format!("{CAMPAIGN}{bug}\n"))).contains(">harness/panic</text>"));
    }
}
