"""Delta tables: their schemas, and the one module that reads and writes them."""

from bcrlsp.tables.lake import MADE_BY, Lake, Settings
from bcrlsp.tables.schemas import EVENT_TABLES, TABLES, Table

__all__ = ["EVENT_TABLES", "MADE_BY", "TABLES", "Lake", "Settings", "Table"]
