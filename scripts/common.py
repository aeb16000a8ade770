"""What the Python scripts share: where things are, building them, running the target."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

if sys.version_info < (3, 11):
    # Before anything is built: what lacks there (`process_group`) would show only after that.
    print(f"{Path(sys.argv[0]).name}: this is Python {sys.version.split()[0]}, and 3.11 or later "
          "is needed: install that, so that python3 is it", file=sys.stderr)
    sys.exit(2)

ROOT = Path(__file__).resolve().parent.parent
SIGNATURE = re.compile(r"^signature: *(\S+)", re.MULTILINE)

# Whoever ends a script so leaves none of its processes and temporary folders behind.
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def say(line):
    """Tells the person at the terminal; results go to stdout. If nobody listens, so be it."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        pass


def die(line, code=2):
    say(f"{Path(sys.argv[0]).name}: {line}")
    sys.exit(code)


def environment(defects=None, kernel=None, **more):
    """For child processes: no backtraces, no defects and no pinned kernel but those given."""
    env = dict(os.environ)
    for name in ("RUST_BACKTRACE", "IFSCRUB_KERNEL", "IFSCRUB_DEFECTS"):
        env.pop(name, None)
    if defects:
        env["IFSCRUB_DEFECTS"] = defects
    if kernel:
        env["IFSCRUB_KERNEL"] = kernel
    env.update(more)
    return env


def need(program, how):
    found = shutil.which(program)
    if not found:
        die(f"{program} is missing: {how}")
    return found


def call(command, **options):
    """Runs a command that must succeed; its output is shown only if it does not."""
    options.setdefault("env", environment())
    options.setdefault("cwd", ROOT)
    options.setdefault("stderr", subprocess.STDOUT)
    done = subprocess.run([str(c) for c in command], text=True, stdout=subprocess.PIPE, **options)
    if done.returncode != 0:
        say(done.stderr or done.stdout)
        die(f"failed with {done.returncode}: {' '.join(map(str, command))}")
    return done.stdout


def build_dir(*parts):
    """The folder for builds of ours, within the one that cargo uses."""
    own = os.environ.get("CARGO_TARGET_DIR")
    return (ROOT / own / "fuzz" if own else ROOT / "fuzz" / "target").joinpath(*parts)


def ifscrub():
    """Builds the command and returns its path."""
    need("cargo", "see https://rustup.rs")
    say("building ifscrub")
    call(["cargo", "build", "--release", "--locked", "--bin", "ifscrub"])
    own = os.environ.get("CARGO_TARGET_DIR")
    return (ROOT / own if own else ROOT / "target") / "release" / "ifscrub"


# What libFuzzer is told by campaigns, by hand, and for the table of times to find; bench and
# found-in measure it as it is. Its entropic schedule keeps how often each input has had each rare
# feature, and everything of a run is a feature here: memory grows, and more programs are needed.
LIBFUZZER_FLAGS = ["-entropic=0"]

# How a fuzz target can be built: as everybody builds, guided by the features of a run
# alone; or by cargo-fuzz, guided by the edges that the compiler counts as well, to compare
# with an empty target.
BUILDS = ("plain", "edges")


def add_build(parser):
    """The option of a script that can use any build."""
    parser.add_argument("--build", choices=(*BUILDS, "cargo"), default=BUILDS[0],
                        help="plain: guided by the features of a run; edges: by cargo-fuzz, "
                        "counting the compiler's edges as well, without compare tracing; cargo: "
                        "what `cargo fuzz run --sanitizer none` runs, as it is [plain]")


def targets_of(build, *names):
    """Builds fuzz targets in one of the ways and returns their paths."""
    if build == "plain":
        return plain_targets(*names)
    if build == "cargo":
        return fuzz_targets(*names)
    return fuzz_targets(*names, flags=("--no-trace-compares",), folder=("bench",))


