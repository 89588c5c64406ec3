"""The one way in which functions are compiled: kept on disk where Numba may write.

Numba keeps compiled code beside the module, or in the user's cache folder. From a wheel that is
imported as it is (`spark-submit --py-files`) on a machine without a home it has neither, and then
refuses to define or to compile the function; here it is compiled anew in each process instead.
"""

import os
from collections.abc import Callable
from typing import Any

import numba

_FEW = 10_000


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorator: `numba.njit` with these options, cached where that can be."""

    def compile_function(function: Callable[..., Any]) -> Any:
        try:
            cached = numba.njit(cache=True, **options)(function)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            return numba.njit(**options)(function)
        return cached if _writable(cached.stats.cache_path) else numba.njit(**options)(function)

    return compile_function


def _writable(folder: str) -> bool:
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - Numba's own way to make it
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def threads_for(users: int) -> int:
    """Threads for a block: waking the others costs more than a few users do."""
    return int(numba.get_num_threads()) if users > _FEW else 1
