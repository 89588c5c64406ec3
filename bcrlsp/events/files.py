"""Reading the user's tables, folders and files, so that nothing in them is lost in silence."""

from collections.abc import Collection, Mapping, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from bcrlsp.errors import DataError
from bcrlsp.events import names
from bcrlsp.events.names import cleaned, quoted
from bcrlsp.events.reading import told
from bcrlsp.places import absolute, literal

MALFORMED = "_corrupt_record"
"""Column with the text of a row that its file's format cannot be read as."""

# A column that only some of the files have is a column, and a row's extra values are no others'.
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "parquet": {"mergeSchema": "true"},
    "orc": {"mergeSchema": "true"},
    "csv": {"enforceSchema": "false", "columnPruning": "false"},
}


def read(
    spark: SparkSession,
    place: str,
    from_: str,
    kind: str,
    options: Mapping[str, str],
    as_text: Collection[str],
) -> DataFrame:
    """The rows of a table, a folder or a file.

    place: of the setting, for errors. from_: a table's name, or a path (it has a / or begins with
    ~). kind: format of a path. as_text: columns of a CSV file (lower case) that stay as written,
    whatever type their values suggest. DataError, one line, when it cannot be read.
    """
    try:
        if "/" not in from_ and not from_.startswith("~"):
            rows = spark.table(from_)
        else:
            path = literal(absolute(from_) if from_.startswith("~") else from_)
            rows = _load(spark, path, kind, dict(options), as_text)
        rows.schema  # noqa: B018 - Connect resolves a table only when its schema is asked for
    except Exception as error:  # a format that is not there is an error of the JVM's own
        raise DataError(f"{place}.from = {from_!r} cannot be read: {told(error)}") from None
    return _clean(rows)


def _load(
    spark: SparkSession, path: str, kind: str, options: dict[str, str], as_text: Collection[str]
) -> DataFrame:
    given = {key.lower() for key in options}
    defaults = _OPTIONS.get(kind.lower(), {})
    options |= {key: value for key, value in defaults.items() if key.lower() not in given}
    if kind.lower() != "csv" or "columnnameofcorruptrecord" in given:
        return spark.read.format(kind).options(**options).load(path)
    schema = spark.read.format(kind).options(**options).load(path).schema
    if "enforceschema" not in given and _renamed(schema.names):
        # The reader named columns itself: no header has these names.
        options["enforceSchema"] = "true"
    fields = [
        StructField(f.name, StringType() if cleaned(f.name).lower() in as_text else f.dataType)
        for f in schema
    ]
    whole = StructType([*fields, StructField(MALFORMED, StringType())])
    options["columnNameOfCorruptRecord"] = MALFORMED
    return spark.read.format(kind).options(**options).schema(whole).load(path)


def _renamed(columns: Sequence[str]) -> bool:
    """Whether the reader named columns by their place: one had no name, or that of another."""
    for place, name in enumerate(columns):
        stem = name.removesuffix(str(place))
        if name == f"_c{place}" or (stem != name and names.repeated(stem, columns)):
            return True
    return False


def _clean(rows: DataFrame) -> DataFrame:
    """Columns without byte order marks and zero-width characters in their names."""
    plain = [cleaned(name) if cleaned(name) != name.strip() else name for name in rows.columns]
    if plain == rows.columns or len(set(plain)) < len(plain):
        return rows
    pairs = zip(rows.columns, plain, strict=True)
    return rows.select(*(F.col(quoted(old)).alias(new) for old, new in pairs))
