//! Plots as inline SVG: curves, steps, and lanes of dots.
//!
//! Colours and fonts are classes of the page that holds them, so that a plot follows its
//! light or dark look. Numbers are rounded to a tenth: a page is the same on every machine.

use super::words::{count, duration, short};
use std::fmt::Write;

/// Size of a plot, and what is left around its area.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 210.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;

/// A curve has at most so many points; of those with nearly the same x the last is kept.
const POINTS: usize = 500;

/// A curve has at most so many places that tell their values.
const TOLD: usize = 60;

/// Height of a lane, and the width of all: of two plots beside each other.
const LANE: f64 = 18.0;
const LANES_WIDTH: f64 = 1140.0;

/// What the horizontal axis measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Across {
    /// Seconds, from 0.
    Time,
    /// Programs, by powers of ten.
    Executions,
}

impl Across {
    /// The place of a moment on such an axis.
    pub fn of(self, seconds: f64, executions: u64) -> f64 {
        match self {
            Across::Time => seconds,
            Across::Executions => executions as f64,
        }
    }
}

/// A curve.
#[derive(Clone, Debug)]
pub struct Curve<'a> {
    /// Where it goes, by ascending x.
    pub points: Vec<(f64, f64)>,
    /// It keeps its value until the next point, in contrast to a straight line.
    pub steps: bool,
    /// What one of its values is: `features`.
    pub unit: &'a str,
}

/// A plot of one curve.
#[derive(Clone, Debug)]
pub struct Plot<'a> {
    /// For those who cannot see it.
    pub title: &'a str,
    /// What x is.
    pub across: Across,
    /// Where x ends.
    pub until: f64,
    /// The curve.
    pub curve: Curve<'a>,
    /// Values of x where the campaign was started again.
    pub restarts: &'a [f64],
}

/// From values to places of the horizontal axis.
#[derive(Clone, Copy)]
struct Axis {
    across: Across,
    from: f64,
    until: f64,
    left: f64,
    right: f64,
}

impl Axis {
    fn new(across: Across, from: f64, until: f64, left: f64, right: f64) -> Axis {
        let until = if until > from { until } else { from + 1.0 };
        Axis { across, from, until, left, right }
    }

    fn at(&self, x: f64) -> f64 {
        let share = match self.across {
            Across::Time => (x - self.from) / (self.until - self.from),
            Across::Executions => {
                let decades = |x: f64| x.max(self.from).log10() - self.from.log10();
                decades(x) / decades(self.until)
            }
        };
        self.left + (self.right - self.left) * share.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        match self.across {
            Across::Time => {
                let (step, unit, name) = time_step(self.until);
                let name = |x: f64| format!("{} {name}", x / unit);
                let n = (self.until / step).floor() as usize;
                let ticks = (0..=n).map(|i| i as f64 * step);
                ticks.map(|x| (x, if x == 0.0 { "0".to_string() } else { name(x) })).collect()
            }
            Across::Executions => {
                let (from, until) = (self.from.log10().ceil() as i32, self.until.log10() as i32);
                (from..=until).map(|e| 10f64.powi(e)).map(|x| (x, short(x))).collect()
            }
        }
    }

    fn words(&self, x: f64) -> String {
        match self.across {
            Across::Time => format!("after {}", duration(x)),
            Across::Executions => format!("after {} programs", count(x as u64)),
        }
    }
}

/// Distance of ticks on an axis of so many seconds, and its unit.
fn time_step(until: f64) -> (f64, f64, &'static str) {
    let units = [
        (1.0, "s", &[1.0, 2.0, 5.0, 10.0, 15.0, 30.0][..]),
        (60.0, "min", &[1.0, 2.0, 5.0, 10.0, 15.0, 30.0]),
        (3600.0, "h", &[1.0, 2.0, 3.0, 6.0, 12.0]),
        (86_400.0, "d", &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]),
    ];
    let steps = units
        .iter()
        .flat_map(|(unit, name, steps)| steps.iter().map(move |step| (step * unit, *unit, *name)));
    let mut last = (1.0, 1.0, "s");
    for step in steps {
        last = step;
        if until / step.0 <= 6.0 {
            break;
        }
    }
    last
}

