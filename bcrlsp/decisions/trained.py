"""Which policy decides: the one named, or the newest that may be used."""

from dataclasses import dataclass
from datetime import date

from pyspark.sql import Row
from pyspark.sql import functions as F

from bcrlsp.decisions.deployment import Deployment
from bcrlsp.errors import DataError
from bcrlsp.policies import Policy, load_policy


@dataclass(frozen=True, eq=False)
class Trained:
    """A row of the table policies, and the policy that it is of.

    digest: of manifest and weights, which whoever loads the policy again must find.
    """

    policy_id: str
    as_of: date
    uri: str
    digest: str
    policy: Policy


def find_policy(deployment: Deployment, policy_id: str | None, by: date | None = None) -> Trained:
    """The policy called `policy_id`; without one the newest whose `as_of` is not after `by`.

    Raises DataError when there is none, when its files are not those that were trained, or when its
    amounts or features are not those of the settings.
    """
    rows = deployment.lake.read("policies")
    if policy_id is not None:
        rows = rows.where(F.col("policy_id") == policy_id)
    elif by is not None:
        rows = rows.where(F.col("as_of") <= F.lit(by))
    found = rows.orderBy(F.desc("as_of"), F.desc("created_ts"), "policy_id").first()
    if found is None:
        if policy_id is None:
            raise DataError(
                f"no policy was trained as of {by} or before; "
                f"`bcrlsp train --as-of {by}` makes one, or name one with --policy"
            )
        names = [row["policy_id"] for row in deployment.lake.read("policies").limit(5).collect()]
        raise DataError(f"no policy {policy_id!r}; some that there are: {', '.join(names)}")
    if by is not None and found["as_of"] > by:
        deployment.log(
            f"  warning: policy {policy_id} was trained as of {found['as_of']}, after {by}: it has "
            "seen what came later"
        )
    policy = load_policy(found["uri"], found["digest"])
    if found["digest"] is None:
        deployment.log(
            f"  warning: the table policies keeps no digest of {found['policy_id']}, so nobody "
            "knows whether its files are those that were trained; train again to have it"
        )
    _check(deployment, found, policy)
    return Trained(found["policy_id"], found["as_of"], found["uri"], policy.digest, policy)


def _check(deployment: Deployment, row: Row, policy: Policy) -> None:
    """DataError unless the manifest says what its row and the settings say."""
    name, manifest = row["policy_id"], policy.manifest
    if manifest.amounts != deployment.amounts:
        raise DataError(
            f"policy {name} was trained on the amounts {_told(manifest.amounts)} and the settings "
            f"give {_told(deployment.amounts)}; train again, or use its settings"
        )
    if row["feature_set"] != deployment.feature_set.hash:
        raise DataError(
            f"policy {name} was trained on feature set {row['feature_set']} and "
            f"the settings give {deployment.feature_set.hash}; train again, or use its settings"
        )
    for field in ("policy_id", "algorithm", "feature_set"):
        if row[field] != getattr(manifest, field):
            raise DataError(
                f"{row['uri']} holds a policy whose {field} is {getattr(manifest, field)}, and the "
                f"table policies says {row[field]} of {name}; bring the saved files back, or train "
                "again"
            )


def _told(amounts: tuple[float, ...]) -> str:
    return ", ".join(f"{amount:g}" for amount in amounts)
