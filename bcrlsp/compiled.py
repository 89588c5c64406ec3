"""The one way in which functions are compiled: kept on disk where Numba finds a place for it.

Numba keeps compiled code beside the module, or in the user's cache folder. From a wheel that is
imported as it is (`spark-submit --py-files`) on a machine without a home it finds neither, and then
refuses to define the function at all; here the function is compiled anew in each process instead.
"""

from collections.abc import Callable
from typing import Any

import numba


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorator: `numba.njit` with these options, cached where that can be."""

    def compile_function(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            return numba.njit(**options)(function)

    return compile_function
