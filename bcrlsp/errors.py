"""Every error that the package raises on purpose.

A user's mistake is a `UserError`: one line that says what was wrong, its value and place, what is
allowed and what to do. The command line prints that line alone and ends with code 2; no table has
been changed. Anything else is a defect of ours and ends with code 1 and its traceback.
"""

import re


class BcrlspError(Exception):
    """Base of all errors raised by this package."""


class UserError(BcrlspError, ValueError):
    """A mistake in what the user gave: the message is one line, ready to be shown."""

    def __init__(self, message: str = "") -> None:
        # Python writes an array over several lines.
        super().__init__(re.sub(r"\s*[\r\n]+\s*", " ", str(message)))


class ConfigError(UserError):
    """A setting that is unknown, missing or out of range."""


class DataError(UserError):
    """Data that the requested step cannot work with: absent, empty, or of another shape."""


class ConflictError(BcrlspError):
    """Another writer changed the table first; nothing was written, and running again is safe."""


class UnsoundAllocationError(BcrlspError):
    """Decisions are not what their certificate says; a defect of ours, and nothing was written."""


def shown(value: object) -> str:
    """A value as Python writes it, but no more than a line."""
    try:
        written = repr(value)
    except ValueError:  # Python writes no whole number of thousands of digits.
        written = f"a {type(value).__name__} of thousands of digits"
    return written if len(written) <= 60 else f"{written[:40]}… ({len(written)} characters)"
