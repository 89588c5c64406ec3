"""What a folder holds and what Spark would read of it: no file is left out in silence.

Spark leaves out sub-folders, and files and folders whose names begin with _ or a dot. Files are
listed by Spark's own reader, so that it works wherever Spark reads; hidden ones, which it does not
list, are asked for by patterns.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from pyspark.sql import SparkSession

from bcrlsp.errors import DataError

FILE_FORMATS = frozenset(("avro", "csv", "json", "orc", "parquet", "text", "xml"))
"""Formats whose files are looked for."""

_LISTED = ("path", "modificationTime", "length", "content")  # what files are listed with
_ENDINGS = (
    "avro,bz2,csv,dat,deflate,gz,json,jsonl,lz4,ndjson,orc,parq,parquet,psv,snappy,tsv,txt,xml,zst"
)
# Beginnings of names that Spark leaves out; not ._x of macOS, nor locks of editors.
_BEGINNINGS = "_,.[!_#~]"
_ENDING = re.compile(rf"\.({_ENDINGS.replace(',', '|')})$", re.IGNORECASE)
# Folders that writers and tools keep beside the data.
_OWN = re.compile(
    r"^(_delta_log|_delta_index|_change_data|_temporary|_spark_metadata|_symlink_format_manifest|"
    r"_hoodie.*|\.(hoodie|git|svn|idea|ipynb_checkpoints|trash.*|hive-staging.*|spark-staging.*))$",
    re.IGNORECASE,
)
_WAY_OUT = "rename them, or say which files are meant, as by options: {pathGlobFilter: '[!_.]*'}"
# Levels and folders that hidden files are looked for in: each folder is listed once more.
_DEEPEST, _MOST = 6, 1000


@dataclass(frozen=True)
class Folder:
    """How a folder is to be read. partitions: columns that its folders' names give.

    recursive: whether the files of its sub-folders are asked for, too.
    """

    partitions: tuple[str, ...] = ()
    recursive: bool = False


def look(spark: SparkSession, path: str, kind: str, options: Mapping[str, str]) -> Folder:
    """Looks at a folder, a file or a pattern of these before it is read.

    path: as the reader takes it. DataError, one line, when some of its files would not be read.
    """
    given = {key.lower() for key in options}
    path = path.rstrip("/") or path
    if kind.lower() not in FILE_FORMATS or "recursivefilelookup" in given:
        return Folder()
    found = _files(spark, path, options)
    if found is None:
        return Folder()  # what is wrong is told when it is read
    if [_plain(file) for file in found] == [_plain(path)]:
        return Folder()  # one file, by its name
    if "pathglobfilter" not in given:
        _refuse_hidden(spark, path, options, found)
    if not found:
        raise DataError("there is no file in it")
    named = partition_names(found)
    if set(named) == {()}:
        return Folder(recursive="basepath" not in given)
    plain = spark.read.format("binaryFile").options(**options).load(path)
    partitions = tuple(name for name in plain.columns if name not in _LISTED)
    if partitions and len(named) > 1:
        fewest = named[min(named, key=len)]
        raise DataError(
            f"{fewest} does not lie in folders {'/'.join(f'{name}=...' for name in partitions)} as "
            "others do, and Spark would leave it out; give each layout a folder of its own"
        )
    return Folder(partitions, recursive=not partitions and "basepath" not in given)


def _plain(path: str) -> str:
    """A path without its file system and what makes a pattern's letters plain."""
    return re.sub(r"^[A-Za-z0-9+.-]+:/+", "/", path.replace("\\", ""))


def partition_names(files: Sequence[str]) -> dict[tuple[str, ...], str]:
    """The columns that files' folders name (`a=1/b=2`: a, b), each list with one of its files."""
    named: dict[tuple[str, ...], str] = {}
    for file in files:
        folders = file.split("/")[:-1]
        columns = tuple(part.partition("=")[0] for part in folders if "=" in part)
        named.setdefault(columns, file)
    return named


def levels(path: str, files: Sequence[str]) -> list[str]:
    """Patterns of the folders in which hidden files are looked for: that of `path` and below."""
    root = path.replace("\\", "") + "/"
    below = [file.partition(root)[2] for file in files if root in file]
    folders = {name.rpartition("/")[0] for name in below}
    deepest = max((name.count("/") for name in below), default=0 if files else _DEEPEST)
    if len(folders) > _MOST:
        return [path]
    return [path + "/[!_.]*" * depth for depth in range(min(deepest + 2, _DEEPEST))]


def is_own(file: str) -> bool:
    """Whether a file in a hidden folder is a writer's or a tool's own, and no data."""
    folders = file.split("/")[:-1]
    return any(_OWN.match(name) for name in folders) or not _ENDING.search(file)


def _refuse_hidden(
    spark: SparkSession, path: str, options: Mapping[str, str], found: Sequence[str]
) -> None:
    parent, _, last = path.rpartition("/")
    if last.startswith("*"):
        if "." in last and _files(spark, f"{parent}/{{{_BEGINNINGS}}}{last}", options) is not None:
            raise DataError(_told(f"{parent}/_{last}"))
        return
    if not found and last.startswith(("_", ".")) and _ENDING.search(last):
        raise DataError(_told(path))
    for folder in levels(path, found):
        for names in (f"{{{_BEGINNINGS}}}*.{{{_ENDINGS}}}", "_part-*"):
            if _files(spark, f"{folder}/{names}", options) is not None:
                raise DataError(_told(_which(spark, folder, options)))
        hidden = set(_files(spark, f"{folder}/[_.]*", options) or ()) - set(found)
        if any("/_delta_log/" in file for file in hidden):
            raise DataError(
                "it holds a Delta table, and not all files of one count: set format: delta"
            )
        lost = sorted(file for file in hidden if not is_own(file))
        if lost:
            raise DataError(_told(lost[0]))


def _which(spark: SparkSession, folder: str, options: Mapping[str, str]) -> str:
    """A hidden file's name, as far as a reader that does not list it can tell."""
    for beginning in _BEGINNINGS.split(","):
        for ending in _ENDINGS.split(","):
            name = f"{folder}/{beginning}*.{ending}"
            if _files(spark, name, options) is not None:
                return f"{folder.replace('[!_.]*', '*')}/{beginning[0]}*.{ending}"
    return f"{folder.replace('[!_.]*', '*')}/_part-*"


def _told(names: str) -> str:
    return (
        "Spark leaves out what has, or lies in a folder that has, a name that begins with _ or a "
        f"dot: {names}; {_WAY_OUT}"
    )


def _files(spark: SparkSession, path: str, options: Mapping[str, str]) -> list[str] | None:
    """The files that Spark finds there, plain text; None where there is nothing of that name."""
    reader = spark.read.format("binaryFile").options(**options)
    try:
        files = reader.option("recursiveFileLookup", "true").load(path).inputFiles()
    except Exception:  # a pattern that nothing has, or a place that cannot be listed
        return None
    return sorted(unquote(file) for file in files)
