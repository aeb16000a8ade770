"""Why lines of the models are not reached: by function, from scripts/unreached.expected.

A line there is `FILE FUNCTION: REASON`. A reason is about what no program of a corpus can do
there, or about what its reports do not show; lines of a function that has none are unexplained.
Run by itself it checks that every reason is about a function that there is.
"""

import re

from common import ROOT, die

EXPLAINED = ROOT / "scripts" / "unreached.expected"
FN = re.compile(r"^(\s*)(?:pub(?:\([\w ]+\))? )?(?:const )?(?:async )?fn (\w+)")
ENTRY = re.compile(r"(\S+) (\w+): (\S.*)")


def functions(source):
    """For each line of a file, from 1, the function that it belongs to; None outside of one."""
    found, inside = {}, []
    for number, line in enumerate(source.read_text().splitlines(), 1):
        begins = FN.match(line)
        if begins:
            inside.append((len(begins.group(1)), begins.group(2)))
        found[number] = inside[-1][1] if inside else None
        # A body ends with the brace below its `fn`; without one at the semicolon.
        if inside and re.match(r"^\s*\}\s*$", line) and line.index("}") <= inside[-1][0]:
            inside.pop()
        elif begins and line.rstrip().endswith((";", "}")):
            inside.pop()
    return found


def by_function(source, lines):
    """Lines of a file as (function, its lines), in the order of the file."""
    groups, of = {}, functions(source)
    for line in lines:
        groups.setdefault(of.get(line) or "-", []).append(line)
    return list(groups.items())


def reasons():
    """(file, function): reason. Every entry must name a function that exists."""
    known, names = {}, {}
    for number, line in enumerate(EXPLAINED.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        place = f"{EXPLAINED.relative_to(ROOT)}:{number}"
        entry = ENTRY.fullmatch(line)
        if not entry:
            die(f"{place}: not `FILE FUNCTION: REASON`: {line}")
        file, function, reason = entry.groups()
        source = ROOT / file
        if not source.is_file():
            die(f"{place}: there is no {file}: correct or remove the line")
        if file not in names:
            names[file] = set(functions(source).values())
        if function not in names[file]:
            die(f"{place}: {file} has no function {function}: correct or remove the line")
        if (file, function) in known:
            die(f"{place}: {file} {function} is explained twice: keep one of the lines")
        known[file, function] = reason
    return known


if __name__ == "__main__":
    print(f"{len(reasons())} reasons")
