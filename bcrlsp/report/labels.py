"""What bonus levels are called."""

from bcrlsp.report import text
from bcrlsp.report.reading import Reading


def level_name(reading: Reading, level: int) -> str:
    """A level by its number and face value; level 0 sends nothing."""
    if level == 0:
        return "none"
    if level >= len(reading.amounts):
        return f"{level} (amount {text.UNKNOWN})"
    return f"{level} ({text.money(reading.amounts[level])})"
