"""Costs in single or half precision as the decimals that they stand for.

A float of fewer digits than a double stands for the shortest decimal that is read back as itself,
which is the one that NumPy writes: 9999.99, not 9999.990234375.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from bcrlsp.compiled import compiled, threads_for

_SHORT = (np.dtype(np.float32), np.dtype(np.float16))
# Between these a power of ten and a decimal's digits are exact in a double.
_LOW, _HIGH = 1e-12, 1e15
_POWERS = 10.0 ** np.arange(23)
# Decimal order of 2^(e - 127), by the bits e of a float32: its own or one less.
_ORDERS = np.floor(np.log10(2.0) * (np.arange(256) - 127)).astype(np.int64)


def as_written(numbers: NDArray[Any]) -> NDArray[Any]:
    """Numbers of any shape; those of fewer digits than a double as doubles.

    An array of objects may hold both.
    """
    if numbers.dtype == np.float32:
        several = np.ascontiguousarray(numbers).ravel()
        found = np.empty(len(several))
        bits = several.view(np.uint32)
        _shortest(several, bits, _POWERS, _ORDERS, threads_for(len(several)), found)
        odd = np.flatnonzero((np.abs(several) < _LOW) | (np.abs(several) > _HIGH))
        found[odd] = _by_text(several[odd])
        return found.reshape(numbers.shape)
    if numbers.dtype == np.float16:
        return _by_text(numbers)
    if numbers.dtype.kind == "O":
        short = (np.float32, np.float16)
        kinds = set(map(type, numbers.ravel().tolist()))
        if any(issubclass(kind, short) for kind in kinds):
            read = [float(str(x)) if isinstance(x, short) else x for x in numbers.ravel().tolist()]
            again = np.empty(numbers.size, dtype=object)
            again[:] = read
            return again.reshape(numbers.shape)
    return numbers


def _by_text(numbers: NDArray[Any]) -> NDArray[np.float64]:
    """By NumPy's own text of each distinct number."""
    distinct, inverse = np.unique(numbers, return_inverse=True)
    read = np.array([float(str(number)) for number in distinct], dtype=np.float64)
    return np.asarray(read[inverse].reshape(numbers.shape))


@compiled(parallel=True)
def _shortest(numbers, bits, powers, orders, threads, found):  # type: ignore[no-untyped-def]
    """found: (n,) the shortest decimals of numbers (n,) float32 between _LOW and _HIGH.

    bits: (n,) of numbers. powers: of ten. orders: (256,) see _ORDERS.

    A float32 keeps every decimal of 6 digits: where the nearest one of 6 is read back as it, that
    is the shortest, written with zeros. All have one of 9.
    """
    n = numbers.shape[0]
    for t in numba.prange(threads):
        for i in range(n * t // threads, n * (t + 1) // threads):
            one = np.float64(numbers[i])
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
