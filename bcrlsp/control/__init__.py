"""Near-real-time cost control: decisions at a price of money, and a ledger that no budget passes.

NumPy and the standard library alone. `bcrlsp.control.stream` runs it on Spark.
"""

from bcrlsp.control.ledger import Ledger, Line, MemoryStore, SqliteStore, Store
from bcrlsp.control.limits import Limit
from bcrlsp.control.money import Money
from bcrlsp.control.rule import PriceRule

__all__ = ["Ledger", "Limit", "Line", "MemoryStore", "Money", "PriceRule", "SqliteStore", "Store"]
