"""One process that looks at artifacts: `ifscrub triage`, heard while the engines go on.

It may be killed like any other process, by the system when memory is short: that says
nothing of its artifacts. Nor does it when it cannot write what it has found. One that ends in any
other way without a result has met an artifact that it cannot take.
"""

import json
import os
import subprocess

from common import environment
from engines import FROM_OUTSIDE, spawn
from whole import no_room_said

# Its exit code when a file is no program, of which its result tells; without a result, when it
# could not do its work.
BAD_FILE = 2


class Triage:
    """A process, and what it has said so far."""

    def __init__(self, command, files):
        self.files = files
        self.child = spawn([*command, *files], env=environment(), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        self.heard = {self.child.stdout: b"", self.child.stderr: b""}
        self.open = set(self.heard)
        self.code = None

    def pipes(self):
        """What there is still to be heard."""
        return list(self.open)

    def hear(self, pipe):
        """Takes what it has said to a pipe that is ready; True when it has ended."""
        words = os.read(pipe.fileno(), 1 << 16)
        self.heard[pipe] += words
        if not words:
            self.open.discard(pipe)
        if self.open:
            return False
        self.code = self.child.wait()
        self.out = self.heard[self.child.stdout]
        self.said = self.heard[self.child.stderr].decode(errors="replace").strip()
        for pipe in self.heard:
            pipe.close()
        return True

    def result(self):
        """What it has found out, or `None`."""
        if self.code not in (0, 1, BAD_FILE, 3):
            return None
        try:
            return json.loads(self.out)
        except ValueError:
            return None

    def was_killed(self):
        """Whether somebody else has ended it."""
        return -self.code in FROM_OUTSIDE

    def could_not_work(self):
        """Whether the system has refused something to it: that says nothing of its artifacts."""
        return self.code == BAD_FILE

    def had_no_room(self):
        """The number of the error when it had no room for its result; `None` otherwise."""
        return no_room_said(self.said)
