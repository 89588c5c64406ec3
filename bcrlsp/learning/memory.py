"""Memory that Python no longer needs, given back to the system."""

import ctypes

import pyarrow as pa


def release_memory() -> None:
    """Returns freed memory to the system, so that what was read once does not stay resident.

    Arrow's pools, and the C library's heap where it is glibc: many small arrays leave holes there
    that it keeps for itself.
    """
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
