"""The artifacts of a campaign: kept, looked at, told, and what is left to be found after that.

An artifact is an input that an engine has found something with. It is kept as it was, as
DIR/artifacts/KIND-SHA1, or KIND-left-SHA1 when it may be torn. `ifscrub triage` says of each
what it violates and writes a program of what is new; DIR/triaged.jsonl has a line for each that
has been looked at and is kept, and no other memory is needed to go on.
"""

import re
import select

from common import catalogue, die, json_of
from triage import Triage
from whole import SHA1, DiskFull, Lines, files_in, sha1, write_whole

# What the engine calls it, whether it may be torn, and the SHA-1 of what it holds.
ARTIFACT = re.compile(rf"(\w+)-(left-)?({SHA1.pattern})")
# So many artifacts are looked at by one process.
AT_ONCE = 16
# A triage of an artifact that is killed so often waits for the next start: it may be this
# artifact that takes all the memory.
KILLED = 3
# So many artifacts of one signature are kept: a bug that nobody switches off is found
# again and again.
SAME_SIGNATURE = 1000
# What stands in the place of a signature for an artifact that was not judged.
NOT_JUDGED = ("left", "skipped")


class Artifacts:
    """All of them, and what they have shown."""

    def __init__(self, campaign):
        folder = campaign.folder
        self.folder, self.place, self.findings = folder, folder / "artifacts", folder / "findings"
        self.corpus, self.unfinished = campaign.corpus, campaign.unfinished
        self.args, self.command = campaign.args, campaign.command
        self.status, self.terminal = campaign.status, campaign.terminal
        self.executions = campaign.executions
        self.triaged = Lines(folder / "triaged.jsonl")
        self.triaged.heal()
        self.pending = []
        self.triaging = None
        # By name, how often a triage of it was killed, and what is looked at alone.
        self.killed, self.alone = {}, set()
        self.put_off = []
        # By signature, its credit, and how many artifacts have it.
        self.known, self.duplicates = {}, {}
        # In the order in which they were credited.
        self.credited = {}
        self.in_round = set()
        # Which defects are on when the next round begins, and what is hunted.
        self.next_on = []
        self.goals, self.found, self.unfound = [], [], []

    def resume(self):
        """Reads what starts before this one have found out; whether they have found anything."""
        for line in self.status.findings:
            self.known[line["signature"]] = line["credit"]
        looked_at = set()
        for line in self.triaged.all("artifact", "signature", "credit"):
            looked_at.add(line["artifact"])
            signature = line["signature"]
            self.duplicates[signature] = self.duplicates.get(signature, 0) + 1
            self.credited.update(dict.fromkeys(line["credit"]))
        self.pending = [f for f in files_in(self.place)
                        if ARTIFACT.fullmatch(f.name) and f.name not in looked_at]
        return bool(self.known or self.pending or looked_at)

    def begin(self, command, version):
        """Asks `command` what is left; returns what it says of the kernels."""
        self.command = command
        known = catalogue(command)
        if unknown := [c for c in self.credited if c not in known]:
            before = self.status.version or "another version"
            die(f"{self.triaged.path}: {', '.join(unknown)}: credited by {before}, but unknown to "
                f"{version}; go on with that version, or name another --dir")
        kernels = json_of(self.triage_command())["kernels"]
        self.left(kernels)
        return kernels

    # Keeping.

    def keep(self, kind, data, signature=None):
        """Keeps what something was found with; returns the artifact. A crash is not written when
        its process has told a `signature` of which there are enough."""
        digest = sha1(data)
        path = self.place / f"{kind}-{digest}"
        if not path.exists() and not (kind == "crash" and self.enough(signature)):
            self.write(path, data)
            self.pending.append(path)
        # A process that begins with it would end with it.
        (self.corpus / digest).unlink(missing_ok=True)
        return path

    def write(self, path, data):
        try:
            write_whole(path, data, self.unfinished)
        except DiskFull:
            # The last words: room for them was kept.
            (self.folder / "reserve").unlink(missing_ok=True)
            write_whole(path, data, self.unfinished)
            raise

    # Looking at them: one process at a time, so that the engines are looked after meanwhile.

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

    def idle(self):
        """Whether all have been looked at."""
        return not self.triaging and not self.pending

    def pipes(self):
        """Where there is something to be heard."""
        return self.triaging.pipes() if self.triaging else []

    def drain(self):
        """Looks at every artifact that there is."""
        while not self.idle():
            self.triage()
            for pipe in select.select(self.pipes(), [], [], 1)[0] if self.triaging else ():
                self.hear(pipe)

    def hear(self, pipe):
        """Takes what the triage has said; when that is all, its result."""
        if not self.triaging.hear(pipe):
            return
        done, self.triaging = self.triaging, None
        if (told := done.result()) is not None:
            self.sorted_out(told, done.files)
            return
        if done.had_no_room() or done.could_not_work():
            self.pending = done.files + self.pending
            if number := done.had_no_room():
                raise DiskFull(self.findings, number)
            die(f"artifacts cannot be looked at:\n{done.said}\nWhat was found is safe; start again "
                "when that is mended: it goes on.")
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

    # What they show.

    def sorted_out(self, told, files):
        """The result of a triage: what is new is told, what is credited is off from now on."""
        by_signature = {f["signature"]: f for f in told["findings"]}
        for file, about in zip(files, told["files"]):
            left = ARTIFACT.fullmatch(file.name).group(2)
            if "error" in about and not left:
                self.terminal.say(f"triage cannot take {about['error']}")
                self.harness_bug(file, "harness/triage")
                continue
            if "bug" in about:
                self.terminal.say(f"{file}: the harness itself panicked: {about['bug']}")
                self.harness_bug(file, "harness/panic")
                continue
            if "skipped" in about:
                self.terminal.say(f"{file}: a program of {about['skipped']}, which this campaign "
                                  "does not fuzz; passed over")
                self.note(file, "skipped", [])
                continue
            if "signature" not in about and left:
                why = "no program" if "error" in about else "clean when it is run again"
                self.terminal.say(f"{file}: {why}: AFL++ or its target was killed with it, so it is "
                                  "torn, or nothing is wrong with it")
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

    def said_already(self, file, signature):
        """An artifact whose process has told a signature that is known need not be looked at."""
        if signature in self.known and file in self.pending and file.name.startswith("crash"):
            self.pending.remove(file)
            self.note(file, signature, self.known[signature])

    def left(self, kernels):
        """Which defects are on from now on."""
        self.next_on = [id for k in kernels for id in k["on"]]
        self.goals = [id for k in kernels for id in k["goals"]]
        self.found = [id for k in kernels for id in k["found"]]
        self.unfound = [id for k in kernels for id in k["unfound"]]

    def note(self, file, signature, credit):
        """This artifact needs no more looking at. Of one signature only so many are kept and told;
        what was not judged stays."""
        if self.enough(signature):
            file.unlink(missing_ok=True)
            return
        self.triaged.add({"artifact": file.name, "signature": signature, "credit": credit})
        self.credited.update(dict.fromkeys(credit))
        self.duplicates[signature] = self.duplicates.get(signature, 0) + 1

    def enough(self, signature):
        """Whether no more artifacts of this signature are kept."""
        n = self.duplicates.get(signature, 0)
        return n >= SAME_SIGNATURE and signature not in NOT_JUDGED

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

    def none_left(self):
        """Whether something is hunted and all of it was found."""
        return bool(self.goals) and not self.unfound

    def as_expected(self):
        """Whether a campaign with these is a success."""
        if self.put_off:
            return False
        if self.goals:
            bugs = any(f["signature"].startswith("harness/") for f in self.status.findings)
            return not self.unfound and not bugs
        return not self.status.findings