def plain_targets(*names):
    """Builds fuzz targets without cargo-fuzz, so that the compiler counts nothing."""
    need("cargo", "see https://rustup.rs")
    say(f"building {', '.join(names)}")
    call(["cargo", "build", "--profile", "plain", "--locked", "--manifest-path",
          ROOT / "fuzz" / "Cargo.toml", "--target-dir", build_dir(),
          *(word for name in names for word in ("--bin", name))])
    return [build_dir("plain", name) for name in names]


def afl_programs(*names):
    """Builds targets for AFL++, guided by the features of a run alone; returns the fuzzer,
    the targets, and the mutator."""
    found = find_afl()
    if not found:
        die("AFL++ for this rustc is missing: run scripts/setup")
    fuzzer, runtime = found
    say(f"building {', '.join(names)}")
    call(["cargo", "build", "--profile", "plain", "--locked", "--manifest-path",
          ROOT / "fuzz" / "Cargo.toml", "--target-dir", build_dir(), "-p", "ifscrub-afl", "--lib",
          *(word for name in names for word in ("--bin", name))],
         # The second one tells the crate `afl` that it is built like this on purpose.
         env=environment(AFL_COMPILER_RT=str(runtime), CARGO_CFG_NO_FUZZING="1"))
    built = build_dir("plain")
    return fuzzer, *(built / name for name in names), built / "libifscrub_mutator.so"


def find_afl():
    """The programs of AFL++ as cargo-afl has built them for this rustc: the fuzzer and the
    runtime that targets are linked with; `None` without."""
    if not shutil.which("cargo-afl"):
        return None
    about = dict(line.split(": ", 1) for line in call(["rustc", "-vV"]).splitlines()
                 if ": " in line)
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "afl.rs"
    # As cargo-afl names the folder.
    rustc = f"rustc-{about['release']}-{about['commit-hash'][:7]}"
    for built in sorted(data.glob(f"{rustc}/afl.rs-*"), reverse=True,
                        key=lambda path: [int(n) for n in re.findall(r"\d+", path.name)]):
        fuzzer, runtime = built / "afl/bin/afl-fuzz", built / "afl-llvm/afl-compiler-rt.o"
        if fuzzer.is_file() and runtime.is_file():
            return fuzzer, runtime
    return None


def fuzz_targets(*names, flags=(), folder=()):
    """Builds fuzz targets with cargo-fuzz, without a sanitizer, and returns their paths."""
    need("cargo-fuzz", "run scripts/setup")
    target_dir = build_dir(*folder)
    for name in names:
        say(f"building the fuzz target {name} {' '.join(flags)}".rstrip())
        call(["cargo", "fuzz", "build", "--sanitizer", "none", *flags,
              "--target-dir", target_dir, name])
    host = re.search(r"^host: (\S+)", call(["rustc", "-vV"]), re.MULTILINE).group(1)
    return [target_dir / host / "release" / name for name in names]


class Fuzzed:
    """One process of a fuzz target that has ended."""

    def __init__(self, code, log, artifact, wall, usage):
        self.code = code
        self.log = log
        self.artifact = artifact
        self.wall = wall
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak_kb = usage.ru_maxrss
        found = SIGNATURE.search(log)
        self.signature = found.group(1) if found else None

    def stat(self, name):
        """One of libFuzzer's final statistics; `None` when it did not come to them."""
        found = re.search(rf"^stat::{name}: +(\d+)", self.log, re.MULTILINE)
        return int(found.group(1)) if found else None


def measured(command, log_file, limit=None, **options):
    """Runs a command to its end: exit code, wall time, and what it used."""
    began = time.monotonic()
    child = subprocess.Popen([str(c) for c in command], stdout=log_file,
                             stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)
    try:
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG if limit else 0)
            if pid:
                break
            if time.monotonic() - began > limit:
                child.send_signal(signal.SIGKILL)
                limit = float("inf")
            time.sleep(0.005)
    except BaseException:
        child.kill()
        raise
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, time.monotonic() - began, usage


