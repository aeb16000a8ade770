//! `ifscrub status` on a campaign that has ended, one that runs, and what is none.

mod support;

use std::path::{Path, PathBuf};
use support::{Scratch, ifscrub, run_ifscrub, stderr, stdout};

fn campaign() -> PathBuf {
    support::root().join("tests/status/campaign.jsonl")
}

/// A folder as a campaign leaves it.
fn folder(name: &str) -> Scratch {
    let dir = Scratch::new(name);
    dir.write("status.jsonl", std::fs::read(campaign()).expect("the campaign"));
    dir
}

#[test]
fn the_page_of_a_campaign_is_as_it_was() {
    let dir = folder("status-page");
    let o = run_ifscrub(["status".as_ref(), dir.0.as_os_str()]);
    assert!(o.status.success(), "{}", stderr(&o));
    support::expect_file("tests/status/page.txt", &stdout(&o));
    // Nobody watches a pipe: it is the same page.
    let once = run_ifscrub(["status".as_ref(), "--once".as_ref(), campaign().as_os_str()]);
    assert_eq!(stdout(&once), stdout(&o));
}

#[test]
fn the_summary_is_json() {
    let o = run_ifscrub(["status".as_ref(), "--json".as_ref(), campaign().as_os_str()]);
    let summary: serde_json::Value = serde_json::from_str(&stdout(&o)).expect("JSON");
    assert_eq!(summary["executions"], 3_600_000);
    assert_eq!(summary["left"][0], "c1-sppp-unserialized");
    assert_eq!(summary["findings"][0]["credit"][0], "c4-tapclose-zeroes");
}

#[test]
fn the_html_page_is_written_whole_and_says_the_same_each_time() {
    let dir = folder("status-html");
    let write = |name: &str| {
        let out = dir.0.join(name);
        let o = ifscrub().arg("status").arg("--html").args([&out, &dir.0]).output();
        let o = o.expect("the command can be started");
        assert!(o.status.success() && stderr(&o).contains("wrote "), "{}", stderr(&o));
        std::fs::read_to_string(out).expect("the page")
    };
    let page = write("a.html");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert_eq!(page, write("b.html"));
}

#[test]
fn a_torn_campaign_is_shown_as_far_as_it_goes() {
    let dir = Scratch::new("status-torn");
    let text = std::fs::read_to_string(campaign()).expect("the campaign");
    dir.write("status.jsonl", &text[..text.len() - 40]);
    let o = run_ifscrub(["status".as_ref(), dir.0.as_os_str()]);
    assert!(o.status.success(), "{}", stderr(&o));
    assert!(stdout(&o).contains("not read: 1 torn line,"), "{}", stdout(&o));
    assert!(stdout(&o).contains("3,600,000"), "{}", stdout(&o));
}

#[track_caller]
fn assert_refused(path: &Path, words: &str) {
    let o = run_ifscrub(["status".as_ref(), path.as_os_str()]);
    let said = stderr(&o);
    assert_eq!(o.status.code(), Some(2), "{said}");
    assert!(o.stdout.is_empty(), "{}", stdout(&o));
    assert!(said.contains(&*path.to_string_lossy()), "no place: {said}");
    assert!(said.contains(words) && said.contains("\nhelp: "), "no `{words}` or help: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn what_is_no_status_is_refused_with_place_and_remedy() {
    let dir = Scratch::new("status-bad");
    assert_refused(&dir.0, "holds no status.jsonl");
    assert_refused(&dir.0.join("missing"), "cannot be read");
    let cases: [(&str, &[u8]); 4] = [
        ("empty", b""),
        ("words", b"this is\nno status\n"),
        ("bytes", &[0xff, 0x00, 0x80, b'\n']),
        ("other.jsonl", b"{\"kind\":\"start\"}\n{\"a\":1}\n"),
    ];
    for (name, bytes) in cases {
        assert_refused(&dir.write(name, bytes), "is no status of a campaign");
    }
    let here = folder("status-bad-html");
    let page =
        run_ifscrub(["status".as_ref(), "--html".as_ref(), "-".as_ref(), here.0.as_os_str()]);
    assert!(stdout(&page).starts_with("<!"), "{}", stderr(&page));
    let out = here.0.join("no/such/page.html");
    let o = ifscrub().arg("status").arg("--html").args([&out, &here.0]).output();
    let o = o.expect("the command can be started");
    assert_eq!(o.status.code(), Some(2));
    assert!(stderr(&o).contains("help: create the folder first"), "{}", stderr(&o));
}
