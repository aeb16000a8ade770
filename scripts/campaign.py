"""A campaign of guided engines: what it keeps, and how it goes on.

DIR/campaign.json   what it is about; written once
DIR/corpus/         the shared corpus; a file is called by the SHA-1 of what it holds
DIR/artifacts/      every input that an engine has found something with, as it was
DIR/findings/       KERNEL/NAME.ops and NAME.report: one minimized program of each signature
DIR/triaged.jsonl   a line for each artifact that has been looked at
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
import time
from collections import deque
from pathlib import Path

from common import ROOT, call, catalogue, die, json_of, table
from engines import CRASHED, INTERRUPTED, REFUSED, LibFuzzer
from reach import Reach
from status import Status
from terminal import Terminal, short
from triage import FROM_OUTSIDE, Triage
from whole import (SHA1, DiskFull, Lines, contents, files_in, free_mb, no_room, patiently, sha1,
                   write_whole)

PROGRESS_EVERY = 10
# A pause after words of the engines have come: libFuzzer says a line for each new program, and
# waking for every one takes processor time that the engines could use.
PAUSE = 0.05
# With AFL++, which takes seconds to begin, a round goes on a little after a finding.
AFL_ROUND = 5
# So many artifacts are looked at by one process.
AT_ONCE = 16
# A triage of an artifact that is killed so often waits for the next start: it may be this
# artifact that takes all the memory.
KILLED = 3
# So many artifacts of one signature are kept: a bug that nobody switches off is found
# again and again.
SAME_SIGNATURE = 1000
# A worker that ends so often, one time after the other, without having done anything does
# not work at all. One that has lived so many seconds has done something.
FRUITLESS = 5
LIVED = 5
RESERVE = 1 << 20
# What the engine calls it, whether it may be torn, and the SHA-1 of what it holds.
ARTIFACT = re.compile(r"(\w+)-(left-)?([0-9a-f]{40})")


def self_inflicted(name):
    """Whether the target has ended by itself with this input, as AFL++ calls it: a target that
    somebody else kills looks like a crash to AFL++."""
    signal = re.search(r",sig:(\d+)", name)
    return not signal or int(signal.group(1)) not in FROM_OUTSIDE


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
        self.pending = []
        self.triaging = None
        self.killed = {}
        self.alone = set()
        self.put_off = []
        self.known = {}
        # In the order in which they were credited.
        self.credited = {}
        self.duplicates = {}
        self.in_round = set()
        self.fruitless = 0
        self.seeds_used = 0
        self.rss_mb = self.peak_kb = 0
        # Which defects are on, and will be from the next round.
        self.on = self.next_on = []
        self.goals, self.found, self.unfound = [], [], []
        self.reach = None
        self.corpus, self.artifacts = folder / "corpus", folder / "artifacts"
        self.findings, self.scratch = folder / "findings", folder / "workers"
        self.unfinished, self.programs = self.scratch / "tmp", self.scratch / "bin"
        for place in (self.corpus, self.artifacts, self.findings, self.unfinished):
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

    def check_credited(self):
        """What was credited before must be known to this version."""
        known = catalogue(self.command)
        if unknown := [c for c in self.credited if c not in known]:
            before = self.status.version or "another version"
            die(f"{self.triaged.path}: {', '.join(unknown)}: credited by {before}, but unknown to "
                f"{self.version}; go on with that version, or name another --dir")

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
                raise DiskFull(self.folder) from e
            raise

    def take_over(self):
        """Puts in order what a start before this one has left."""
        for file in self.findings.glob("*/.*.tmp"):
            file.unlink(missing_ok=True)
        self.mend_corpus()
        for line in self.status.findings:
            self.known[line["signature"]] = line["credit"]
        looked_at = set()
        for line in self.triaged.all("artifact", "signature", "credit"):
            looked_at.add(line["artifact"])
            signature = line["signature"]
            self.duplicates[signature] = self.duplicates.get(signature, 0) + 1
            self.credited.update(dict.fromkeys(line["credit"]))
        for file in self.unfinished.iterdir():
            file.unlink()
        for worker in sorted(self.scratch.iterdir()):
            if worker.is_dir() and worker != self.unfinished:
                self.harvest_left(worker)
                shutil.rmtree(worker)
        self.pending = [f for f in files_in(self.artifacts)
                        if ARTIFACT.fullmatch(f.name) and f.name not in looked_at]
        if self.status.findings or self.pending or looked_at:
            self.terminal.say(f"{self.folder}: goes on after {self.status.seconds():.0f} s, "
                              f"{len(self.known)} signatures known"
                              + (f", {len(self.pending)} artifacts to look at" if self.pending else ""))

    def mend_corpus(self):
        """Removes what an engine was ended in the middle of writing: nobody has ever run
        what such a file holds."""
        for file in files_in(self.corpus):
            data = SHA1.fullmatch(file.name) and contents(file)
            if data is not None and sha1(data) != file.name:
                file.unlink(missing_ok=True)

    def harvest_left(self, worker):
        """What a worker of a start before this one has found."""
        for file in sorted((worker / "new").glob("*")):
            self.keep_artifact(file)
        for out in worker.glob("out/*"):
            self.harvest_afl(out.glob("queue/id:*"), out.glob("crashes/id:*"), out.glob("hangs/id:*"),
                             ended_well=False)

    def seed(self):
        """Copies of the seeds, and one empty program, that there is something to begin with."""
        inputs = [contents(f) for folder in self.args.seeds for f in files_in(folder)]
        for data in [i for i in inputs if i] or [bytes(8)]:
            self.add_input(data)

    def add_input(self, data):
        path = self.corpus / sha1(data)
        if data and not path.exists():
            self.write(path, data)

    # Artifacts.

    def keep_artifact(self, file):
        """Keeps what libFuzzer has found something with; returns the artifact, or `None` when
        it was torn: its name says what it must hold."""
        data = contents(file)
        if data is None or not file.name.endswith(sha1(data)):
            return None
        return self.keep(file.name.split("-")[0], data)

    def keep(self, kind, data):
        """Keeps what something was found with; returns the artifact."""
        digest = sha1(data)
        path = self.artifacts / f"{kind}-{digest}"
        if not path.exists():
            self.write_artifact(path, data)
            self.pending.append(path)
        # A process that begins with it would end with it.
        (self.corpus / digest).unlink(missing_ok=True)
        return path

    def write_artifact(self, path, data):
        try:
            self.write(path, data)
        except DiskFull:
            # The last words: room for them was kept.
            (self.folder / "reserve").unlink(missing_ok=True)
            self.write(path, data)
            raise

    def harvest_afl(self, queue, crashes, hangs, ended_well=True):
        """Takes files of an instance of AFL++. Its names do not say what they hold: one that
        was killed, or had no room, may have left an empty or a torn one."""
        for file in queue:
            self.add_input(contents(file) or b"")
        for kind, files in (("crash", crashes), ("timeout", hangs)):
            for file in files:
                data = contents(file)
                if not data:
                    self.terminal.say(f"{file.name}: AFL++ has left it empty; passed over")
                elif ended_well and self_inflicted(file.name):
                    self.keep(kind, data)
                else:
                    self.keep(f"{kind}-left", data)

    def harvest(self, w, settled):
        """Takes what a worker that goes on has found, or one that has ended, all of it."""
        if not isinstance(w, LibFuzzer):
            self.harvest_afl(*(w.fresh(f, settled) for f in ("queue", "crashes", "hangs")),
                             ended_well=w.ended_well())
            return []
        kept = []
        for file in w.found() if not settled else []:
            kept.append(self.keep_artifact(file))
            file.unlink()
        return [file for file in kept if file]

    # Triage: one process at a time, so that the engines are looked after meanwhile.

    def triage(self):
        """Looks at artifacts that have come, if nobody is doing so."""
        if self.triaging or not self.pending:
            return
        # One that a triage did not survive, or could not take, is looked at alone, so that it
        # does not keep others from being looked at.
        n = next((n for n, f in enumerate(self.pending[:AT_ONCE]) if f.name in self.alone), AT_ONCE)
        files, self.pending = self.pending[:max(n, 1)], self.pending[max(n, 1):]
        programs = []
        for file in files:
            kind, left, _ = ARTIFACT.fullmatch(file.name).groups()
            if kind == "crash":
                programs.append(file)
            elif kind == "slow":
                self.note(file, "slow", [])
            elif left:
                self.terminal.say(f"{file}: AFL++ took it for a hang and was killed: it may be torn, "
                                  "and is passed over")
                self.note(file, "left", [])
            else:
                self.harness_bug(file, f"harness/{kind}")
        if programs:
            command = [*self.triage_command(), "--out", self.findings]
            self.triaging = Triage(command, programs)

    def triage_command(self):
        command = [self.command, "triage", "--json", "--defects", self.args.defects,
                   "--credited", ",".join(self.credited) or "none"]
        return command + (["--kernel", self.args.kernel] if self.args.kernel else [])

    def hear_triage(self, pipe):
        """Takes what the triage has said; when that is all, its result."""
        if not self.triaging.hear(pipe):
            return
        done, self.triaging = self.triaging, None
        if (told := done.result()) is not None:
            self.sorted_out(told, done.files)
            return
        if done.had_no_room():
            self.pending = done.files + self.pending
            raise DiskFull(self.findings)
        self.alone.update(f.name for f in done.files)
        if done.was_killed():
            self.look_again(done.files)
        elif len(done.files) > 1:
            # One of them is bad.
            self.pending = done.files + self.pending
        else:
            [file] = done.files
            self.terminal.say(f"triage of {file} failed with {done.code}: {done.said}")
            self.harness_bug(file, "harness/triage")

    def look_again(self, files):
        """These are still to be looked at: somebody has killed the triage."""
        again = []
        for file in files:
            n = self.killed[file.name] = self.killed.get(file.name, 0) + 1
            if n < KILLED:
                again.append(file)
            else:
                self.put_off.append(file)
                self.terminal.say(f"{file}: its triage was killed {n} times; "
                                  "it is looked at when the campaign is started again")
        self.pending = again + self.pending

    def sorted_out(self, told, files):
        """The result of a triage: what is new is told, what is credited is off from now on."""
        by_signature = {f["signature"]: f for f in told["findings"]}
        for file, about in zip(files, told["files"]):
            if "bug" in about:
                self.terminal.say(f"{file}: the harness itself panicked: {about['bug']}")
                self.harness_bug(file, "harness/panic")
                continue
            if "signature" not in about and ARTIFACT.fullmatch(file.name).group(2):
                self.terminal.say(f"{file}: clean when it is run again: AFL++ or its target was "
                                  "killed with it, so it is torn, or nothing is wrong with it")
                self.note(file, "left", [])
                continue
            if "signature" not in about:
                self.terminal.say(f"{file}: clean when it is run again: this must not happen")
                self.harness_bug(file, "harness/not-reproducible")
                continue
            signature = about["signature"]
            if signature not in self.known:
                f = by_signature[signature]
                self.announce(signature, f["credit"], f["operations"], f"findings/{f['file']}",
                              f"findings/{f['report']}")
            self.note(file, signature, about["credit"])
        self.left(told["kernels"])

    def left(self, kernels):
        """Which defects are on from now on."""
        self.next_on = [id for k in kernels for id in k["on"]]
        self.goals = [id for k in kernels for id in k["goals"]]
        self.found = [id for k in kernels for id in k["found"]]
        self.unfound = [id for k in kernels for id in k["unfound"]]

    def note(self, file, signature, credit):
        """This artifact needs no more looking at. Of one signature only so many are kept."""
        self.triaged.add({"artifact": file.name, "signature": signature, "credit": credit})
        self.credited.update(dict.fromkeys(credit))
        n = self.duplicates[signature] = self.duplicates.get(signature, 0) + 1
        if n > SAME_SIGNATURE:
            file.unlink(missing_ok=True)

    def harness_bug(self, file, signature):
        if signature not in self.known:
            self.announce(signature, [], None, f"artifacts/{file.name}", None)
        self.note(file, signature, [])

    def announce(self, signature, credit, operations, file, report):
        """Tells of a signature that is new."""
        self.known[signature] = credit
        self.in_round.update(credit)
        line = self.status.say(
            "finding", round=self.status.round, executions=self.executions(), signature=signature,
            credit=credit, operations=operations, file=file, report=report)
        size = f"; {operations} operations" if operations is not None else ""
        self.terminal.say(f"found {signature} after {line['executions']} programs, "
                          f"{line['seconds']:.1f} s{size}: {self.folder / file}", bold=True)

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
                found.append(self.keep("crash", text.encode()))
            signature = w.signature()
            if len(found) == 1 and signature in self.known and found[0] in self.pending \
                    and found[0].name.startswith("crash"):
                self.pending.remove(found[0])
                self.note(found[0], signature, self.known[signature])
        if found or lived >= LIVED:
            self.fruitless = 0
        else:
            self.fruitless += 1
        if self.fruitless >= FRUITLESS or code == REFUSED and not found:
            self.give_up(w, code)
        if not found and code not in (0, INTERRUPTED):
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
        self.take_over()
        self.command = self.adopt(self.command)
        self.version = call([self.command, "--version"]).split()[-1]
        self.check_credited()
        kernels = json_of(self.triage_command())["kernels"]
        self.left(kernels)
        self.on = self.next_on
        self.workers = make_workers(self)
        self.fuzzed = [k["kernel"] for k in kernels if k["defects"]] or [k["kernel"] for k in kernels]
        self.reach = Reach(self.command, self.corpus, self.scratch / "reach", self.fuzzed,
                           self.terminal)
        self.status.say("start", version=self.version, kernel=", ".join(self.fuzzed),
                        engine=self.args.engine, jobs=self.args.jobs, defects=self.goals,
                        corpus=str(self.corpus))
        self.begun = True
        try:
            reason = self.rounds()
            self.stop_workers()
            self.drain()
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
            pipes.update((p, None) for p in self.triaging.pipes())
        ready, _, _ = select.select(list(pipes), [], [], 0.2)
        for pipe in ready:
            w = pipes[pipe]
            if w is None:
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
                w.look()
                self.peak_kb = max(self.peak_kb, w.resident_kb())
            self.check_room()
        self.triage()
        self.reach.hear()
        if now - self.progressed >= PROGRESS_EVERY:
            self.progress()
            self.reach.start()
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
            for pipe in select.select(self.triaging.pipes(), [], [], 1)[0]:
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
        shutil.rmtree(self.programs, ignore_errors=True)
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
        if self.put_off:
            out.append("nobody could look at these, start again: "
                       + " ".join(f"{shown}/artifacts/{f.name}" for f in self.put_off))
        return "\n".join(out)

    def as_expected(self):
        bugs = [f for f in self.status.findings if f["signature"].startswith("harness/")]
        if self.put_off:
            return False
        if self.goals:
            return not self.unfound and not bugs
        return not self.status.findings
