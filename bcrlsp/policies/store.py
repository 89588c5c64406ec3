"""Saved policies: a folder with policy.json and weights.npz, read without pickle.

policy.json holds the manifest, the SHA-256 of the weights' bytes and, over both, one `digest`. So a
folder that is truncated, edited or mixed is told apart from a policy. Whoever changes the files can
write a new digest as well: the table `policies` keeps the digest of what was trained, and
`load_policy` takes the one that is expected.
"""

import hashlib
from os import PathLike

from bcrlsp.errors import DataError
from bcrlsp.policies.document import Document, compose, parse
from bcrlsp.policies.folder import Folder, absolute_uri
from bcrlsp.policies.network import Network
from bcrlsp.policies.policy import Policy
from bcrlsp.policies.weights import check_weights, largest_size, pack, unpack, weights_digest

__all__ = ["absolute_uri", "load_policy", "policy_digest", "save_policy", "weights_digest"]

MANIFEST, WEIGHTS = "policy.json", "weights.npz"
_MOST_BYTES = 16 * 2**20


def save_policy(policy: Policy, uri: str | PathLike[str]) -> str:
    """Writes the policy to the folder `uri`; returns `uri`.

    A local folder appears whole or not at all. Elsewhere policy.json is written last, and nothing
    without it is a policy. Saving the same policy again changes nothing, but that the folder of an
    older version gets its digest.
    Raises DataError where `uri` already holds something else, or the weights are no policy's.
    """
    if not isinstance(policy, Policy):
        raise DataError(f"policy is a {type(policy).__name__}; allowed: a Policy")
    folder, manifest = Folder(uri), policy.manifest
    check_weights(manifest.network, policy.network.weights, f"policy {policy.policy_id}")
    packed = pack(policy.network.weights)
    document, digest = compose(manifest, packed)
    if folder.exists or not folder.make({WEIGHTS: packed, MANIFEST: document}):
        held = _held(folder, hashlib.sha256(packed).hexdigest())
        if held is None or held.manifest != manifest or held.digest not in (None, digest):
            raise DataError(
                f"{uri} exists and is not policy {policy.policy_id} as it is saved now; give "
                "another place, or remove that folder"
            )
        if held.digest is None:
            folder.replace(MANIFEST, document)
    return str(uri)


def policy_digest(policy: Policy) -> str:
    """SHA-256, in hexadecimal, that the policy has where it is saved: of manifest and weights."""
    return compose(policy.manifest, pack(policy.network.weights))[1]


def load_policy(uri: str | PathLike[str], digest: str | None = None) -> Policy:
    """The policy saved in the folder `uri`: a path, or a URI such as file:///… or s3://….

    digest: the one that the policy must have, as the table `policies` keeps it; None: any.
    Runs without Ray, Spark, torch and pickle. Raises DataError where there is no policy, where its
    files are truncated, edited, of another format, or do not belong together, and where the policy
    is not the expected one.
    """
    folder = Folder(uri)
    if digest is not None and not isinstance(digest, str):
        raise DataError(f"digest is {digest!r}; allowed: the text in the table policies, or None")
    where = f"{uri}/{MANIFEST}"
    document = parse(folder.read(MANIFEST, _MOST_BYTES), where)
    if document.digest is None:
        raise DataError(
            f"{where} has no digest: it was saved by an older version, or edited; train again with "
            "the same settings, which gives the same policy its digest"
        )
    if digest is not None and document.digest != digest:
        raise DataError(
            f"{uri} holds another policy than the one that was trained: its digest is "
            f"{document.digest[:12]}… and {digest[:12]}… is expected (table policies); bring the "
            "saved files back, or train again"
        )
    spec = document.manifest.network
    packed = folder.read(WEIGHTS, largest_size(spec))
    if hashlib.sha256(packed).hexdigest() != document.weights:
        raise DataError(
            f"{uri}/{WEIGHTS} is not what {MANIFEST} was written with (truncated, or of another "
            "policy); train and save it again"
        )
    weights = unpack(packed, spec, f"{uri}/{WEIGHTS}")
    return Policy(document.manifest, Network(spec, weights), document.digest)


def _held(folder: Folder, weights: str) -> Document | None:
    """What the folder says it holds; None unless it is a whole policy with these weights."""
    try:
        document = parse(folder.read(MANIFEST, _MOST_BYTES), f"{folder.uri}/{MANIFEST}")
        packed = folder.read(WEIGHTS, largest_size(document.manifest.network))
    except DataError:
        return None
    same = document.weights == weights == hashlib.sha256(packed).hexdigest()
    return document if same else None
