"""A campaign of guided engines: its folder, its workers, its rounds.

DIR/campaign.json   what it is about; written once
DIR/corpus/         the shared corpus; a file is called by the SHA-1 of what it holds
DIR/artifacts/      every input that an engine has found something with, as it was
DIR/findings/       KERNEL/NAME.ops and NAME.report: one minimized program of each signature
DIR/triaged.jsonl   a line for each artifact that has been looked at and is kept
DIR/status.jsonl    what went on, a JSON object a line; see `Status`
DIR/workers/        where the engines work; what is left there is taken over at the next start.
                    bin/ has the programs of this start, so that a build does not change them
                    under it, tmp/ the files that are not whole yet
DIR/reserve         room for the last words when the disk is full
DIR/lock            held by the campaign that runs

Nothing is kept in memory alone: which defects are off, what was found and how long it took
follow from the lines in these files, so that a campaign that was killed goes on. A file
appears whole or not at all, and a last line that is torn counts for nothing; see `whole`.
"""

import fcntl
import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from collections import deque
from pathlib import Path

from artifacts import Artifacts
from common import ROOT, call, die, environment, table
from engines import (CRASHED, INTERRUPTED, REFUSED, from_outside, of_afl, of_libfuzzer,
                     of_violating)
from reach import Reach
from status import Status
from terminal import Terminal, short
from whole import (SHA1, DiskFull, contents, files_in, free_mb, no_room, no_room_said,
                   patiently, sha1, write_whole)

PROGRESS_EVERY = 10
# A pause after words of the engines have come: libFuzzer says a line for each new program, and
# waking for every one takes processor time that the engines could use.
PAUSE = 0.05
# With AFL++, which takes seconds to begin, a round goes on a little after a finding.
AFL_ROUND = 5
# A worker that ends by itself so often, one time after the other, without having done anything
# does not work at all. One that has lived so many seconds has done something.
FRUITLESS = 5
LIVED = 5
RESERVE = 1 << 20


