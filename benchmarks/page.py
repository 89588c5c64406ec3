"""docs/benchmarks.md: each benchmark replaces its own section and leaves the others alone."""

import os
import platform
import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Each section is written by the command that it names; run it again to replace its figures. Both
sides of a comparison ran on one machine in one run: read the ratios, not the seconds.
"""


def write_section(name: str, markdown: str, page: Path = PAGE) -> None:
    """Replace the section `name` of the page (append it where it is new) by `markdown`.

    Writes to a file beside the page first: a killed benchmark leaves the old page.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    text = page.read_text() if page.exists() else HEAD
    section = f"{begin}\n{markdown.strip()}\n{end}"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: section, text)
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    beside = page.with_suffix(".md.new")
    beside.write_text(text)
    beside.replace(page)


def machine() -> str:
    """What the figures were measured on: "2 cores, 24 GiB, Linux, Python 3.11"."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    version = ".".join(platform.python_version_tuple()[:2])
    return f"{cores} cores, {memory:.0f} GiB, {platform.system()}, Python {version}"
