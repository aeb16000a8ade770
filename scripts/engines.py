"""The guided engines as a campaign runs them: one process of each worker, looked after.

Every process is told to die with the campaign (Linux's parent-death signal), because what
nobody looks after must not go on writing. What a worker finds goes to a folder of its own
below `workers/` first; the campaign takes it from there, also after having been killed.
"""

import ctypes
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from common import LIBFUZZER_FLAGS, SIGNATURE, environment, report_of
from whole import contents, files_in, link_or_copy, sha1

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)

# What libFuzzer says while it runs, and what ends a report.
STATUS_LINE = re.compile(r"^#\d+\s.*?ft: (\d+)", re.MULTILINE)
# Exit codes of a target of libFuzzer: a finding, a signal from outside; ours for a setting that
# it refuses.
CRASHED, INTERRUPTED, REFUSED = 77, 72, 2

# Enough of a worker's words to have the last report whole.
TAIL = 1 << 19

# Longer than any program that is credited on a busy machine: a finding that takes its
# time must not be taken for a hang.
TIMEOUT_SECONDS = 25

# A program has at most a header and 64 operations of eight bytes.
LONGEST = 520


# What ends a process without its doing. Other signals are its own fault.
FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT,
                signal.SIGXCPU)


def from_outside(code):
    """Whether somebody else has ended a process that has ended with this code."""
    return code == INTERRUPTED or -code in FROM_OUTSIDE


def die_with_parent():
    """For a child, between fork and exec."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The input says all; a core file of every finding would only fill the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def spawn(command, **options):
    """Starts a process that dies with this one and has a group of its own, so that Ctrl-C
    is the campaign's to handle."""
    return subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                            preexec_fn=die_with_parent, process_group=0, **options)