class Campaign:
    """One start of a campaign."""

    def __init__(self, folder, command, args):
        self.folder = folder
        self.command = command
        self.args = args
        self.terminal = Terminal()
        self.interrupted = False
        # Whether the status has a line of this start.
        self.begun = False
        self.workers = []
        self.seeds_used = 0
        self.rss_mb = self.peak_kb = 0
        # Which defects are on.
        self.on = []
        self.reach = None
        self.corpus, self.scratch = folder / "corpus", folder / "workers"
        self.unfinished, self.programs = self.scratch / "tmp", self.scratch / "bin"
        for place in (self.corpus, folder / "artifacts", folder / "findings", self.unfinished):
            place.mkdir(parents=True, exist_ok=True)
        self.lock = open(folder / "lock", "a+")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            die(f"another campaign is running in {folder}; wait for it, or take another --dir")
        self.agree()
        self.check_room()
        self.reserve()
        self.status = Status(folder / "status.jsonl")
        self.base_executions = self.status.executions
        self.artifacts = Artifacts(self)

    # What the folder holds already.

    def agree(self):
        """The folder is about what we are asked for."""
        about = {"kernel": self.args.kernel, "defects": self.args.defects}
        path = self.folder / "campaign.json"
        try:
            before = json.loads(path.read_bytes())
        except FileNotFoundError:
            self.write(path, json.dumps(about).encode() + b"\n")
            return
        except ValueError:
            before = None
        if not isinstance(before, dict) or not all(key in before for key in about):
            die(f"{path}: does not say what this campaign is about, as a campaign writes it; "
                "remove this file, to go on with what is asked for now, or name another --dir")
        if {key: before[key] for key in about} != about:
            die(f"{self.folder} holds a campaign with kernel {before['kernel'] or 'any'} and "
                f"defects {before['defects']}; name another --dir, or remove it")

    def write(self, path, data):
        """A file that appears whole or not at all."""
        write_whole(path, data, self.unfinished)

    def adopt(self, program):
        """A copy of a program for the time of this start."""
        self.programs.mkdir(exist_ok=True)
        return Path(shutil.copy2(program, self.programs / program.name))

    def check_room(self):
        if free_mb(self.folder) < self.args.min_free:
            raise DiskFull(self.folder)

    def reserve(self):
        """Keeps room for the last words."""
        try:
            with open(self.folder / "reserve", "ab") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE)
        except OSError as e:
            if no_room(e):
                raise DiskFull(self.folder, e.errno) from e
            raise

    def take_over(self):
        """Puts in order what a start before this one has left."""
        for file in (self.folder / "findings").glob("*/.*.tmp"):
            file.unlink(missing_ok=True)
        self.mend_corpus()
        for file in self.unfinished.iterdir():
            file.unlink()
        for worker in sorted(self.scratch.iterdir()):
            if worker.is_dir() and worker != self.unfinished:
                self.take(of_libfuzzer(sorted((worker / "new").glob("*"))))
                for out in worker.glob("out/*"):
                    files = (out.glob(f"{place}/id:*") for place in ("queue", "crashes", "hangs"))
                    self.take(of_afl(*files, ended_well=False))
                self.take(of_violating(sorted(worker.glob("violating-*"))))
                shutil.rmtree(worker)
        if self.artifacts.resume():
            pending = len(self.artifacts.pending)
            self.terminal.say(f"{self.folder}: goes on after {self.status.seconds():.0f} s, "
                              f"{len(self.artifacts.known)} signatures known"
                              + (f", {pending} artifacts to look at" if pending else ""))

    def mend_corpus(self):
        """Removes what an engine was ended in the middle of writing: nobody has ever run
        what such a file holds."""
        for file in files_in(self.corpus):
            data = SHA1.fullmatch(file.name) and contents(file)
            if data is not None and sha1(data) != file.name:
                file.unlink(missing_ok=True)

    def import_seeds(self):
        """The byte programs of the seeds, text among them; what is no program is told."""
        if not self.args.seeds:
            return [bytes(8)]
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="seeds-") as folder:
            done = subprocess.run(
                [str(self.command), "corpus", "import", *map(str, self.args.seeds), "--into",
                 folder, "--json"], text=True, capture_output=True, env=environment())
            programs = [data for file in files_in(Path(folder)) if (data := contents(file))]
        if done.returncode not in (0, 2) or not done.stdout:
            self.check_room()
            if number := no_room_said(done.stderr):
                raise DiskFull(self.scratch, number)
            die(f"the seeds cannot be read:\n{done.stderr.strip()}")
        for refused in json.loads(done.stdout)["refused"]:
            self.terminal.say(f"{refused['why']}\nThe seeds begin without it.")
        if not programs:
            die(f"{' '.join(map(str, self.args.seeds))}: holds no program; name folders of "
                "programs with --seeds")
        return programs

    def seed(self):
        """Copies of the seeds, that there is something to begin with."""
        for data in self.seeds:
            self.add_input(data)

    def add_input(self, data):
        path = self.corpus / sha1(data)
        if data and not path.exists():
            self.write(path, data)

    def take(self, finds, signature=None):
        """Keeps what an engine has found; returns the artifacts, each once: engine and target may
        both have left it. `signature`: of the finding that its process has ended with, if it has
        told it."""
        kept = {}
        for kind, data, file in finds:
            if data is None:
                self.terminal.say(f"{file}: AFL++ has left it empty; passed over")
            elif kind == "input":
                self.add_input(data)
            else:
                kept[self.artifacts.keep(kind, data, signature)] = None
        return list(kept)

    # Workers.

    def executions(self):
        return self.base_executions + sum(w.executions() for w in self.workers)

    def start_worker(self, w):
        if self.interrupted:
            # It would only be ended at once.
            return
        self.seeds_used += 1
        # Not the seeds of a start before this one.
        seed = 1 + (self.base_executions + 7919 * self.seeds_used) % (1 << 31)
        w.start(seed, ",".join(self.on) or None, self.args.kernel)

    def ended(self, w):
        """A worker's process has ended by itself."""
        lived, code = w.lived(), w.reap()
        signature = w.signature()
        found = self.take(w.taken(settled=False), signature)
        if code == CRASHED and not found and (text := w.program()):
            # The disk had no room for it; the report had.
            found.append(self.artifacts.keep("crash", text.encode(), signature))
        if len(found) == 1:
            self.artifacts.said_already(found[0], signature)
        if found or lived >= LIVED:
            w.fruitless = 0
        elif not from_outside(code):
            w.fruitless += 1
        if w.fruitless >= FRUITLESS or code == REFUSED and not found:
            self.give_up(w, code)
        if not found and code not in (0, INTERRUPTED) and not self.interrupted:
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
            self.take(w.taken(settled=False))

    # The campaign itself.

    def run(self, make_workers):
        """Until it is over; returns the reason."""
        self.take_over()
        self.command = self.adopt(self.command)
        self.seeds = self.import_seeds()
        version = call([self.command, "--version"]).split()[1]
        kernels = self.artifacts.begin(self.command, version)
        self.on = self.artifacts.next_on
        self.workers = make_workers(self)
        fuzzed = [k["kernel"] for k in kernels if k["defects"]] or [k["kernel"] for k in kernels]
        self.reach = Reach(self.command, self.corpus, self.scratch / "reach", fuzzed, self.terminal)
        self.status.say("start", version=version, kernel=", ".join(fuzzed),
                        engine=self.args.engine, jobs=self.args.jobs, defects=self.artifacts.goals,
                        corpus=str(self.corpus))
        self.begun = True
        try:
            reason = self.rounds()
            self.stop_workers()
            self.artifacts.drain()
            self.reach.count_all()
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
            if self.artifacts.none_left():
                return "nothing left"
            self.tick()
            least = AFL_ROUND if self.args.engine != "libfuzzer" else 0
            if self.artifacts.next_on != self.on and self.artifacts.idle() \
                    and time.monotonic() - self.round_began >= least:
                self.next_round()

    def tick(self):
        pipes = {w.child.stdout: w for w in self.workers}
        pipes.update((p, None) for p in self.artifacts.pipes())
        ready, _, _ = select.select(list(pipes), [], [], 0.2)
        for pipe in ready:
            w = pipes[pipe]
            if w is None:
                self.artifacts.hear(pipe)
            elif w.read():
                self.ended(w)
        if ready:
            time.sleep(PAUSE)
        now = time.monotonic()
        if now - self.scanned >= 1:
            self.scanned = now
            for w in self.workers:
                self.take(w.taken(settled=True))
                w.look()
                self.peak_kb = max(self.peak_kb, w.resident_kb())
            self.check_room()
        self.artifacts.triage()
        self.reach.hear()
        if now - self.progressed >= PROGRESS_EVERY:
            self.progress()
            self.reach.start()
        self.terminal.progress(self.line())

    def next_round(self):
        self.stop_workers()
        self.artifacts.drain()
        self.on = self.artifacts.next_on
        self.end_round()
        if self.artifacts.none_left():
            return
        self.status.round += 1
        self.round_began = time.monotonic()
        self.seed()
        for w in self.workers:
            self.start_worker(w)

    def end_round(self):
        self.status.say("round", round=self.status.round, found=sorted(self.artifacts.in_round),
                        left=self.artifacts.unfound)
        self.artifacts.in_round = set()

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
        with patiently(lambda: os.scandir(self.corpus)) as entries:
            for entry in entries:
                try:
                    size += entry.stat().st_size
                    files += 1
                except FileNotFoundError:
                    # libFuzzer has found a shorter one that does the same.
                    pass
        # The most of the time since the line before: one that has just been started is small.
        self.rss_mb, self.peak_kb = round(self.peak_kb / 1024, 3) or self.rss_mb, 0
        if self.reach.counted is not None:
            self.status.reached = self.reach.counted
        features = [w.features for w in self.workers if w.features]
        self.status.features = max(features, default=self.status.features)
        self.status.say("progress", round=self.status.round, executions=self.executions(),
                        execs_per_second=round(self.rate(), 1), corpus=files, corpus_bytes=size,
                        reached=self.status.reached, features=self.status.features,
                        rss_mb=self.rss_mb, workers=len(self.workers))

    def line(self):
        words = [f"{self.status.seconds():.0f} s", f"{short(self.executions())} programs",
                 f"{self.rate():.0f} a second", f"{len(self.artifacts.known)} signatures"]
        if goals := self.artifacts.goals:
            words.append(f"round {self.status.round}, {len(self.artifacts.unfound)} of "
                         f"{len(goals)} defects unfound")
        return "; ".join(words)

    def end(self, reason):
        self.mend_corpus()
        if self.on != self.artifacts.next_on or self.artifacts.in_round:
            self.on = self.artifacts.next_on
            self.end_round()
        self.say_end(reason)
        for w in self.workers:
            shutil.rmtree(w.folder, ignore_errors=True)
        shutil.rmtree(self.programs, ignore_errors=True)
        self.terminal.clear()

    def say_end(self, reason):
        self.status.say("end", executions=self.executions(), found=self.artifacts.found,
                        unfound=self.artifacts.unfound, reason=reason)

    def summary(self, reason):
        """What there is to say at the end."""
        inside = self.folder.is_relative_to(ROOT)
        shown = os.path.relpath(self.folder, ROOT) if inside else self.folder
        out = [f"{self.executions()} programs in {self.status.seconds():.0f} s; ended by: {reason}"]
        if self.status.findings:
            rows = [("signature", "operations", "after s", "program")]
            for f in self.status.findings:
                rows.append((f["signature"], f["operations"] or "-", f"{f['seconds']:.0f}",
                             f"{shown}/{f['file']}"))
            out.append(table(rows, right=(1, 2)))
        if goals := self.artifacts.goals:
            unfound = self.artifacts.unfound
            out.append(f"found {len(goals) - len(unfound)} of {len(goals)} defects")
            out.append(f"not found: {' '.join(unfound)}" if unfound else "every defect was found")
        elif not self.status.findings:
            out.append("nothing found, as it should be")
        else:
            out.append(f"found {len(self.status.findings)} signatures although no way in is on")
        if self.artifacts.put_off:
            out.append("nobody could look at these, start again: "
                       + " ".join(f"{shown}/artifacts/{f.name}" for f in self.artifacts.put_off))
        return "\n".join(out)
