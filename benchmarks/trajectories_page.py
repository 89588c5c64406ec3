"""The section on trajectories in docs/benchmarks.md, from what was measured."""

from typing import Any

from bcrlsp.features import MEMORY

_RATIO, _GROWTH, _DAY = 3.0, 1.2, 1.3


def section(machine: str, sizes: list[dict[str, Any]], days: list[dict[str, Any]]) -> str:
    """Markdown of the measurements: sizes of the log in rising order, then the added days."""
    return "\n".join(
        [
            "## Trajectories",
            "",
            f"`make bench-trajectories`, on {machine}: events of 60 days to trajectories, by this "
            "package on Spark (local, two threads, 3 GB heap) and by the same features as SQL in "
            "DuckDB (two threads, 6 GB). Both read the same Delta files and write the same rows as "
            "Parquet by period. Each run is a process of its own; the start of the JVM is not in "
            "the seconds, its warming up is. Memory is the largest sum of resident memory over "
            "the process and its children; growth is the time an event takes against that of the "
            "smallest log (1.00: linear).",
            "",
            *_sizes(sizes),
            "",
            *(_same(one) for one in sizes),
            "",
            *_days(days),
            "",
            *_aims(sizes, days),
        ]
    )


def _sizes(sizes: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| events | rows | runs | Spark, s | events/s | memory, GiB | DuckDB, s | events/s "
        "| memory, GiB | Spark / DuckDB | growth |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in sizes:
        spark, duck, events = one["spark"], one["duckdb"], one["events"]
        lines.append(
            f"| {events:,} | {spark['rows']:,} | {one['repeat']} | {spark['seconds']:.1f} "
            f"| {events / spark['seconds']:,.0f} | {spark['memory']:.1f} "
            f"| {duck['seconds']:.1f} | {events / duck['seconds']:,.0f} | {duck['memory']:.1f} "
            f"| {_ratio(one):.2f} | {_growth(one, sizes):.2f} |"
        )
    return lines


def _same(one: dict[str, Any]) -> str:
    same = one["same"]
    return (
        f"- {one['events']:,} events: {same['rows']:,} rows compared "
        f"({same['rows'] / one['spark']['rows']:.0%} of them), {same['missing']} in one result "
        f"only, {same['unequal']} with another label; largest difference of a feature "
        f"{same['largest']:.1e}."
    )


def _days(days: list[dict[str, Any]]) -> list[str]:
    if not days:
        return []
    lines = [
        "One more day, built from the carried states that the day before it left (the median of "
        "three such days):",
        "",
        "| users | days of history | one more day, s | ratio |",
        "|---|---|---|---|",
    ]
    for one in days:
        ratio = one["seconds"] / days[0]["seconds"]
        lines.append(
            f"| {one['users']:,} | {one['history']} | {one['seconds']:.1f} | {ratio:.2f} |"
        )
    return lines


def _aims(sizes: list[dict[str, Any]], days: list[dict[str, Any]]) -> list[str]:
    reference = min(sizes, key=lambda one: abs(one["events"] - 20e6))
    # The first is what the others are held against.
    growth = max(_growth(one, sizes) for one in sizes[1:]) if len(sizes) > 1 else None
    day = days[-1]["seconds"] / days[0]["seconds"] if len(days) > 1 else None
    return [
        "| aim | measured | |",
        "|---|---|---|",
        _aim(
            f"at most {_RATIO:.0f} times DuckDB's time at "
            f"{reference['events'] / 1e6:.0f} million events",
            _ratio(reference),
            _RATIO,
        ),
        _aim(f"growth within {_GROWTH} of linear", growth, _GROWTH),
        _aim(f"a day after 365 days at most {_DAY} of a day after 30", day, _DAY),
        "| nothing by user collected on the driver | results limited to 4 MB "
        "(`spark.driver.maxResultSize`) | met |",
        "",
        f"A history shorter than the features' memory ({MEMORY} periods) reads all of its events, "
        "a longer one only those.",
    ]


def _aim(told: str, value: float | None, most: float) -> str:
    if value is None:
        return f"| {told} | not measured in this run | **open** |"
    return f"| {told} | {value:.2f} | {_met(value, most)} |"


def _met(value: float, most: float) -> str:
    return "met" if value <= most else "**not met**"


def _ratio(one: dict[str, Any]) -> float:
    return float(one["spark"]["seconds"] / one["duckdb"]["seconds"])


def _growth(one: dict[str, Any], sizes: list[dict[str, Any]]) -> float:
    first = sizes[0]
    each = one["spark"]["seconds"] / one["events"]
    return float(each / (first["spark"]["seconds"] / first["events"]))