def resident_kb(pid):
    """Resident memory of a process; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return int(found.group(1)) if found else 0


def of_libfuzzer(files):
    """What files of its findings hold, as (kind, data, file); torn ones are passed over, because
    their names say what they must hold."""
    for file in files:
        data = contents(file)
        if data is not None and file.name.endswith(sha1(data)):
            yield file.name.split("-")[0], data, file


def of_violating(files):
    """What targets had written before they credited it, as (kind, data, file); such a file appears
    whole or not at all."""
    for file in files:
        if not file.name.endswith(".part") and (data := contents(file)):
            yield "crash", data, file


def self_inflicted(name):
    """Whether the target has ended by itself with this input, as AFL++ calls it: a target that
    somebody else kills looks like a crash to AFL++."""
    found = re.search(r",sig:(\d+)", name)
    return not found or int(found.group(1)) not in FROM_OUTSIDE


def of_afl(queue, crashes, hangs, ended_well):
    """What files of an instance of AFL++ hold, as (kind, data, file). Its names do not say what
    that must be: an instance that was killed, or had no room, may have left a torn one, which is
    told by its kind, or an empty one, which has no data."""
    for file in queue:
        if data := contents(file):
            yield "input", data, file
    for kind, files in (("crash", crashes), ("timeout", hangs)):
        for file in files:
            whole = ended_well and self_inflicted(file.name)
            yield kind if whole else f"{kind}-left", contents(file) or None, file


class Count:
    """How many programs targets have run. In memory, because a count on a full disk would end
    the target that counts."""

    def __init__(self):
        self.file = os.memfd_create("executions", 0)
        self.name = f"/dev/fd/{self.file}"
        self.reset()

    def reset(self):
        os.pwrite(self.file, bytes(8), 0)

    def read(self):
        return int.from_bytes(os.pread(self.file, 8, 0), sys.byteorder)


class Worker:
    """A process of an engine, started again whenever it has ended."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        self.child = None
        self.said, self.said_size = [], 0
        self.began = 0.0
        self.features = None
        # Executions of processes that have ended, and of the one that runs.
        self.ended_executions = 0
        self.count = Count()
        self.code = None
        # How often it has ended without having done anything, one time after the other.
        self.fruitless = 0
        # Where the target leaves the last input that violated, at once: the engine's own file is
        # there only when it has been credited and reported, and a process may be ended meanwhile.
        # Not among those, which the engine would write over, byte by byte.
        self.violating = folder / f"violating-{name}"

    def launch(self, command, env):
        self.said, self.said_size = [], 0
        self.code = None
        self.count.reset()
        env["IFSCRUB_EXECUTIONS"] = self.count.name
        env["IFSCRUB_VIOLATING"] = str(self.violating)
        self.began = time.monotonic()
        self.child = spawn(command, env=env, cwd=self.folder, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, pass_fds=(self.count.file,))
        os.set_blocking(self.child.stdout.fileno(), False)

    def read(self):
        """Takes what the process has said; True when it has closed its mouth."""
        while True:
            try:
                words = os.read(self.child.stdout.fileno(), 1 << 16)
            except BlockingIOError:
                return False
            if not words:
                return True
            words = words.decode(errors="replace")
            self.hear(words)
            self.said.append(words)
            self.said_size += len(words)
            if self.said_size > 2 * TAIL:
                self.said = [self.text()]
                self.said_size = len(self.said[0])

    def text(self):
        """The last words of the process."""
        return "".join(self.said)[-TAIL:]

    def hear(self, words):
        """Takes notice of words that have just come."""

    def signature(self):
        """Of the finding that the process has ended with, if it came to say it."""

    def program(self):
        """The text of the program in the report that the process has ended with."""

    def taken(self, settled):
        """What it has found and nobody has taken yet, as (kind, data, file), where a kind is
        `input` or an artifact's; `settled`: it goes on, so only what is not being written any
        more."""
        yield from self.of_engine(settled)
        # As long as it goes on the engine will come to write what is of use to it: AFL++ does not
        # keep what shows nothing new.
        if not settled:
            yield from of_violating([self.violating])
            self.violating.unlink(missing_ok=True)

    def of_engine(self, settled):
        """The same of what the engine itself has written."""
        raise NotImplementedError

    def look(self):
        """Takes notice of what the process does not say, now and then."""

    def lived(self):
        return time.monotonic() - self.began

    def executions(self):
        return self.ended_executions + (self.count.read() if self.child else 0)

    def resident_kb(self):
        return resident_kb(self.child.pid) if self.child else 0

    def ended_well(self):
        """Whether the process runs, or has ended as it should: then what it wrote is whole."""
        return not self.code

    def reap(self):
        """After the process has closed its output: its exit code."""
        self.code = self.child.wait()
        self.read()
        self.ended_executions += self.count.read()
        self.child.stdout.close()
        self.child = None
        return self.code

    def stop(self, patience=10):
        """Ends the process."""
        if not self.child:
            return
        self.child.terminate()
        until = time.monotonic() + patience
        while not self.read():
            if time.monotonic() > until:
                self.child.kill()
            time.sleep(0.01)
        self.reap()


class LibFuzzer(Worker):
    """A process that reads and writes the shared corpus and ends with its first finding."""

    def __init__(self, name, folder, target, corpus):
        super().__init__(name, folder)
        self.target = target
        self.corpus = corpus

    def start(self, seed, defects, kernel):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "new").mkdir(exist_ok=True)
        env = environment(defects, kernel)
        self.launch([self.target, f"-artifact_prefix={self.folder}/new/",
                     *LIBFUZZER_FLAGS, "-reload=1", f"-seed={seed}",
                     f"-timeout={TIMEOUT_SECONDS}", self.corpus], env)

    def hear(self, words):
        for found in STATUS_LINE.finditer(words):
            self.features = max(self.features or 0, int(found.group(1)))

    def signature(self):
        found = SIGNATURE.search(report_of(self.text()))
        return found.group(1) if found else None

    def program(self):
        report = report_of(self.text())
        start = report.rfind("\n# ifscrub ")
        if start < 0:
            return None
        return report[start + 1:].split("\n\n")[0].rstrip() + "\n"

    def of_engine(self, settled):
        # It ends with what it finds.
        for file in sorted((self.folder / "new").glob("*")) if not settled else ():
            yield from of_libfuzzer([file])
            file.unlink()


# Longest program, and time for one.
AFL_LIMITS = ("-G", LONGEST, "-t", TIMEOUT_SECONDS * 1000)


