"""Which code computed a result: its version and a digest of its sources.

What is kept by the name of its inputs must not answer for other code: an algorithm that was changed
is another one, also where nobody raised the version.
"""

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import bcrlsp


@cache
def code_version(*packages: str) -> str:
    """A digest of the sources of these packages of bcrlsp (all of it: none), and its version.

    packages: names below bcrlsp, such as "learning"; a name may also be a module's.
    """
    home = Path(bcrlsp.__file__).parent
    roots = [home / name for name in packages] or [home]
    return f"{bcrlsp.__version__}-{sources_digest(home, roots)}"


@cache
def library_versions(*names: str) -> dict[str, str]:
    """The installed version of each distribution, "" where it is not there."""
    return {name: _version(name) for name in names}


def sources_digest(home: Path, roots: Iterable[Path]) -> str:
    """SHA-256 of the names and contents of all Python files in folders, or of `root`.py."""
    digest = hashlib.sha256()
    files = {
        path
        for root in roots
        for path in (root.rglob("*.py") if root.is_dir() else [root.with_suffix(".py")])
    }
    for path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(home).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
