"""Run the measurements that are named, or all, and print one table.

`python -m bench [PART…] [--write]`; `--write` puts what was measured into the table of
docs/performance.md, where the other parts stay as they were measured before.
"""

import argparse
import logging
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path

import structlog

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support import postgres  # noqa: E402  # it needs the path above

from bench.figures import TABLE_HEAD, Figure, row  # noqa: E402  # and so do its parts
from gateway.redis_server import find_binary  # noqa: E402

PARTS = (
    "understanding",
    "pipeline",
    "end_to_end",
    "morning",
    "acknowledgement",
    "lone_message",
    "dialogue",
    "growth",
    "small_box",
    "profiles",
)
#: What a message goes through, of which the header of the table tells the versions.
_PACKAGES = ("flask", "granian", "sqlalchemy", "psycopg", "redis", "rq")
_HEAD = re.compile(r"- (?P<parts>`.+?`): (?P<head>.+)")
_ROW = re.compile(r"\| .* \| `(?P<part>\w+)` \|")
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {' '.join(PARTS)}")
    # What a measured process logs goes to its own file; here it would hide the table.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    head = machine()
    print(head)  # noqa: T201
    found: list[tuple[str, Figure]] = []
    for part in asked.parts or PARTS:
        for one in import_module(f"bench.{part}").measure():
            found.append((part, one))
            line = f"{one.what:<84} {one.figure:>24} {one.goal:>8} {one.verdict}"
            print(line.rstrip(), flush=True)  # noqa: T201
    if asked.write:
        write(PAGE, head, found)


def machine() -> str:
    """Say when and on what this was measured."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    version = subprocess.run(  # noqa: S603  # our own command
        ["git", "-C", ROOT, "describe", "--always", "--dirty"],  # noqa: S607  # the user's git
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    servers = (
        f"PostgreSQL {_version(postgres.find_binaries() / 'postgres', '-V')}",
        f"Redis {_version(find_binary(), '-v')}",
    )
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC at {version or 'an export'}, with"
        f" {os.cpu_count()} cores of {model}, Linux {platform.release()}, Python"
        f" {platform.python_version()}, {', '.join(servers)}, {packages}; load before it began:"
        f" {busy}."
    )


def _version(server: Path | str, option: str) -> str:
    """Give the first number with a point in what a server's program says of itself."""
    said = subprocess.run(  # noqa: S603  # our own command
        [server, option], capture_output=True, text=True, check=False
    ).stdout
    number = re.search(r"\d+\.[\d.]*\d", said)
    return number[0] if number else "unknown"


def write(page: Path, head: str, found: Sequence[tuple[str, Figure]]) -> None:
    """Put figures between the page's two marker lines; the prose around them stays."""
    before, begin, rest = page.read_text().partition(BEGIN)
    old, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} lacks the lines {BEGIN} and {END}; put them where the table goes")
    page.write_text(f"{before}{BEGIN}\n\n{merged(old, head, found)}\n\n{END}{after}")


def merged(old: str, head: str, found: Sequence[tuple[str, Figure]]) -> str:
    """Make the table anew; what an old one has of parts that were not measured now stays in it.

    Above the table stands when and on what each part was measured.
    """
    heads: dict[str, str] = {}
    rows: dict[str, list[str]] = {}
    for line in old.splitlines():
        if told := _HEAD.match(line):
            heads |= dict.fromkeys(re.findall(r"\w+", told["parts"]), told["head"])
        elif kept := _ROW.match(line):
            rows.setdefault(kept["part"], []).append(line)
    for part, _ in found:
        heads[part], rows[part] = head, []
    for part, one in found:
        rows[part].append(row(part, one))
    parts = [part for part in PARTS if part in rows]
    by_head: dict[str, list[str]] = {}
    for part in parts:
        by_head.setdefault(heads[part], []).append(f"`{part}`")
    told_heads = [f"- {', '.join(names)}: {one}" for one, names in by_head.items()]
    return "\n".join(
        [*told_heads, "", *TABLE_HEAD, *(line for part in parts for line in rows[part])]
    )


if __name__ == "__main__":
    main()
