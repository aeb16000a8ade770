"""llvm-profdata and llvm-cov that read what this rustc writes."""

import re
import subprocess
from pathlib import Path

from common import call, die


def llvm_tools():
    """Their paths: of rustc's own component, or of the Debian package of its LLVM."""
    about = call(["rustc", "-vV"])
    major = re.search(r"^LLVM version: (\d+)", about, re.MULTILINE).group(1)
    component = Path(call(["rustc", "--print", "target-libdir"]).strip()).parent / "bin"
    for folder in (component, Path(f"/usr/lib/llvm-{major}/bin")):
        tools = [folder / "llvm-profdata", folder / "llvm-cov"]
        if all(tool.exists() for tool in tools):
            return tools
    die(f"llvm-profdata and llvm-cov of LLVM {major} are missing: run scripts/setup")


class Covered:
    """What binaries with coverage instrumentation have reached."""

    def __init__(self, profiles, binaries, merged):
        """`profiles`: what they have left; `merged`: the file that it is merged to."""
        profdata, self.cov = llvm_tools()
        call([profdata, "merge", "--sparse", "-o", merged, *profiles])
        objects = [word for binary in binaries for word in ("--object", binary)][1:]
        self.about = [f"--instr-profile={merged}", *objects]

    def line_counts(self, *sources):
        """How often each line of each file was reached: of all, or of these sources."""
        lcov = call([self.cov, "export", "--format=lcov", *self.about, *sources],
                    stderr=subprocess.PIPE)
        files, lines = {}, None
        for word in lcov.splitlines():
            if word.startswith("SF:"):
                lines = files.setdefault(Path(word[3:]), {})
            elif word.startswith("DA:"):
                number, count = word[3:].split(",")[:2]
                lines[int(number)] = lines.get(int(number), 0) + int(count)
        return files

    def html(self, folder, *sources):
        """Writes annotated sources to a folder."""
        call([self.cov, "show", "--format=html", f"--output-dir={folder}",
              "--show-instantiations=false", *self.about, *sources])
