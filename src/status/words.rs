//! Numbers, durations and dates as the pages write them.

/// 1234567 as `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 job`, `2 jobs`: so many of what has an ordinary plural.
pub fn plural(n: u64, one: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {one}{s}", count(n))
}

/// What of a status was passed over; `None`: nothing.
pub fn not_read(torn: u64, unknown: u64) -> Option<String> {
    let torn_lines = plural(torn, "torn line");
    (torn + unknown > 0).then(|| format!("not read: {torn_lines}, {unknown} of an unknown kind"))
}

/// 1234567 as `1.2 M`: short, for axes.
pub fn short(n: f64) -> String {
    let (value, unit) = match n.abs() {
        x if x >= 1e12 => (n / 1e12, " T"),
        x if x >= 1e9 => (n / 1e9, " G"),
        x if x >= 1e6 => (n / 1e6, " M"),
        x if x >= 1e4 => (n / 1e3, " k"),
        x if x >= 1e3 => return count(n.round() as u64),
        _ => (n, ""),
    };
    let digits = format!("{value:.1}");
    format!("{}{unit}", digits.strip_suffix(".0").unwrap_or(&digits))
}

/// Bytes in the unit that fits.
pub fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        x if x >= 1e9 => format!("{:.1} GB", n / 1e9),
        x if x >= 1e6 => format!("{:.1} MB", n / 1e6),
        x if x >= 1e3 => format!("{:.1} kB", n / 1e3),
        _ => format!("{n} bytes"),
    }
}

/// Seconds as the two largest units: `3 d 4 h`, `4 h 05 min`, `2 min 10 s`, `12.5 s`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (days, hours) = (whole / 86_400, whole / 3600 % 24);
    let (minutes, rest) = (whole / 60 % 60, whole % 60);
    match () {
        () if days > 0 => format!("{days} d {hours} h"),
        () if hours > 0 => format!("{hours} h {minutes:02} min"),
        () if minutes > 0 => format!("{minutes} min {rest:02} s"),
        () if seconds.fract().abs() > 0.05 => format!("{seconds:.1} s"),
        () => format!("{rest} s"),
    }
}

/// Words on lines of at most `width` columns, which begin with `first` and then with `rest`;
/// none without words. A word that is wider alone has a line of its own.
pub fn wrapped<'a>(
    first: &str,
    rest: &str,
    words: impl IntoIterator<Item = &'a str>,
    width: usize,
) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_string();
    for word in words {
        if line.len() + 1 + word.len() > width {
            lines.push(std::mem::replace(&mut line, rest.to_string()));
        }
        line += " ";
        line += word;
    }
    if !lines.is_empty() || line.len() > first.len() {
        lines.push(line);
    }
    lines
}

/// Seconds since 1970 of an RFC 3339 time in UTC, such as `2026-01-01T00:00:00Z`.
pub fn unix_seconds(at: &str) -> Option<i64> {
    let (date, time) = at.split_once(['T', 't', ' '])?;
    let time = time.strip_suffix(['Z', 'z']).or_else(|| time.strip_suffix("+00:00"))?;
    let number = |word: Option<&str>| word?.parse::<i64>().ok();
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next())?, number(parts.next())?, number(parts.next())?);
    let mut parts = time.split(':');
    let (hours, minutes) = (number(parts.next())?, number(parts.next())?);
    let seconds = parts.next()?.split('.').next()?.parse::<i64>().ok()?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 of the proleptic Gregorian calendar, years beginning in March.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days =
        365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day
            - 1
            - 719_468;
    Some(days * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_shortened() {
        assert_eq!(
            [count(0), count(999), count(1000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [short(0.0), short(9999.0), short(15_000.0), short(1.25e6), short(3e9)],
            ["0", "9,999", "15 k", "1.2 M", "3 G"]
        );
        assert_eq!([plural(0, "job"), plural(1, "job")], ["0 jobs", "1 job"]);
        assert_eq!(not_read(0, 0), None);
        assert_eq!(not_read(1, 2).unwrap(), "not read: 1 torn line, 2 of an unknown kind");
        assert_eq!([bytes(12), bytes(15_360), bytes(2_500_000)], ["12 bytes", "15.4 kB", "2.5 MB"]);
    }

    #[test]
    fn durations_have_two_units() {
        let shown = [12.5, 7.0, 130.0, 3900.0, 273_600.0].map(duration);
        assert_eq!(shown, ["12.5 s", "7 s", "2 min 10 s", "1 h 05 min", "3 d 4 h"]);
    }

    #[test]
    fn words_are_wrapped_at_the_width_and_none_is_lost() {
        let lines = |words: &[&str]| wrapped("a:", "  ", words.iter().copied(), 8);
        assert_eq!(lines(&[]), [""; 0]);
        assert_eq!(lines(&["12345"]), ["a: 12345"]);
        assert_eq!(lines(&["12", "34", "5"]), ["a: 12 34", "   5"]);
        assert_eq!(lines(&["1234567", "8"]), ["a:", "   1234567", "   8"]);
    }

    #[test]
    fn dates_are_read() {
        assert_eq!(unix_seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix_seconds("2000-02-29T12:00:00Z"), Some(951_825_600));
        assert_eq!(unix_seconds("2026-11-24T11:50:09.123Z"), Some(1_795_521_009));
        for bad in ["", "2026", "2026-11-24", "2026-13-24T11:50:09Z", "2026-11-24T11:50:09"] {
            assert_eq!(unix_seconds(bad), None, "{bad}");
        }
    }
}
