"""Ledgers of committed and redeemed money: one state machine over a small interface of stores."""

from bcrlsp.control.ledger.commitments import Chosen
from bcrlsp.control.ledger.entries import Entry, Line, State, Store
from bcrlsp.control.ledger.ledger import Ledger
from bcrlsp.control.ledger.memory import MemoryStore
from bcrlsp.control.ledger.sqlite import SqliteStore

__all__ = ["Chosen", "Entry", "Ledger", "Line", "MemoryStore", "SqliteStore", "State", "Store"]
