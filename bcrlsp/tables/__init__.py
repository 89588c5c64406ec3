"""Delta tables: their schemas, and the one module that reads and writes them."""

from bcrlsp.tables.lake import Lake, Settings
from bcrlsp.tables.schemas import EVENT_TABLES, TABLES, Table

__all__ = ["EVENT_TABLES", "TABLES", "Lake", "Settings", "Table"]