def afl_environment(mutator, defects, kernel):
    """What AFL++ is told by its environment."""
    return environment(
        defects, kernel,
        AFL_NO_UI="1", AFL_NO_COLOR="1",
        AFL_CUSTOM_MUTATOR_LIBRARY=str(mutator), AFL_CUSTOM_MUTATOR_ONLY="1",
        # Both know nothing of records; trimming would also leave programs so short that
        # nothing goes on in them.
        AFL_DISABLE_TRIM="1", AFL_FRAMESHIFT_DISABLE="1",
        # Our features have places of their own in the map.
        AFL_NO_IJON="1",
        # How many share the machine is the user's affair; so is the CPU governor, and where
        # core dumps go. A crash is noticed all the same, if a little later.
        AFL_NO_AFFINITY="1", AFL_SKIP_CPUFREQ="1", AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES="1",
        AFL_IGNORE_SEED_PROBLEMS="1",
        # Runs are the same every time: there is nothing to calibrate.
        AFL_FAST_CAL="1", AFL_IMPORT_FIRST="1",
        AFL_SYNC_TIME="1", AFL_FUZZER_STATS_UPDATE_INTERVAL="5")


def afl_stats(folder):
    """The statistics of an instance of AFL++, as it has written them; none before that."""
    try:
        text = (folder / "fuzzer_stats").read_text()
    except OSError:
        return {}
    return dict(re.findall(r"^(\w+) *: *(.*)$", text, re.MULTILINE))


class Afl(Worker):
    """An instance of afl-fuzz: the main one, or one of its secondaries. Findings do not end
    it. It has a queue of its own, which the campaign copies to the shared corpus."""

    SCHEDULES = ("explore", "fast", "coe", "rare", "exploit")

    # It begins with so many files of the corpus, and takes from the others what is of use.
    BEGIN_WITH = 500

    def __init__(self, name, folder, number, programs, corpus):
        super().__init__(name, folder)
        self.number = number
        self.fuzzer, self.target, self.mutator = programs
        self.corpus = corpus
        # By folder, the names of what has been taken.
        self.seen = defaultdict(set)

    def out(self):
        return self.folder / "out" / self.name

    def start(self, seed, defects, kernel):
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.out(), ignore_errors=True)
        begin = self.begin_with(seed)
        self.seen.clear()
        self.features = None
        role = ["-M", self.name] if self.number == 0 else [
            "-S", self.name, "-p", self.SCHEDULES[self.number % len(self.SCHEDULES)]]
        foreign = ["-F", self.corpus] if self.number == 0 else []
        self.launch([self.fuzzer, *role, "-i", begin, "-o", self.folder / "out", *foreign,
                     "-s", seed, *AFL_LIMITS, "--", self.target],
                    afl_environment(self.mutator, defects, kernel))

    def begin_with(self, seed):
        """A folder with some of the corpus, as links: libFuzzer replaces files by shorter
        ones, and afl-fuzz does not begin when one of its files is gone."""
        folder = self.folder / f"in-{self.name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        names = [f.name for f in files_in(self.corpus)]
        for name in random.Random(seed).sample(names, min(len(names), self.BEGIN_WITH)):
            link_or_copy(self.corpus / name, folder / name)
        return folder

    def stat(self, name):
        """A number of its statistics."""
        return int(afl_stats(self.out()).get(name) or 0)

    def look(self):
        self.features = self.stat("edges_found") or self.features

    def resident_kb(self):
        pids = [self.child.pid, self.stat("target_pid")] if self.child else []
        return max((resident_kb(pid) for pid in pids if pid), default=0)

    def of_engine(self, settled):
        fresh = (self.fresh(folder, settled) for folder in ("queue", "crashes", "hangs"))
        return of_afl(*fresh, self.ended_well())

    def fresh(self, folder, settled):
        """Files of a folder of the instance that have not been taken yet; `settled`: only
        those that are not being written any more."""
        place, seen = self.out() / folder, self.seen[folder]
        try:
            # Before any path is made: a queue grows to thousands, and is looked at every second.
            names = set(os.listdir(place)) - seen
        except OSError:
            return []
        new = []
        for name in sorted(n for n in names if n.startswith("id:")):
            file = place / name
            try:
                about = file.stat()
                # An empty one is still to be written, unless nobody is there to do that.
                if settled and (time.time() - about.st_mtime < 0.5 or about.st_size == 0):
                    continue
            except FileNotFoundError:
                # Of an instance that begins anew.
                continue
            seen.add(name)
            new.append(file)
        return new
