"""The prices: search, trust region, bound, and value as a function of one budget."""
