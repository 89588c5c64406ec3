"""Which policy a command works with: the one named, or the newest that may be used."""

from dataclasses import dataclass
from datetime import date

from pyspark.sql import functions as F

from bcrlsp.commands.base import Context
from bcrlsp.errors import DataError


@dataclass(frozen=True)
class Trained:
    """A row of the table policies."""

    policy_id: str
    as_of: date
    uri: str


def find_policy(context: Context, policy_id: str | None, by: date | None = None) -> Trained:
    """The policy called `policy_id`; without one the newest whose `as_of` is not after `by`.

    Raises DataError when there is none, or when its features are not those of the settings.
    """
    rows = context.lake.read("policies")
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
        names = [row["policy_id"] for row in context.lake.read("policies").limit(5).collect()]
        raise DataError(f"no policy {policy_id!r}; some that there are: {', '.join(names)}")
    if found["feature_set"] != context.feature_set.hash:
        raise DataError(
            f"policy {found['policy_id']} was trained on feature set {found['feature_set']} and "
            f"the settings give {context.feature_set.hash}; train again, or use its settings"
        )
    return Trained(found["policy_id"], found["as_of"], found["uri"])
