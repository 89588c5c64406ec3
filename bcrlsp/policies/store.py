"""Saved policies: a folder with policy.json and weights.npz, read without pickle.

policy.json holds the manifest and the SHA-256 of the weights, so that a truncated, mixed or foreign
folder is told apart from a policy. Anything that pyarrow.fs opens can hold it.
"""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from uuid import uuid4

import numpy as np
from pyarrow import fs
from pydantic import ValidationError

from bcrlsp.errors import DataError
from bcrlsp.policies.network import FloatArray, Network
from bcrlsp.policies.policy import Manifest, Policy

MANIFEST, WEIGHTS = "policy.json", "weights.npz"


def save_policy(policy: Policy, uri: str) -> str:
    """Writes the policy to the folder `uri`; returns `uri`.

    A local folder appears whole or not at all. Elsewhere policy.json is written last, and nothing
    without it is a policy. Saving the same policy again changes nothing.
    Raises DataError where `uri` already holds something else.
    """
    filesystem, path = _open(uri)
    weights = _pack(policy.network.weights)
    manifest = policy.manifest.model_dump_json()
    document = json.dumps({"weights_sha256": _digest(weights), **json.loads(manifest)}, indent=1)
    if filesystem.get_file_info(path).type != fs.FileType.NotFound:
        try:
            same = load_policy(uri).manifest == policy.manifest
        except DataError:
            same = False
        if not same:
            raise DataError(
                f"{uri} exists and is not policy {policy.policy_id}; give another place"
            )
        return uri
    local = isinstance(filesystem, fs.LocalFileSystem)
    target = f"{path}.{uuid4().hex}.part" if local else path
    filesystem.create_dir(target, recursive=True)
    for name, content in ((WEIGHTS, weights), (MANIFEST, document.encode())):
        with filesystem.open_output_stream(f"{target}/{name}") as stream:
            stream.write(content)
    if local:
        Path(target).rename(path)
    return uri


def load_policy(uri: str) -> Policy:
    """The policy saved in the folder `uri`: a path, or a URI such as file:///… or s3://….

    Runs without Ray, Spark, torch and pickle. Raises DataError where there is no policy, or where
    its files are truncated, of another format, or do not belong together.
    """
    filesystem, path = _open(uri)
    document = _read(filesystem, path, MANIFEST, uri)
    try:
        fields = json.loads(document)
        digest = fields.pop("weights_sha256")
        manifest = Manifest.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise DataError(f"{uri}/{MANIFEST}: {place}: {message}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(
            f"{uri}/{MANIFEST} is no policy of this format; train and save it again"
        ) from None
    packed = _read(filesystem, path, WEIGHTS, uri)
    if _digest(packed) != digest:
        raise DataError(
            f"{uri}/{WEIGHTS} is not what {MANIFEST} was written with (truncated, or of another "
            "policy); train and save it again"
        )
    return Policy(manifest, Network(manifest.network, _unpack(packed, manifest, uri)))


def absolute_uri(uri: str) -> str:
    """`uri`, or the absolute path where it is a relative one: the same place in every process."""
    return uri if ":/" in uri else str(Path(uri).absolute())


def weights_digest(weights: dict[str, FloatArray]) -> str:
    """SHA-256 of the arrays, in hexadecimal: the same weights, the same digest."""
    return _digest(_pack(weights))


def _pack(weights: dict[str, FloatArray]) -> bytes:
    # Entries carry a fixed date: the same weights are the same bytes.
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(weights):
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.ascontiguousarray(weights[name], "<f4"))
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), entry.getvalue())
    return packed.getvalue()


def _unpack(packed: bytes, manifest: Manifest, uri: str) -> dict[str, FloatArray]:
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as archive:
            weights = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{uri}/{WEIGHTS} holds no arrays: {error}") from None
    for name, shape in manifest.network.shapes().items():
        held = weights.get(name)
        if held is None or held.shape != shape or not np.isfinite(held).all():
            found = "absent" if held is None else f"{held.shape}"
            raise DataError(f"{uri}/{WEIGHTS}: {name} is {found}; allowed: {shape}, finite")
    return weights


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _open(uri: str) -> tuple[fs.FileSystem, str]:
    if uri.startswith("dbfs:/"):
        place = uri.removeprefix("dbfs:")
        uri = place if place.startswith("/Volumes/") else f"/dbfs{place}"
    try:
        filesystem, path = fs.FileSystem.from_uri(
            uri if "://" in uri else Path(uri).absolute().as_uri()
        )
    except (ValueError, OSError) as error:
        raise DataError(f"cannot open {uri}: {str(error).splitlines()[0]}") from None
    return filesystem, path.rstrip("/")


def _read(filesystem: fs.FileSystem, path: str, name: str, uri: str) -> bytes:
    try:
        with filesystem.open_input_stream(f"{path}/{name}") as stream:
            return bytes(stream.read())
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"there is no policy at {uri}: it has no {name}") from None
    except OSError as error:
        raise DataError(f"cannot read {uri}/{name}: {str(error).splitlines()[0]}") from None
