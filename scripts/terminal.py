"""What the person at the terminal sees of a campaign."""

import os
import shutil
import sys
import time

from common import say

# Seconds between two lines when they go to a file.
LINE_EVERY = 30


class Terminal:
    """What the person at the terminal sees, on stderr: a line that is written anew, or one
    every now and then when it goes to a file."""

    def __init__(self):
        self.live = sys.stderr.isatty()
        self.colour = self.live and not os.environ.get("NO_COLOR")
        self.shown = 0.0

    def clear(self):
        if self.live:
            self.write("\r\x1b[K")

    @staticmethod
    def write(words):
        """Nobody may be there any more."""
        try:
            sys.stderr.write(words)
            sys.stderr.flush()
        except OSError:
            pass

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
            self.write("\r\x1b[K" + line[:width])
        else:
            say(line)


def short(n):
    """A large number for the eye."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= 10 * size:
            return f"{n / size:.0f}{unit}"
    return str(int(n))
