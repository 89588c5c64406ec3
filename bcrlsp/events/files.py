"""Reading the user's tables, folders and files, so that nothing in them is lost in silence."""

from collections.abc import Collection, Mapping, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, MapType, StringType, StructField, StructType

from bcrlsp.errors import DataError
from bcrlsp.events import names
from bcrlsp.events.folders import FILE_FORMATS, Folder, look
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
# Options of any format that say which files are read.
_OF_FOLDERS = ("pathglobfilter", "modifiedbefore", "modifiedafter", "recursivefilelookup")
# Whatever the session says: a file that is broken, or gone, is told.
_WHOLE = {"ignoreCorruptFiles": "false", "ignoreMissingFiles": "false"}


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
    ~). kind: format of a path. as_text: columns (lower case) of a CSV file or of folders' names
    that stay as written, whatever type their values suggest. DataError, one line, when it cannot be
    read, or not all of it.
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
    folder = look(spark, path, kind, options)
    given = {key.lower() for key in options}
    defaults = dict(_OPTIONS.get(kind.lower(), {}))
    if kind.lower() in FILE_FORMATS:
        defaults |= _WHOLE
    if folder.recursive:
        defaults["recursiveFileLookup"] = "true"
    options |= {key: value for key, value in defaults.items() if key.lower() not in given}
    plain = spark.read.format(kind).options(**options).load(path)
    if kind.lower() == "json":
        lower = {key.lower(): value for key, value in options.items()}
        if lower.get("multiline", "false").lower() == "true":
            _refuse_several(spark, path, lower)
        else:
            _refuse_no_lines(plain, folder)
    untyped = kind.lower() in ("csv", "xml")
    if not untyped and not folder.partitions:
        return plain
    schema = plain.schema
    if kind.lower() == "csv" and "enforceschema" not in given and _renamed(schema.names):
        # The reader named columns itself: no header has these names.
        options["enforceSchema"] = "true"
    fields = [
        StructField(f.name, StringType(), f.nullable)
        if cleaned(f.name).lower() in as_text
        and not isinstance(f.dataType, ArrayType | MapType | StructType)
        and (untyped or f.name in folder.partitions)
        else f
        for f in schema
    ]
    if kind.lower() == "csv" and "columnnameofcorruptrecord" not in given:
        fields.append(StructField(MALFORMED, StringType()))
        options["columnNameOfCorruptRecord"] = MALFORMED
    return spark.read.format(kind).options(**options).schema(StructType(fields)).load(path)


def _refuse_no_lines(rows: DataFrame, folder: Folder) -> None:
    """DataError where no line of JSON files is an object of its own."""
    if [name for name in rows.columns if name not in folder.partitions] == [MALFORMED]:
        raise DataError(
            "no line of it is a JSON object, so it holds no JSON lines; for one array or object "
            "over several lines a file set options: {multiLine: true}"
        )


def _refuse_several(spark: SparkSession, path: str, options: Mapping[str, str]) -> None:
    """DataError where a JSON file goes on after its first value: the rest would not be read."""
    ways = {key: options[key] for key in _OF_FOLDERS if key in options}
    lines = spark.read.format("text").options(**ways).load(path)
    files = lines.select("value", F.col("_metadata.file_path").alias("file")).groupBy("file")
    objects, arrays = (F.sum(F.col("value").startswith(c).cast("bigint")) for c in "{[")
    several = files.agg(objects.alias("o"), arrays.alias("a")).where("o > 1 AND a = 0")
    first = several.agg(F.count("*").alias("n"), F.min("file").alias("file")).first()
    if first is not None and first["n"]:
        raise DataError(
            f"{first['n']:,} of its files hold several JSON objects, such as {first['file']}, and "
            "multiLine reads the first alone; leave multiLine out where each has a line of its "
            "own, else make one array of them"
        )


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