def fuzz(target, corpus, seconds, defects=None, artifacts=None, args=(), kernel=None):
    """Runs a fuzz target until it finds something, at most for so many seconds."""
    with tempfile.TemporaryDirectory(prefix="ifscrub-fuzz-") as scratch:
        artifacts = Path(artifacts or scratch)
        before = set(artifacts.iterdir())
        command = [target, f"-artifact_prefix={artifacts}/", f"-max_total_time={seconds}",
                   "-print_final_stats=1", *args, corpus]
        with tempfile.TemporaryFile("w+", errors="replace") as log:
            code, wall, usage = measured(command, log, limit=seconds + 60,
                                         env=environment(defects, kernel), cwd=scratch)
            log.seek(0)
            text = log.read()
        new = sorted(set(artifacts.iterdir()) - before)
        return Fuzzed(code, text, new[0] if new else None, wall, usage)


def working_in(folder):
    """The processes whose working directory is in a folder."""
    folder, found = folder.resolve(), []
    for cwd in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if Path(os.readlink(cwd)).is_relative_to(folder):
                found.append(int(cwd.parent.name))
        except OSError:
            continue
    return found


@contextmanager
def small_disk(folder, size):
    """A tmpfs of so many bytes in a folder; `None`, having said why, where there can be none."""
    if os.geteuid() != 0:
        say("full disk: skipped, only root can mount a tmpfs")
        yield None
        return
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(command).returncode != 0:
        say("full disk: skipped, a tmpfs cannot be mounted here")
        yield None
        return
    try:
        yield folder
    finally:
        # Also while somebody still looks at it.
        subprocess.run(["umount", "-l", folder], check=True)


def report_of(log):
    """The finding's report out of the target's log."""
    start = re.search(r"^(panic: |This is a bug of ifscrub)", log, re.MULTILINE)
    end = re.search(r"^==\d+== ", log, re.MULTILINE)
    return log[start.start() if start else 0:end.start() if end else len(log)].strip()


def json_of(command, accepted=(0, 1), **options):
    """What a command prints as JSON."""
    options.setdefault("env", environment())
    done = subprocess.run([str(c) for c in command], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **options)
    if done.returncode not in accepted:
        say(done.stderr)
        die(f"failed with {done.returncode}: {' '.join(map(str, command))}")
    return json.loads(done.stdout)


def walk_of(command):
    """The number of the walk over programs that its generator makes: the same seeds of another
    walk are other programs. Versions that do not say it have the first."""
    found = re.search(r"\(walk (\d+)\)", call([command, "--version"]))
    return int(found.group(1)) if found else 1


def catalogue(command, kernel=None):
    """The defects by their name, of one kernel or of all."""
    only = ["--kernel", kernel] if kernel else []
    return {d["id"]: d for d in json_of([command, "defects", "--json", *only])}


# Files named on one command line.
AT_ONCE = 400


def batches(files):
    """Programs for command lines of `ifscrub run`: the options that text or bytes need, and some
    of the files."""
    for options, text in (([], True), (["--bytes"], False)):
        some = [f for f in files if (f.suffix == ".ops") == text]
        for i in range(0, len(some), AT_ONCE):
            yield options, some[i:i + AT_ONCE]


def programs(command, corpus, defects="none"):
    """What the programs of a corpus do, counted by replaying them."""
    files = sorted(corpus.iterdir())
    total = {"operations": 0, "succeeded": 0, "changed": 0}
    for options, part in batches(files):
        runs = json_of([command, "run", "--json", *options, "--defects", defects, *part])
        for key in total:
            known = total[key] is not None and all(key in run for run in runs)
            total[key] = total[key] + sum(run[key] for run in runs) if known else None
    return len(files), total


def table(rows, right=()):
    """Rows of words in columns; the columns of `right` are flush right."""
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        words = [str(w).rjust(n) if i in right else str(w).ljust(n)
                 for i, (w, n) in enumerate(zip(row, widths))]
        lines.append("  ".join(words).rstrip())
    return "\n".join(lines)