/// Distance of ticks on an axis of values up to `highest`: 1, 2 or 5 of a power of ten.
fn value_step(highest: f64) -> f64 {
    let rough = (highest / 4.0).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|s| s * power);
    let step = steps.into_iter().find(|s| *s >= rough).unwrap_or(10.0 * power);
    // What is counted has no halves.
    step.max(1.0)
}

/// The plot.
pub fn plot(p: &Plot) -> String {
    let points = thinned(&p.curve.points, p.until);
    let from = match p.across {
        Across::Time => 0.0,
        Across::Executions => {
            let first = points.iter().map(|q| q.0).find(|x| *x >= 1.0).unwrap_or(1.0);
            10f64.powf(first.log10().floor())
        }
    };
    let axis = Axis::new(p.across, from, p.until, LEFT, WIDTH - RIGHT);
    let highest = points.iter().map(|q| q.1).fold(0.0, f64::max);
    let step = value_step(highest);
    let top = (highest / step).ceil().max(1.0) * step;
    let bottom = HEIGHT - BOTTOM;
    let y = |value: f64| bottom - (bottom - TOP) * (value / top).clamp(0.0, 1.0);

    let mut out = opened(p.title, WIDTH, HEIGHT);
    for i in 0..=(top / step).round() as usize {
        let value = i as f64 * step;
        let at = y(value);
        line(&mut out, if i == 0 { "base" } else { "grid" }, (LEFT, at), (WIDTH - RIGHT, at));
        text(&mut out, "end", LEFT - 6.0, at + 4.0, &short(value));
    }
    ticks(&mut out, &axis, bottom);
    for x in p.restarts {
        line(&mut out, "restart", (axis.at(*x), TOP), (axis.at(*x), bottom));
    }
    let places: Vec<_> = points.iter().map(|q| (axis.at(q.0), y(q.1))).collect();
    curve(&mut out, &places, p.curve.steps, bottom);
    let told = places.len().div_ceil(TOLD).max(1);
    for (place, value) in places.iter().zip(&points).step_by(told) {
        let words = format!("{}: {} {}", axis.words(value.0), count(value.1 as u64), p.curve.unit);
        dot(&mut out, "told", *place, 7.0, &words);
    }
    if let (Some(place), false) = (places.last(), p.curve.steps) {
        dot(&mut out, "last", *place, 3.5, "");
    }
    out + "</svg>\n"
}

