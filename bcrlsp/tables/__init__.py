"""Delta tables: their schemas, and the one module that reads and writes them."""

from bcrlsp.tables.lake import Guard, Lake
from bcrlsp.tables.patience import patiently, until_whole
from bcrlsp.tables.rows import as_rows, fingerprint
from bcrlsp.tables.schemas import EVENT_TABLES, MADE_BY, TABLES, Table
from bcrlsp.tables.settings import Settings

__all__ = [
    "EVENT_TABLES",
    "MADE_BY",
    "TABLES",
    "Guard",
    "Lake",
    "Settings",
    "Table",
    "as_rows",
    "fingerprint",
    "patiently",
    "until_whole",
]
