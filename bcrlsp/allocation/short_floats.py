"""Costs in single or half precision as the decimals that they stand for.

A float of fewer digits than a double stands for the shortest decimal that is read back as itself,
which is the one that NumPy writes: 9999.99, not 9999.990234375.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.blocks import threads_for
from bcrlsp.compiled import compiled

_SHORT = (np.dtype(np.float32), np.dtype(np.float16))
# Between these a power of ten and a decimal's digits are exact in a double.
_LOW, _HIGH = 1e-12, 1e15
_POWERS = 10.0 ** np.arange(23)
# Decimal order of 2^(e - 127), by the bits e of a float32: its own or one less.
_ORDERS = np.floor(np.log10(2.0) * (np.arange(256) - 127)).astype(np.int64)


def as_written(held: NDArray[Any]) -> NDArray[Any]:
    """Numbers of any shape; those of fewer digits than a double as doubles.

    An array of objects may hold both.
    """
    if held.dtype == np.float32:
        several = np.ascontiguousarray(held).ravel()
        found = np.empty(len(several))
        bits = several.view(np.uint32)
        _shortest(several, bits, _POWERS, _ORDERS, threads_for(len(several)), found)
        odd = np.flatnonzero((np.abs(several) < _LOW) | (np.abs(several) > _HIGH))
        found[odd] = _by_text(several[odd])
        return found.reshape(held.shape)
    if held.dtype == np.float16:
        return _by_text(held)
    if held.dtype.kind == "O":
        short = (np.float32, np.float16)
        kinds = set(map(type, held.ravel().tolist()))
        if any(issubclass(kind, short) for kind in kinds):
            read = [float(str(x)) if isinstance(x, short) else x for x in held.ravel().tolist()]
            again = np.empty(held.size, dtype=object)
            again[:] = read
            return again.reshape(held.shape)
    return held


def _by_text(held: NDArray[Any]) -> NDArray[np.float64]:
    """By NumPy's own text of each distinct number."""
    distinct, inverse = np.unique(held, return_inverse=True)
    read = np.array([float(str(number)) for number in distinct], dtype=np.float64)
    return np.asarray(read[inverse].reshape(held.shape))


@compiled(parallel=True)
def _shortest(held, bits, powers, orders, threads, found):  # type: ignore[no-untyped-def]
    """found: (n,) the shortest decimals of held (n,) float32 between _LOW and _HIGH.

    bits: (n,) of held. powers: of ten. orders: (256,) see _ORDERS.

    A float32 keeps every decimal of 6 digits: where the nearest one of 6 is read back as it, that
    is the shortest, written with zeros. All have one of 9.
    """
    n = held.shape[0]
    for t in numba.prange(threads):
        for i in range(n * t // threads, n * (t + 1) // threads):
            one = np.float64(held[i])
            found[i] = one
            size = abs(one)
            if not 1e-13 <= size <= 1e16 or (size < 1e6 and np.floor(size) == size):
                continue
            first = 5 - orders[(bits[i] >> 23) & 255]
            for places in range(first, first + 4):
                if places >= 0:
                    near = np.rint(size * powers[places]) / powers[places]
                else:
                    near = np.rint(size / powers[-places]) * powers[-places]
                if np.float32(near) == np.float32(size):
                    found[i] = np.copysign(near, one)
                    break