/// Times, each with its name, a lane for each name in the order in which they come.
pub fn lanes(title: &str, until: f64, times: &[(f64, &str)], restarts: &[f64]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (_, name) in times {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let bottom = TOP + LANE * names.len() as f64;
    let axis = Axis::new(Across::Time, 0.0, until, RIGHT, LANES_WIDTH - RIGHT);
    let mut out = opened(title, LANES_WIDTH, bottom + BOTTOM);
    for (x, _) in axis.ticks() {
        line(&mut out, "grid", (axis.at(x), TOP), (axis.at(x), bottom));
    }
    line(&mut out, "base", (axis.left, bottom), (axis.right, bottom));
    ticks(&mut out, &axis, bottom);
    for x in restarts {
        line(&mut out, "restart", (axis.at(*x), TOP), (axis.at(*x), bottom));
    }
    for (i, name) in names.iter().enumerate() {
        let own: Vec<_> = times.iter().filter(|(_, n)| n == name).map(|(x, _)| *x).collect();
        let at = TOP + LANE * (i as f64 + 0.5);
        for x in &own {
            dot(&mut out, "found", (axis.at(*x), at), 4.0, &format!("{}: {name}", axis.words(*x)));
        }
        // Beside the dots, on the side where there is room.
        let (first, last) = (axis.at(own[0]), axis.at(own[own.len() - 1]));
        match last < LANES_WIDTH / 2.0 {
            true => text(&mut out, "start", last + 9.0, at + 4.0, name),
            false => text(&mut out, "end", first - 9.0, at + 4.0, name),
        }
    }
    out + "</svg>\n"
}

fn opened(title: &str, width: f64, height: f64) -> String {
    let title = escaped(title);
    format!(
        "<svg viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{title}\" \
         xmlns=\"http://www.w3.org/2000/svg\">\n"
    )
}

fn ticks(out: &mut String, axis: &Axis, bottom: f64) {
    for (x, name) in axis.ticks() {
        let at = axis.at(x);
        line(out, "base", (at, bottom), (at, bottom + 4.0));
        // The outermost ones stay inside.
        let anchor = match () {
            () if at > axis.right - 16.0 => "end",
            () if at < 20.0 => "start",
            () => "middle",
        };
        text(out, anchor, at, bottom + 18.0, &name);
    }
}

fn curve(out: &mut String, places: &[(f64, f64)], steps: bool, bottom: f64) {
    let (Some(first), Some(last)) = (places.first(), places.last()) else { return };
    let mut path = format!("M{:.1} {:.1}", first.0, first.1);
    for (x, y) in &places[1..] {
        if steps {
            write!(path, "H{x:.1}V{y:.1}").expect("a string takes everything");
        } else {
            write!(path, "L{x:.1} {y:.1}").expect("a string takes everything");
        }
    }
    let area = format!("{path}L{:.1} {bottom:.1}L{:.1} {bottom:.1}Z", last.0, first.0);
    *out += &format!("<path class=\"area\" d=\"{area}\"/><path class=\"curve\" d=\"{path}\"/>\n");
}

fn line(out: &mut String, class: &str, a: (f64, f64), b: (f64, f64)) {
    *out += &format!(
        "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>\n",
        a.0, a.1, b.0, b.1
    );
}

fn text(out: &mut String, anchor: &str, x: f64, y: f64, words: &str) {
    let words = escaped(words);
    *out += &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n");
}

fn dot(out: &mut String, class: &str, at: (f64, f64), radius: f64, words: &str) {
    let title = match words {
        "" => String::new(),
        _ => format!("<title>{}</title>", escaped(words)),
    };
    *out += &format!(
        "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\">{title}</circle>\n",
        at.0, at.1
    );
}

/// Of points with nearly the same x, the last. On a linear axis these fall together. On a
/// logarithmic one the first of them do not, but its curves, with a point for each defect, are
/// too short to be thinned.
fn thinned(points: &[(f64, f64)], until: f64) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let bucket = |x: f64| (x / until.max(f64::MIN_POSITIVE) * POINTS as f64) as usize;
    let mut kept: Vec<(f64, f64)> = vec![points[0]];
    for p in &points[1..] {
        match kept.last_mut() {
            Some(last) if bucket(last.0) == bucket(p.0) => *last = *p,
            _ => kept.push(*p),
        }
    }
    kept
}

/// Words as HTML.
pub fn escaped(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_few_and_round() {
        let time = |until| Axis::new(Across::Time, 0.0, until, 0.0, 500.0);
        for until in [1.0, 7.0, 59.0, 600.0, 3_700.0, 86_400.0, 700_000.0, 1e8] {
            let ticks = time(until).ticks();
            assert!((2..=8).contains(&ticks.len()), "{until}: {ticks:?}");
        }
        let names: Vec<_> = time(600.0).ticks().into_iter().map(|t| t.1).collect();
        assert_eq!(names, ["0", "2 min", "4 min", "6 min", "8 min", "10 min"]);
        assert_eq!([value_step(3.0), value_step(37.0), value_step(4e6)], [1.0, 10.0, 1e6]);
        let decades = Axis::new(Across::Executions, 100.0, 5e6, 0.0, 500.0).ticks();
        assert_eq!(decades.len(), 5);
    }

    #[test]
    fn a_long_curve_is_thinned_and_keeps_its_last_point() {
        let points: Vec<_> = (0..100_000).map(|i| (f64::from(i), f64::from(i))).collect();
        let kept = thinned(&points, 99_999.0);
        assert!(kept.len() <= POINTS + 2, "{}", kept.len());
        assert_eq!(kept.last(), points.last());
    }

    #[test]
    fn a_plot_without_points_is_empty_and_words_are_escaped() {
        let curve = Curve { points: Vec::new(), steps: true, unit: "x" };
        let p = Plot {
            title: "a \"<&>\"",
            across: Across::Executions,
            until: 0.0,
            curve,
            restarts: &[],
        };
        let svg = plot(&p);
        assert!(svg.contains("a &quot;&lt;&amp;&gt;&quot;") && !svg.contains("<path"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn each_name_has_one_lane() {
        let svg = lanes("t", 10.0, &[(1.0, "a"), (2.0, "b"), (9.0, "a")], &[]);
        assert_eq!(
            (svg.matches(">a</text>").count(), svg.matches("class=\"found\"").count()),
            (1, 3)
        );
    }
}
