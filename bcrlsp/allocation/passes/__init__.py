"""One pass over all users at given prices: blocks, compiled kernels, exact sums."""
