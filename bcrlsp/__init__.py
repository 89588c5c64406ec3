"""Budget constrained reinforcement learning for sequential promotion (arXiv 2207.07790)."""

__version__ = "0.1.0"
