"""A campaign of guided engines: what it keeps, and how it goes on.

DIR/campaign.json   what it is about; written once
DIR/corpus/         the shared corpus; a file is called by the SHA-1 of what it holds
DIR/artifacts/      every input that an engine has found something with, as it was
DIR/findings/       KERNEL/NAME.ops and NAME.report: one minimized program of each signature
DIR/triaged.jsonl   a line for each artifact that has been looked at
DIR/status.jsonl    what went on, a JSON object a line; see `Status`
DIR/workers/        where the engines work; what is left there is taken over at the next start
DIR/reserve         room for the last words when the disk is full

Nothing is kept in memory alone: which defects are off, what was found and how long it took
follow from the lines in these files, so that a campaign that was killed goes on. A file
appears whole or not at all: it is written beside its place, synced, and renamed. Lists grow
by a line at a time; a last line that is torn counts for nothing.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections import deque
from datetime import datetime, timezone
from pathlib import Path

from common import ROOT, die, environment, json_of, say, table
from engines import CRASHED, LibFuzzer, spawn

PROGRESS_EVERY = 10
# A pause after words of the engines have come: libFuzzer says a line for each new program, and
# waking for every one takes processor time that the engines could use.
PAUSE = 0.05
LINE_EVERY = 30
# With AFL++, which takes seconds to begin, a round goes on a little after a finding.
AFL_ROUND = 5
# So many artifacts of one signature are kept: a bug that nobody switches off is found
# again and again.
SAME_SIGNATURE = 1000
# A worker that ends so often without having done anything does not work at all.
FRUITLESS = 5
RESERVE = 1 << 20
SHA1 = re.compile(r"[0-9a-f]{40}")


class DiskFull(Exception):
    """There is no room any more."""


def no_room(error):
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def sha1(data):
    return hashlib.sha1(data).hexdigest()


def write_whole(path, data):
    """A file that appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except OSError as e:
        temporary.unlink(missing_ok=True)
        if no_room(e):
            raise DiskFull(path) from e
        raise


class Lines:
    """A list that grows by a JSON object at a time."""

    def __init__(self, path):
        self.path = path

    def all(self):
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                # Torn when the campaign was killed, or the end of the list.
                continue

    def heal(self):
        """Ends a torn line, so that the next one stands alone."""
        try:
            with open(self.path, "rb+") as file:
                if file.seek(0, os.SEEK_END) > 0:
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        file.write(b"\n")
        except FileNotFoundError:
            pass

    def add(self, value):
        try:
            with open(self.path, "ab") as file:
                file.write(json.dumps(value).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as e:
            if no_room(e):
                raise DiskFull(self.path) from e
            raise


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
        for line in self.lines.all():
            self.base = max(self.base, line.get("seconds", 0))
            self.executions = max(self.executions, line.get("executions", 0))
            kind = line.get("kind")
            if kind == "finding":
                self.findings.append(line)
            elif kind == "round":
                self.round = line["round"] + 1
            elif kind == "progress":
                self.features, self.reached = line["features"], line["reached"]

    def seconds(self):
        return self.base + time.monotonic() - self.began

    def say(self, kind, **more):
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"kind": kind, "at": at, "seconds": round(self.seconds(), 3), **more}
        self.lines.add(line)
        return line


class Terminal:
    """What the person at the terminal sees, on stderr: a line that is written anew, or one
    every now and then when it goes to a file."""

    def __init__(self):
        self.live = sys.stderr.isatty()
        self.colour = self.live and not os.environ.get("NO_COLOR")
        self.shown = 0.0

    def clear(self):
        if self.live:
            sys.stderr.write("\r\x1b[K")

    def say(self, line, bold=False):
        self.clear()
        say(f"\x1b[1m{line}\x1b[0m" if bold and self.colour else line)

    def progress(self, line):
        every = 1 if self.live else LINE_EVERY
        if time.monotonic() - self.shown < every:
            return
        self.shown = time.monotonic()
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write("\r\x1b[K" + line[:width])
            sys.stderr.flush()
        else:
            say(line)


