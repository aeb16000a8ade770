"""The status of a campaign: DIR/status.jsonl, which `ifscrub status` shows.

What a campaign has to know of its starts before this one follows from these lines alone.
"""

import time
from datetime import datetime, timezone

from whole import Lines

# What a line of a finding has, besides what all have.
FINDING = {"signature", "credit", "operations", "file"}


class Status:
    """DIR/status.jsonl. Every line has `kind`, `at` and `seconds`, the time that the
    campaign has run, over all its starts.

    start: version, kernel, engine, jobs, defects (the goals), corpus
    progress: round, executions, execs_per_second, corpus, corpus_bytes, reached (in the
        models, by the corpus), features, rss_mb, workers
    finding: round, executions, signature, credit, operations, file, report
    round: round, found, left
    end: executions, found, unfound, reason
    """

    def __init__(self, path):
        self.lines = Lines(path)
        self.lines.heal()
        self.base = 0.0
        self.began = time.monotonic()
        self.executions = 0
        self.round = 1
        self.features = self.reached = None
        self.findings = []
        self.version = None
        for line in self.lines.all("kind", "seconds"):
            self.base = max(self.base, line["seconds"])
            self.executions = max(self.executions, line.get("executions", 0))
            kind = line["kind"]
            if kind == "start":
                self.version = line.get("version")
            elif kind == "finding" and FINDING <= line.keys():
                self.findings.append(line)
            elif kind == "round":
                self.round = line.get("round", self.round) + 1
            elif kind == "progress":
                self.features, self.reached = line.get("features"), line.get("reached")

    def seconds(self):
        return self.base + time.monotonic() - self.began

    def say(self, kind, **more):
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"kind": kind, "at": at, "seconds": round(self.seconds(), 3), **more}
        self.lines.add(line)
        if kind == "finding":
            self.findings.append(line)
        return line
