"""Coverage of yield points and fallible calls: what the sources name, and what was passed.

Every such point has a name, which is a string in the sources of its model: `function:place`,
or a plain word where it is handed to `yield_at` or `fails`. A plain word that takes another
way there is known only once it is passed. What programs pass is told by `ifscrub corpus reach`.
"""

import html
import re

from common import ROOT, json_of

# A name of a point as it stands in the sources.
NAME = re.compile(r'"([A-Za-z_]\w*:\w+)"|\b(?:yield_at|fails)\(\s*"(\w+)"')

# Where the sources of each kernel's model are.
FOLDERS = {"dragonfly-2007": "src/stack/dragonfly", "freebsd-14": "src/stack/freebsd"}

STYLE = """
:root { color-scheme: light dark; --ink: #14130f; --paper: #fdfdfc; --line: #e2e1da;
  --bad: #b93a3a; }
@media (prefers-color-scheme: dark) { :root { --ink: #f4f3ee; --paper: #161615;
  --line: #33332f; --bad: #ee7a7a; } }
body { margin: 24px auto; max-width: 1000px; padding: 0 16px; color: var(--ink);
  background: var(--paper); font: 15px/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
td, th { padding: 3px 10px; text-align: left; border-bottom: 1px solid var(--line); }
.n { text-align: right; font-variant-numeric: tabular-nums; }
tr.never td { color: var(--bad); } code { font-size: 13px; }
"""


def named(folder):
    """Names of points in the sources below a folder: name, [(file, line)]. Comments and the
    tests at the end of a file do not count."""
    places = {}
    for file in sorted((ROOT / folder).rglob("*.rs")):
        if file.name == "tests.rs":
            continue
        lines = file.read_text().splitlines()
        tests = next((i for i, line in enumerate(lines) if line.strip() == "#[cfg(test)]"), None)
        # Lines keep their numbers.
        code = "\n".join("" if line.lstrip().startswith("//") else line
                         for line in lines[:tests])
        for found in NAME.finditer(code):
            number = code.count("\n", 0, found.end()) + 1
            place = (str(file.relative_to(ROOT)), number)
            places.setdefault(found.group(1) or found.group(2), []).append(place)
    return places


def points(command, corpora):
    """For each kernel its points: (name, places, passed, disturbed), by name. A point that was
    passed and is not found in the sources, because its name is put together, has no places."""
    reached = json_of([command, "corpus", "reach", "--no-credit", "--json", *corpora],
                      # 2: a file was no program, torn by a kill, say; the others are counted.
                      accepted=(0, 1, 2))
    result = {}
    for kernel in reached:
        passed = {}
        for p in kernel["yield_points"]:
            passed[p["name"]] = (p["passed"], p["parked"])
        for p in kernel["fallible_calls"]:
            n, failed = passed.get(p["name"], (0, 0))
            passed[p["name"]] = (n + p["passed"], failed + p["failed"])
        places = named(FOLDERS[kernel["kernel"]])
        result[kernel["kernel"]] = [
            (name, places.get(name, []), *passed.get(name, (0, 0)))
            for name in sorted(places.keys() | passed.keys())]
    return result


def summary(all_points):
    """Lines for people: a share for each kernel, and the points that nothing passes."""
    lines = []
    for kernel, rows in all_points.items():
        passed = sum(1 for _, _, n, _ in rows if n)
        disturbed = sum(1 for _, _, _, n in rows if n)
        lines.append(f"{kernel}: {passed} of {len(rows)} yield points and fallible calls passed "
                     f"({passed / len(rows):.1%}), {disturbed} disturbed")
        for name, places, n, _ in rows:
            if not n:
                where = ", ".join(f"{file}:{line}" for file, line in places)
                lines.append(f"  never passed: {name} ({where})")
    return lines


def page(all_points, corpora):
    """The same as HTML, every point a row."""
    out = ["<!doctype html><html lang=en><meta charset=utf-8><title>Yield points</title>",
           f"<style>{STYLE}</style><h1>Yield points and fallible calls</h1>",
           "<p>Passed and disturbed (parked there, or failed) by the programs of "
           + ", ".join(f"<code>{html.escape(str(c))}</code>" for c in corpora)
           + ", with all defects off and with those that were reported.</p>"]
    for kernel, rows in all_points.items():
        out.append(f"<h2>{kernel}</h2><p>{html.escape(summary({kernel: rows})[0])}</p>")
        out.append("<table><tr><th>point<th>place<th class=n>passed<th class=n>disturbed")
        for name, places, n, disturbed in sorted(rows, key=lambda r: (r[2] > 0, r[0])):
            where = "<br>".join(f"{file}:{line}" for file, line in places)
            never = "" if n else " class=never"
            out.append(f"<tr{never}><td><code>{html.escape(name)}</code><td>{where}"
                       f"<td class=n>{n:,}<td class=n>{disturbed:,}")
        out.append("</table>")
    return "\n".join(out) + "\n"
