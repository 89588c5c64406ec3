"""Places that a user names: folders, files and URIs."""

import os
import re
from pathlib import Path

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
# What a path pattern gives a meaning to.
_PATTERN = re.compile(r"[\[\]{}*?\\]")


def absolute(place: str | os.PathLike[str]) -> str:
    """The place as Spark and every process find it: a URI as it is, a path absolute.

    `~` is the home folder of the user who runs this. ValueError, one line, when the place is empty,
    holds a control character, or names the home of somebody unknown.
    """
    place = os.fspath(place) if isinstance(place, os.PathLike) else place
    if not isinstance(place, str):
        raise ValueError("is no text and no path; allowed: a folder or a URI")
    if not place.strip():
        raise ValueError("is empty; allowed: a folder or a URI")
    if any(ord(letter) < 32 for letter in place):
        raise ValueError("holds a line break or another control character; allowed: a path or URI")
    if is_uri(place):
        return place.rstrip("/")
    try:
        path = Path(place).expanduser()
    except RuntimeError:
        raise ValueError(
            f"names a home folder that is not known here ({place.split('/', 1)[0]}); give its path"
        ) from None
    return str(path.absolute()).rstrip("/") or "/"


def is_uri(place: str) -> bool:
    """Whether the place names its file system, such as s3://bucket/x or dbfs:/x."""
    return _URI.match(place) is not None


def literal(path: str) -> str:
    """The path for a reader of patterns: one that is there by its very name is no pattern."""
    if is_uri(path) or not _PATTERN.search(path) or not Path(path).exists():
        return path
    return _PATTERN.sub(lambda found: "\\" + found[0], path)
