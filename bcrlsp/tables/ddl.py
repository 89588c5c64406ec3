"""The statements that make a table, and those that bring an older one up to date."""

from collections.abc import Collection, Iterator, Mapping

from bcrlsp.tables.schemas import Table


def create_statement(table: Table, identifier: str, keep: str) -> str:
    """SQL that creates the table with its constraints, in one transaction.

    identifier: what SQL calls it. keep: interval for which old versions stay readable.
    """
    columns = ", ".join(
        f"`{field.name}` {field.dataType.simpleString()}{'' if field.nullable else ' NOT NULL'}"
        for field in table.schema
    )
    layout = f" PARTITIONED BY ({', '.join(table.partition_by)})" if table.partition_by else ""
    rules = {f"delta.constraints.{check}": rule for check, rule in table.checks.items()}
    return (
        f"CREATE TABLE IF NOT EXISTS {identifier} ({columns}) USING DELTA{layout} "
        f"TBLPROPERTIES ({_listed(_properties(table, keep) | rules)})"
    )


def alterations(
    table: Table, columns: Collection[str], properties: Mapping[str, str], keep: str
) -> Iterator[str]:
    """What ALTER TABLE has to do to a table of an older version, or of other settings.

    columns, properties: what the table has. Columns that it lacks are added, null in its rows.
    """
    lacking = [field for field in table.schema if field.name not in columns]
    if lacking:
        added = (f"`{field.name}` {field.dataType.simpleString()}" for field in lacking)
        yield f"ADD COLUMNS ({', '.join(added)})"
    for check, rule in table.checks.items():
        if f"delta.constraints.{check}" not in properties:
            yield f"ADD CONSTRAINT {check} CHECK ({rule})"
    wanted = _properties(table, keep)
    if any(properties.get(key) != value for key, value in wanted.items()):
        yield f"SET TBLPROPERTIES ({_listed(wanted)})"


def _properties(table: Table, keep: str) -> dict[str, str]:
    return {
        "delta.deletedFileRetentionDuration": keep,
        "delta.logRetentionDuration": keep,
        "delta.autoOptimize.autoCompact": str(table.compacted).lower(),
    }


def _listed(properties: Mapping[str, str]) -> str:
    return ", ".join(f"{_text(key)} = {_text(value)}" for key, value in properties.items())


def _text(value: str) -> str:
    """The value as an SQL text."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
