"""policy.json: the manifest, the digest of the weights, and one digest over both."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from bcrlsp.errors import DataError
from bcrlsp.policies.manifest import Manifest

FORMAT = 1
_WEIGHTS, _DIGEST = "weights_sha256", "digest"


@dataclass(frozen=True)
class Document:
    """What policy.json says.

    digest: SHA-256 of manifest and weights; None: a file of an older version, which has none.
    """

    manifest: Manifest
    weights: str
    digest: str | None


def compose(manifest: Manifest, packed: bytes) -> tuple[bytes, str]:
    """The content of policy.json, and its digest. packed: the bytes of the weights."""
    fields = json.loads(manifest.model_dump_json())
    fields = {_WEIGHTS: hashlib.sha256(packed).hexdigest(), **fields}
    digest = digest_of(fields)
    return json.dumps({_DIGEST: digest, **fields}, indent=1, allow_nan=False).encode(), digest


def digest_of(fields: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, of all fields but the digest, in one fixed way of writing them."""
    content = {name: value for name, value in fields.items() if name != _DIGEST}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def parse(content: bytes, where: str) -> Document:
    """What the file says; DataError, one line that begins with `where`, where it is no policy."""
    fields = _fields(content, where)
    number = fields.get("format", FORMAT)
    if number != FORMAT or isinstance(number, bool):
        raise DataError(
            f"{where}: format {_short(number)}; this version of bcrlsp reads format {FORMAT}: "
            "train again, or use the version that saved it"
        )
    digest, own = fields.pop(_DIGEST, None), digest_of(fields)
    if digest is not None and digest != own:
        raise DataError(
            f"{where} was changed after the policy was saved: its digest is not that of what it "
            "says; bring the saved file back, or train again"
        )
    weights = fields.pop(_WEIGHTS, None)
    if not isinstance(weights, str):
        raise _no_policy(where)
    try:
        manifest = Manifest.model_validate_json(json.dumps(fields), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ").splitlines()[0]
        value = "" if isinstance(first["input"], dict) else f" = {_short(first['input'])}"
        raise DataError(f"{where}: {place}{value}: {message}") from None
    return Document(manifest, weights, digest)


def _fields(content: bytes, where: str) -> dict[str, Any]:
    try:
        fields = json.loads(
            content.decode("utf-8"),
            parse_constant=_not_finite,
            parse_float=_finite,
            object_pairs_hook=_once,
        )
    except _NotFiniteError as error:
        raise DataError(f"{where} holds the number {error}; allowed: finite numbers") from None
    except (ValueError, RecursionError):
        raise _no_policy(where) from None
    if not isinstance(fields, dict):
        raise _no_policy(where)
    return fields


class _NotFiniteError(Exception):
    """A NaN or an infinity, which JSON has not."""


def _not_finite(text: str) -> float:
    raise _NotFiniteError(text)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _not_finite(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name twice")
    return found


def _no_policy(where: str) -> DataError:
    return DataError(f"{where} is no policy of this format; train and save it again")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