def signed(n):
    """A large number for the eye."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= 10 * size:
            return f"{n / size:.0f}{unit}"
    return str(int(n))


class Campaign:
    """One start of a campaign."""

    def __init__(self, folder, command, args, version):
        self.folder = folder
        self.command = command
        self.args = args
        self.version = version
        self.terminal = Terminal()
        self.interrupted = False
        self.workers = []
        self.pending = []
        self.triaging = None
        self.measuring = None
        self.measured = set()
        self.reached = set()
        self.known = {}
        self.duplicates = {}
        self.in_round = set()
        self.fruitless = 0
        self.seeds_used = 0
        self.rss_mb = 0
        for name in ("corpus", "artifacts", "findings", "workers"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.corpus, self.artifacts = folder / "corpus", folder / "artifacts"
        self.findings, self.scratch = folder / "findings", folder / "workers"
        self.lock = open(folder / "lock", "a+")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            die(f"another campaign is running in {folder}; wait for it, or take another --dir")
        self.agree()
        self.check_room()
        self.reserve()
        self.status = Status(folder / "status.jsonl")
        self.triaged = Lines(folder / "triaged.jsonl")
        self.triaged.heal()

    # What the folder holds already.

    def agree(self):
        """The folder is about what we are asked for."""
        about = {"kernel": self.args.kernel, "defects": self.args.defects}
        path = self.folder / "campaign.json"
        try:
            before = json.loads(path.read_bytes())
        except FileNotFoundError:
            write_whole(path, json.dumps(about).encode() + b"\n")
            return
        if {key: before.get(key) for key in about} != about:
            die(f"{self.folder} holds a campaign with kernel {before['kernel'] or 'any'} and "
                f"defects {before['defects']}; name another --dir, or remove it")

    def free_mb(self):
        about = os.statvfs(self.folder)
        return about.f_bavail * about.f_frsize >> 20

    def check_room(self):
        free = self.free_mb()
        if free < self.args.min_free:
            raise DiskFull(self.folder)

    def reserve(self):
        """Keeps room for the last words."""
        try:
            with open(self.folder / "reserve", "ab") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE)
        except OSError as e:
            if no_room(e):
                raise DiskFull(self.folder) from e
            raise

    def take_over(self):
        """Puts in order what a start before this one has left."""
        for folder in (self.corpus, self.artifacts, *self.findings.glob("*")):
            for file in folder.glob(".*.tmp"):
                file.unlink()
        self.mend_corpus()
        for line in self.status.findings:
            self.known[line["signature"]] = line["credit"]
        looked_at = set()
        for line in self.triaged.all():
            looked_at.add(line["artifact"])
            signature = line["signature"]
            self.duplicates[signature] = self.duplicates.get(signature, 0) + 1
            self.credited.update(dict.fromkeys(line["credit"]))
        left = [w for w in self.scratch.iterdir() if w.is_dir()]
        for worker in left:
            self.harvest_left(worker)
            shutil.rmtree(worker)
        self.pending = [f for f in sorted(self.artifacts.iterdir()) if f.name not in looked_at]
        if self.status.findings or self.pending or looked_at:
            self.terminal.say(f"{self.folder}: goes on after {self.status.seconds():.0f} s, "
                              f"{len(self.known)} signatures known"
                              + (f", {len(self.pending)} artifacts to look at" if self.pending else ""))

    def mend_corpus(self):
        """Removes what an engine was ended in the middle of writing: nobody has ever run
        what such a file holds."""
        for file in list(self.corpus.iterdir()):
            if SHA1.fullmatch(file.name) and sha1(file.read_bytes()) != file.name:
                file.unlink()

    def harvest_left(self, worker):
        """What a worker of a start before this one has found."""
        for file in sorted((worker / "new").glob("*")):
            self.keep_artifact(file.name.split("-")[0], file.read_bytes(), file.name)
        for out in worker.glob("out/*"):
            self.harvest_afl(out.glob("queue/id:*"), out.glob("crashes/id:*"), out.glob("hangs/id:*"))

    def seed(self):
        """Copies of the seeds, and one empty program, that there is something to begin with."""
        inputs = [f.read_bytes() for folder in self.args.seeds for f in sorted(folder.iterdir())
                  if f.is_file()]
        for data in inputs or [bytes(8)]:
            self.add_input(data)

    def add_input(self, data):
        path = self.corpus / sha1(data)
        if data and not path.exists():
            write_whole(path, data)

    # Artifacts.

    def keep_artifact(self, kind, data, name=None):
        """Keeps what an engine has found something with; returns the file, or `None` when it
        was torn."""
        digest = sha1(data)
        if name and not name.endswith(digest):
            return None
        path = self.artifacts / f"{kind}-{digest}"
        if not path.exists():
            self.write_artifact(path, data)
            self.pending.append(path)
        # A process that begins with it would end with it.
        (self.corpus / digest).unlink(missing_ok=True)
        return path

    def write_artifact(self, path, data):
        try:
            write_whole(path, data)
        except DiskFull:
            # The last words: room for them was kept.
            (self.folder / "reserve").unlink(missing_ok=True)
            write_whole(path, data)
            raise

    def harvest_afl(self, queue, crashes, hangs):
        for file in queue:
            self.add_input(file.read_bytes())
        for kind, files in (("crash", crashes), ("timeout", hangs)):
            for file in files:
                self.keep_artifact(kind, file.read_bytes())

    def harvest(self, w, settled):
        """Takes what a worker that goes on has found, or one that has ended, all of it."""
        if not isinstance(w, LibFuzzer):
            self.harvest_afl(*(w.fresh(f, settled) for f in ("queue", "crashes", "hangs")))
            return []
        kept = []
        for file in w.found() if not settled else []:
            kept.append(self.keep_artifact(file.name.split("-")[0], file.read_bytes(), file.name))
            file.unlink()
        return [file for file in kept if file]

    # Triage: one process at a time, so that the engines are looked after meanwhile.

    def triage(self):
        """Looks at artifacts that have come, if nobody is doing so."""
        if self.triaging or not self.pending:
            return
        files, self.pending = self.pending[:16], self.pending[16:]
        programs = []
        for file in files:
            kind = file.name.split("-")[0]
            if kind == "crash":
                programs.append(file)
            elif kind == "slow":
                self.note(file, "slow", [])
            else:
                self.harness_bug(file, f"harness/{kind}")
        if not programs:
            return
        child = spawn([*self.triage_command(), "--out", self.findings, *programs],
                      env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for pipe in (child.stdout, child.stderr):
            os.set_blocking(pipe.fileno(), False)
        self.triaging = {"child": child, "files": programs, "said": b"",
                         child.stdout: b"", child.stderr: b""}

    def triage_command(self):
        command = [self.command, "triage", "--json", "--defects", self.args.defects,
                   "--credited", ",".join(self.credited) or "none"]
        return command + (["--kernel", self.args.kernel] if self.args.kernel else [])

    def hear_triage(self, pipe):
        """Takes what the triage has said; when that is all, its result."""
        words = os.read(pipe.fileno(), 1 << 16)
        self.triaging[pipe] += words
        child = self.triaging["child"]
        if words or pipe is child.stderr:
            if not words:
                child.stderr.close()
                self.triaging["said"] = self.triaging.pop(pipe)
            return
        code = child.wait()
        files, out = self.triaging["files"], self.triaging[child.stdout]
        said = self.triaging["said"]
        if child.stderr in self.triaging:
            os.set_blocking(child.stderr.fileno(), True)
            said = self.triaging[child.stderr] + child.stderr.read()
            child.stderr.close()
        child.stdout.close()
        self.triaging = None
        if code not in (0, 1, 3) or not out:
            said = said.decode(errors="replace")
            self.check_said(said, files)
            if len(files) > 1:
                # One of them is bad: alone it does not keep the others from being looked at.
                for file in reversed(files):
                    self.pending.insert(0, file)
                    self.alone(file)
                return
            self.terminal.say(f"triage of {files[0]} failed with {code}: {said.strip()}")
            self.harness_bug(files[0], "harness/triage")
            return
        self.sorted_out(json.loads(out), files)

    def check_said(self, said, files):
        """Whether a triage has failed for want of room: then its files are still to be looked at."""
        if "No space left" in said or "quota" in said.lower():
            self.pending = files + self.pending
            raise DiskFull(self.findings)

    def alone(self, file):
        """Looks at one artifact, and waits for it."""
        self.pending.remove(file)
        done = subprocess.run([str(c) for c in (*self.triage_command(), "--out", self.findings, file)],
                              env=environment(), text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        if done.returncode in (0, 1, 3) and done.stdout:
            self.sorted_out(json.loads(done.stdout), [file])
        else:
            self.check_said(done.stderr, [file])
            self.terminal.say(f"triage of {file} failed with {done.returncode}: {done.stderr.strip()}")
            self.harness_bug(file, "harness/triage")

    def sorted_out(self, told, files):
        """The result of a triage: what is new is told, what is credited is off from now on."""
        by_signature = {f["signature"]: f for f in told["findings"]}
        for file, about in zip(files, told["files"]):
            if "bug" in about:
                self.terminal.say(f"{file}: the harness itself panicked: {about['bug']}")
                self.harness_bug(file, "harness/panic")
                continue
            if "signature" not in about:
                self.terminal.say(f"{file}: clean when it is run again: this must not happen")
                self.harness_bug(file, "harness/not-reproducible")
                continue
            signature = about["signature"]
            if signature not in self.known:
                f = by_signature[signature]
                self.known[signature] = f["credit"]
                self.in_round.update(f["credit"])
                line = self.status.say(
                    "finding", round=self.status.round, executions=self.executions(),
                    signature=signature, credit=f["credit"], operations=f["operations"],
                    file=f"findings/{f['file']}", report=f"findings/{f['report']}")
                self.status.findings.append(line)
                self.terminal.say(f"found {signature} after {line['executions']} programs, "
                                  f"{line['seconds']:.1f} s; {f['operations']} operations: "
                                  f"{self.folder / line['file']}", bold=True)
            self.note(file, signature, about["credit"])
        self.left(told["kernels"])

    def left(self, kernels):
        """Which defects are on from now on."""
        on = [id for k in kernels for id in k["on"]]
        self.goals = [id for k in kernels for id in k["goals"]]
        self.found = [id for k in kernels for id in k["found"]]
        self.unfound = [id for k in kernels for id in k["unfound"]]
        if on != self.on:
            self.next_on = on

    def note(self, file, signature, credit):
        """This artifact needs no more looking at. Of one signature only so many are kept."""
        self.triaged.add({"artifact": file.name, "signature": signature, "credit": credit})
        self.credited.update(dict.fromkeys(credit))
        n = self.duplicates[signature] = self.duplicates.get(signature, 0) + 1
        if n > SAME_SIGNATURE:
            file.unlink(missing_ok=True)

    def harness_bug(self, file, signature):
        if signature not in self.known:
            self.known[signature] = []
            line = self.status.say(
                "finding", round=self.status.round, executions=self.executions(),
                signature=signature, credit=[], operations=None,
                file=f"artifacts/{file.name}", report=None)
            self.status.findings.append(line)
            self.terminal.say(f"found {signature}: {file}", bold=True)
        self.note(file, signature, [])

    # Coverage: what the corpus reaches, one process at a time as well.

    def measure(self):
        """Replays what has come to the corpus, unless that is going on."""
        if self.measuring:
            return
        there = {name for name in os.listdir(self.corpus) if SHA1.fullmatch(name)}
        new = there - self.measured
        # What has gone from the corpus need not be remembered.
        self.measured = there
        if not new:
            return
        folder = self.scratch / "reach"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in new:
            try:
                # An engine may remove the file meanwhile.
                os.link(self.corpus / name, folder / name)
            except FileNotFoundError:
                continue
        out = os.fdopen(os.memfd_create("reach"), "w+b")
        child = spawn([self.command, "corpus", "reach", "--no-credit", "--json", folder],
                      env=environment(), stdout=out, stderr=subprocess.DEVNULL)
        self.measuring = child, out

    def hear_measure(self, wait=False):
        """Takes the result of a replay, if it has ended or is to be waited for."""
        if not self.measuring:
            return
        child, out = self.measuring
        if wait:
            child.wait()
        elif child.poll() is None:
            return
        self.measuring = None
        with out:
            out.seek(0)
            said = out.read()
        if child.returncode not in (0, 1):
            self.terminal.say(f"what the corpus reaches could not be counted ({child.returncode})")
            return
        # Seeds of a kernel that is not fuzzed lie in the corpus, too.
        for about in (k for k in json.loads(said) if k["kernel"] in self.fuzzed):
            kernel = about["kernel"]
            for kind, disturbed in (("yield_points", "parked"), ("fallible_calls", "failed")):
                for point in about[kind]:
                    self.reached.update((kernel, point["name"], how) for how in ("passed", disturbed)
                                        if point[how])
            for verb in about["verbs"]:
                self.reached.update((kernel, verb["verb"], result) for result in verb["results"])
        self.status.reached = len(self.reached)

    def measure_all(self):
        """Counts what the whole corpus reaches, and waits for it."""
        self.hear_measure(wait=True)
        self.measure()
        self.hear_measure(wait=True)
        shutil.rmtree(self.scratch / "reach", ignore_errors=True)

    # Workers.

    def executions(self):
        return self.base_executions + sum(w.executions() for w in self.workers)

    def start_worker(self, w):
        self.seeds_used += 1
        # Not the seeds of a start before this one.
        seed = 1 + (self.base_executions + 7919 * self.seeds_used) % (1 << 31)
        w.start(seed, ",".join(self.on) or None, self.args.kernel)

    def ended(self, w):
        """A worker's process has ended by itself."""
        lived, code = w.lived(), w.reap()
        found = self.harvest(w, settled=False)
        if isinstance(w, LibFuzzer):
            if code == CRASHED and not found and (text := w.program()):
                # The disk had no room for it; the report had.
                found.append(self.keep_artifact("crash", text.encode()))
            signature = w.signature()
            if len(found) == 1 and signature in self.known and found[0] in self.pending \
                    and found[0].name.startswith("crash"):
                self.pending.remove(found[0])
                self.note(found[0], signature, self.known[signature])
        if found:
            self.fruitless = 0
        elif code == 2 or lived < 5:
            self.fruitless += 1
        if self.fruitless >= FRUITLESS or code == 2 and not found:
            self.give_up(w, code)
        if not found and code not in (0, 72):
            self.terminal.say(f"{w.name} ended with {code} and is started again")
        self.start_worker(w)

    def give_up(self, w, code):
        self.stop_workers()
        said = re.sub(r"\x1b\[[0-9;?]*\w", "", w.text())
        die(f"{w.name} does not work, exit code {code}:\n" + said[-2000:])

    def stop_workers(self):
        for w in self.workers:
            if w.child:
                w.child.terminate()
        for w in self.workers:
            w.stop()
            self.harvest(w, settled=False)

    # The campaign itself.

    def run(self, make_workers):
        """Until it is over; returns the reason."""
        # In the order in which they were credited.
        self.credited = {}
        self.base_executions = self.status.executions
        self.take_over()
        kernels = json_of([*self.triage_command()])["kernels"]
        self.on = self.next_on = [id for k in kernels for id in k["on"]]
        self.left(kernels)
        self.on = self.next_on
        self.workers = make_workers(self)
        self.fuzzed = [k["kernel"] for k in kernels if k["defects"]] or [k["kernel"] for k in kernels]
        self.status.say("start", version=self.version, kernel=", ".join(self.fuzzed),
                        engine=self.args.engine, jobs=self.args.jobs, defects=self.goals,
                        corpus=str(self.corpus))
        try:
            reason = self.rounds()
            self.stop_workers()
            self.drain()
            self.measure_all()
        except BaseException:
            for w in self.workers:
                if w.child:
                    w.child.kill()
            raise
        self.progress()
        self.end(reason)
        return reason

    def rounds(self):
        self.seed()
        self.round_began = self.progressed = self.scanned = time.monotonic()
        self.rates = deque([(time.monotonic(), self.executions())], maxlen=20)
        for w in self.workers:
            self.start_worker(w)
        until = self.args.minutes and time.monotonic() + 60 * self.args.minutes
        while True:
            if self.interrupted:
                return "interrupted"
            if until and time.monotonic() >= until:
                return "time"
            if self.goals and not self.unfound:
                return "nothing left"
            self.tick()
            least = AFL_ROUND if self.args.engine != "libfuzzer" else 0
            if self.next_on != self.on and not self.triaging and not self.pending \
                    and time.monotonic() - self.round_began >= least:
                self.next_round()

    def tick(self):
        pipes = {w.child.stdout: w for w in self.workers}
        if self.triaging:
            pipes.update((p, None) for p in self.triaging if not isinstance(p, str))
        try:
            ready, _, _ = select.select(list(pipes), [], [], 0.2)
        except InterruptedError:
            return
        for pipe in ready:
            w = pipes[pipe]
            if w is None:
                if self.triaging and pipe in self.triaging:
                    self.hear_triage(pipe)
            elif w.read():
                self.ended(w)
        if ready:
            time.sleep(PAUSE)
        now = time.monotonic()
        if now - self.scanned >= 1:
            self.scanned = now
            for w in self.workers:
                self.harvest(w, settled=True)
            self.check_room()
        self.triage()
        self.hear_measure()
        if now - self.progressed >= PROGRESS_EVERY:
            self.progress()
            self.measure()
        self.terminal.progress(self.line())

    def next_round(self):
        self.stop_workers()
        self.drain()
        self.on = self.next_on
        self.end_round()
        if self.goals and not self.unfound:
            return
        self.status.round += 1
        self.round_began = time.monotonic()
        self.seed()
        for w in self.workers:
            self.start_worker(w)

    def end_round(self):
        self.status.say("round", round=self.status.round, found=sorted(self.in_round),
                        left=self.unfound)
        self.in_round = set()

    def drain(self):
        """Looks at every artifact that there is."""
        self.triage()
        while self.triaging:
            pipes = [p for p in self.triaging if not isinstance(p, str)]
            for pipe in select.select(pipes, [], [], 1)[0]:
                if self.triaging and pipe in self.triaging:
                    self.hear_triage(pipe)
            self.triage()

    def rate(self):
        """Executions a second, of the last 20 seconds or so."""
        now, executions = time.monotonic(), self.executions()
        if now - self.rates[-1][0] >= 1:
            self.rates.append((now, executions))
        since, before = self.rates[0]
        return (executions - before) / max(now - since, 0.001)

    def progress(self):
        self.progressed = time.monotonic()
        files = size = 0
        with os.scandir(self.corpus) as entries:
            for entry in entries:
                try:
                    size += entry.stat().st_size
                    files += 1
                except FileNotFoundError:
                    # libFuzzer has found a shorter one that does the same.
                    pass
        if any(w.child for w in self.workers):
            self.rss_mb = max(w.resident_mb() for w in self.workers)
        features = [w.features for w in self.workers if w.features]
        self.status.features = max(features, default=self.status.features)
        self.status.say("progress", round=self.status.round, executions=self.executions(),
                        execs_per_second=round(self.rate(), 1), corpus=files, corpus_bytes=size,
                        reached=self.status.reached, features=self.status.features,
                        rss_mb=self.rss_mb, workers=len(self.workers))

    def line(self):
        words = [f"{self.status.seconds():.0f} s", f"{signed(self.executions())} programs",
                 f"{self.rate():.0f} a second", f"{len(self.known)} signatures"]
        if self.goals:
            words.append(f"round {self.status.round}, {len(self.unfound)} of "
                         f"{len(self.goals)} defects unfound")
        return "; ".join(words)

    def end(self, reason):
        self.mend_corpus()
        if self.on != self.next_on or self.in_round:
            self.on = self.next_on
            self.end_round()
        self.status.say("end", executions=self.executions(), found=self.found,
                        unfound=self.unfound, reason=reason)
        for w in self.workers:
            shutil.rmtree(w.folder, ignore_errors=True)
        self.terminal.clear()

    def summary(self, reason):
        """What there is to say at the end."""
        shown = os.path.relpath(self.folder, ROOT) if self.folder.is_relative_to(ROOT) else self.folder
        out = [f"{self.executions()} programs in {self.status.seconds():.0f} s; ended by: {reason}"]
        if self.status.findings:
            rows = [("signature", "operations", "after s", "program")]
            for f in self.status.findings:
                rows.append((f["signature"], f["operations"] or "-", f"{f['seconds']:.0f}",
                             f"{shown}/{f['file']}"))
            out.append(table(rows, right=(1, 2)))
        if self.goals:
            out.append(f"found {len(self.goals) - len(self.unfound)} of {len(self.goals)} defects")
            out.append(f"not found: {' '.join(self.unfound)}" if self.unfound else
                       "every defect was found")
        elif not self.status.findings:
            out.append("nothing found, as it should be")
        else:
            out.append(f"found {len(self.status.findings)} signatures although no way in is on")
        return "\n".join(out)

    def as_expected(self):
        bugs = [f for f in self.status.findings if f["signature"].startswith("harness/")]
        if self.goals:
            return not self.unfound and not bugs
        return not self.status.findings
