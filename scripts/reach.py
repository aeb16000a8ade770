"""What the corpus of a campaign reaches in the models: one process at a time replays what has
come to it (`ifscrub corpus reach`), while the engines go on."""

import json
import os
import shutil
import subprocess

from common import environment
from engines import spawn
from whole import files_in, link_or_copy


class Reach:
    """What has been counted so far."""

    def __init__(self, command, corpus, folder, fuzzed, terminal):
        self.command = command
        self.corpus = corpus
        # Where what is replayed lies, because an engine may remove it meanwhile.
        self.folder = folder
        self.fuzzed = fuzzed
        self.terminal = terminal
        self.running = None
        self.measured = set()
        self.reached = set()
        # How much is reached, once that is known.
        self.counted = None

    def start(self):
        """Replays what has come to the corpus, unless that is going on."""
        if self.running:
            return
        # Whatever it is called: somebody may have imported programs.
        there = {f.name for f in files_in(self.corpus) if not f.name.startswith(".")}
        new = there - self.measured
        # What has gone from the corpus need not be remembered.
        self.measured &= there
        if not new:
            return
        folder = self.folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in new:
            # An engine may remove the file meanwhile.
            link_or_copy(self.corpus / name, folder / name)
        if not any(folder.iterdir()):
            return
        out = os.fdopen(os.memfd_create("reach"), "w+b")
        child = spawn([self.command, "corpus", "reach", "--no-credit", "--json", "--bytes",
                       folder],
                      env=environment(), stdout=out, stderr=subprocess.DEVNULL)
        self.running = child, out, new

    def hear(self, wait=False):
        """Takes the result of a replay, if it has ended or is to be waited for."""
        if not self.running:
            return
        child, out, new = self.running
        if wait:
            child.wait()
        elif child.poll() is None:
            return
        self.running = None
        with out:
            out.seek(0)
            said = out.read()
        # 2: a file was no program, torn by a kill, say; the others are counted.
        if child.returncode not in (0, 1, 2):
            self.terminal.say(f"what the corpus reaches could not be counted ({child.returncode})")
            return
        self.measured |= new
        if not said.strip():
            self.terminal.say(f"none of {len(new)} files that have come to the corpus can be read")
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
        self.counted = len(self.reached)

    def count_all(self):
        """Counts what the whole corpus reaches, and waits for it."""
        self.hear(wait=True)
        self.start()
        self.hear(wait=True)
        shutil.rmtree(self.folder, ignore_errors=True)
