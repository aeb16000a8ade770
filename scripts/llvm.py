"""llvm-profdata and llvm-cov that read what this rustc writes."""

import re
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
