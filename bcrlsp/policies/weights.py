"""The arrays of a network as the bytes of an .npz file, without pickle and without compression."""

import hashlib
import io
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcrlsp.errors import DataError
from bcrlsp.policies.network import FloatArray, NetworkSpec

# What the file holds beside the numbers: headers of the arrays, and the archive's directory.
_BESIDE_EACH, _BESIDE_ALL = 1_024, 4_096


def pack(weights: Mapping[str, FloatArray]) -> bytes:
    """The arrays as an .npz file: the same weights are the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(weights):
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.ascontiguousarray(weights[name], "<f4"))
            # Entries carry a fixed date.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), entry.getvalue())
    return packed.getvalue()


def weights_digest(weights: Mapping[str, FloatArray]) -> str:
    """SHA-256 of the arrays, in hexadecimal: the same weights, the same digest."""
    return hashlib.sha256(pack(weights)).hexdigest()


def largest_size(spec: NetworkSpec) -> int:
    """Bytes that the packed arrays of a network take at most."""
    shapes = spec.shapes()
    names = sum(_BESIDE_EACH + 2 * len(name) for name in shapes)
    return 4 * sum(map(math.prod, shapes.values())) + names + _BESIDE_ALL


def unpack(packed: bytes, spec: NetworkSpec, where: str) -> dict[str, FloatArray]:
    """The arrays; DataError, which begins with `where`, unless they are those of the network.

    Nothing larger than the network's own arrays is ever made, whatever the file says.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            _check_entries(archive, spec, where)
            weights = {
                name: _array(archive.read(f"{name}.npy"), name, shape, where)
                for name, shape in spec.shapes().items()
            }
    except DataError:
        raise
    except (ValueError, OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{where} holds no arrays: {reason}") from None
    check_weights(spec, weights, where)
    return weights


def check_weights(spec: NetworkSpec, weights: Mapping[str, NDArray[Any]], where: str) -> None:
    """DataError, which begins with `where`, unless `weights` are a network's of this shape.

    Exactly the arrays of `spec.shapes()`, float32, finite, standard deviations above 0.
    """
    shapes = spec.shapes()
    _check_names(set(weights), set(shapes), where)
    for name, shape in shapes.items():
        held = weights[name]
        if held.shape != shape or held.dtype != np.float32:
            raise DataError(_wrong(where, name, shape, held.shape, held.dtype))
        if not np.isfinite(held).all():
            raise DataError(f"{where}: {name} holds numbers that are not finite; train it again")
    if not (weights["std"] > 0).all():
        column = int(np.argmin(weights["std"]))
        raise DataError(
            f"{where}: std of feature {column} is {weights['std'][column]}; allowed: above 0"
        )


def _check_entries(archive: zipfile.ZipFile, spec: NetworkSpec, where: str) -> None:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    _check_names(set(names), {f"{name}.npy" for name in spec.shapes()}, where)
    if len(set(names)) < len(names):
        raise DataError(f"{where} holds an array twice; train and save it again")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise DataError(f"{where}: {entry.filename} is compressed; train and save it again")


def _check_names(found: set[str], wanted: set[str], where: str) -> None:
    for name in sorted(found - wanted):
        raise DataError(f"{where}: unknown array {name}; allowed: {', '.join(sorted(wanted))}")
    for name in sorted(wanted - found):
        raise DataError(f"{where}: {name} is absent; train and save it again")


def _array(entry: bytes, name: str, shape: tuple[int, ...], where: str) -> FloatArray:
    stream = io.BytesIO(entry)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    version = np.lib.format.read_magic(stream)
    if version not in read:
        raise DataError(f"{where}: {name} is of another format; train and save it again")
    held, _, dtype = read[version](stream)
    if held != shape or dtype != np.dtype("<f4"):
        raise DataError(_wrong(where, name, shape, held, dtype))
    stream.seek(0)
    return np.asarray(np.lib.format.read_array(stream, allow_pickle=False), np.float32)


def _wrong(where: str, name: str, shape: tuple[int, ...], held: Any, dtype: Any) -> str:
    return f"{where}: {name} is {held} {dtype}; allowed: {shape} float32"
