"""The folder of a policy, on anything that pyarrow.fs opens; every failure is one line."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from shutil import rmtree
from uuid import uuid4

from pyarrow import fs

from bcrlsp.errors import DataError
from bcrlsp.places import absolute


def absolute_uri(uri: str | PathLike[str]) -> str:
    """The place as every process finds it; DataError, one line, where it names none."""
    try:
        return absolute(uri)
    except ValueError as error:
        raise DataError(f"the policy's place {uri!r} {error}") from None


class Folder:
    """A folder of a few small files.

    place: a path, or a URI such as file:///… or s3://…; DataError where nothing opens it.
    """

    def __init__(self, place: str | PathLike[str]) -> None:
        self.uri = uri = absolute_uri(place)
        if uri.startswith("dbfs:/"):
            place = uri.removeprefix("dbfs:")
            uri = place if place.startswith("/Volumes/") else f"/dbfs{place}"
        try:
            filesystem, path = fs.FileSystem.from_uri(
                uri if "://" in uri else Path(uri).absolute().as_uri()
            )
        except (ValueError, OSError) as error:
            raise DataError(f"cannot open {self.uri}: {_reason(error)}") from None
        self._filesystem: fs.FileSystem = filesystem
        self._path: str = path.rstrip("/")

    @property
    def exists(self) -> bool:
        """Whether something is there, a folder or not."""
        try:
            return bool(self._filesystem.get_file_info(self._path).type != fs.FileType.NotFound)
        except OSError as error:
            raise DataError(f"cannot open {self.uri}: {_reason(error)}") from None

    def read(self, name: str, most: int) -> bytes:
        """The bytes of a file; DataError where it is no plain file, or larger than `most` bytes."""
        path = f"{self._path}/{name}"
        try:
            info = self._filesystem.get_file_info(path)
            if info.type == fs.FileType.NotFound:
                raise DataError(f"there is no policy at {self.uri}: it has no {name}")
            if info.type != fs.FileType.File:
                raise DataError(f"{self.uri}/{name} is no plain file; train and save it again")
            if info.size > most:
                raise DataError(
                    f"{self.uri}/{name} has {info.size:,} bytes; allowed: at most {most:,} for "
                    "this policy; train and save it again"
                )
            with self._filesystem.open_input_stream(path) as stream:
                # It may grow while it is read: one byte more tells.
                content = bytes(stream.read(info.size + 1))
        except (FileNotFoundError, NotADirectoryError):
            raise DataError(f"there is no policy at {self.uri}: it has no {name}") from None
        except OSError as error:
            raise DataError(f"cannot read {self.uri}/{name}: {_reason(error)}") from None
        if len(content) > info.size:
            raise DataError(f"{self.uri}/{name} changes while it is read; try again")
        return content

    def make(self, files: Mapping[str, bytes]) -> bool:
        """Makes the folder with these files, the last one last; whether it was this call.

        A local folder appears whole or not at all; False where another run was first.
        """
        local = isinstance(self._filesystem, fs.LocalFileSystem)
        target = f"{self._path}.{uuid4().hex}.part" if local else self._path
        try:
            self._filesystem.create_dir(target, recursive=True)
            for name, content in files.items():
                self._write(f"{target}/{name}", content)
            if local:
                Path(target).rename(self._path)
        except OSError as error:
            if local and self.exists:
                return False
            raise DataError(f"cannot write {self.uri}: {_reason(error)}") from None
        finally:
            if local:
                rmtree(target, ignore_errors=True)
        return True

    def replace(self, name: str, content: bytes) -> None:
        """Replaces one file; a local one in one step."""
        path = f"{self._path}/{name}"
        try:
            if isinstance(self._filesystem, fs.LocalFileSystem):
                draft = f"{path}.{uuid4().hex}.part"
                self._write(draft, content)
                Path(draft).replace(path)
            else:
                self._write(path, content)
        except OSError as error:
            raise DataError(f"cannot write {self.uri}/{name}: {_reason(error)}") from None

    def _write(self, path: str, content: bytes) -> None:
        with self._filesystem.open_output_stream(path) as stream:
            stream.write(content)


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
