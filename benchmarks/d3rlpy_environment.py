"""d3rlpy pins another gymnasium than RLlib: it has an environment of its own."""

import os
import subprocess
import sys
import venv
from pathlib import Path

VERSION = "2.8.1"
_PACKAGES = (
    f"d3rlpy=={VERSION} gymnasium==1.0.0 farama-notifications structlog colorama dataclasses-json "
    "marshmallow typing-inspect mypy-extensions h5py tqdm scikit-learn joblib threadpoolctl "
    "shimmy gym==0.26.2 gym-notices"
)
_ROOT = Path(__file__).parent.parent
_CACHE = _ROOT / ".cache" / "d3rlpy"


def python() -> str:
    """Python of d3rlpy's environment, made on first use: torch and this package are shared."""
    found, done = _CACHE / "bin" / "python", _CACHE / "installed"
    if not done.exists():
        print(f"making the environment {_CACHE}", file=sys.stderr)
        venv.create(_CACHE, with_pip=True, clear=True)
        pip = [str(found), "-m", "pip", "install", "--quiet", "--no-deps", *_PACKAGES.split()]
        subprocess.run(pip, check=True)
        (here,) = {path for path in sys.path if path.endswith("site-packages")}
        (site,) = _CACHE.glob("lib/python*/site-packages")
        (site / "zz_shared.pth").write_text(os.linesep.join([here, str(_ROOT.resolve()), ""]))
        done.touch()
    return str(found)
