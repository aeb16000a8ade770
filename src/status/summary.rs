//! The summary of a campaign, for programs: `ifscrub status --json`.

use super::Status;
use serde_json::{Value, json};

/// What there is to know now.
pub fn summary(s: &Status) -> Value {
    let start = s.starts.last();
    let progress = s.progress.last();
    let found =
        |f: &super::Found| json!({ "id": f.id, "seconds": f.seconds, "executions": f.executions });
    json!({
        "version": start.map(|s| &s.version),
        "kernel": start.map(|s| &s.kernel),
        "engine": start.map(|s| &s.engine),
        "jobs": start.map(|s| s.jobs),
        "corpus_folder": start.map(|s| &s.corpus),
        "starts": s.starts.len(),
        "began": s.starts.first().map(|s| &s.stamp.at),
        "last": s.last.at,
        "seconds": s.last.seconds,
        "ended": s.end.as_ref().map(|e| &e.reason),
        "round": progress.map(|p| p.round),
        "executions": s.executions(),
        "execs_per_second": progress.map(|p| p.execs_per_second),
        "corpus": progress.map(|p| p.corpus),
        "corpus_bytes": progress.map(|p| p.corpus_bytes),
        "reached": progress.and_then(|p| p.reached),
        "features": progress.and_then(|p| p.features),
        "rss_mb": progress.map(|p| p.rss_mb),
        "workers": progress.map(|p| p.workers),
        "hunted": s.hunted(),
        "found": s.found().iter().map(found).collect::<Vec<_>>(),
        "left": s.left(),
        "findings": s.findings.iter().map(|f| json!({
            "at": f.stamp.at,
            "seconds": f.stamp.seconds,
            "executions": f.executions,
            "round": f.round,
            "signature": f.signature,
            "credit": f.credit,
            "operations": f.operations,
            "file": f.file,
            "report": f.report,
        })).collect::<Vec<_>>(),
        "unknown_lines": s.unknown,
        "torn_lines": s.torn,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::CAMPAIGN;
    use super::*;

    #[test]
    fn a_summary_has_the_last_figures_and_all_findings() {
        let s = summary(&Status::of(CAMPAIGN));
        assert_eq!(s["executions"], 3_600_000);
        assert_eq!(s["features"], 3310);
        assert_eq!(s["reached"], 371);
        assert_eq!(s["ended"], "time is up");
        assert_eq!(s["findings"].as_array().map(Vec::len), Some(3));
        assert_eq!(s["left"], json!(["c1-sppp-unserialized", "ifindex-hole"]));
        assert_eq!(s["found"][0]["seconds"], 12.5);
    }

    #[test]
    fn a_campaign_that_has_only_started_has_a_summary() {
        let first = CAMPAIGN.lines().next().unwrap();
        let s = summary(&Status::of(first));
        assert!(s["features"].is_null() && s["ended"].is_null());
        assert_eq!(s["left"].as_array().map(Vec::len), Some(5));
    }
}
