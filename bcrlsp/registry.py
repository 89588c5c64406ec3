"""One registry for every extension point.

An extension (an algorithm, an estimator, an event source, a budget rule, a command) is one module
in the registry's package that calls `register`. The package's modules are imported on first use,
so that a new extension is one new file and no other edit.
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Generic, TypeVar

from bcrlsp.errors import ConfigError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named extensions of one kind, found in the modules of one package.

    kind: what an entry is called in messages, such as "algorithm".
    package: the dotted name of the package whose modules register themselves.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: the entry under `name`. A name may be taken once."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return add

    def get(self, name: str) -> T:
        """The entry called `name`; `ConfigError` lists what there is when there is none."""
        self._load()
        try:
            return self._entries[name]
        except KeyError:
            allowed = ", ".join(self.names())
            raise ConfigError(f"unknown {self.kind} {name!r}; allowed: {allowed}") from None

    def names(self) -> list[str]:
        """All names, sorted."""
        self._load()
        return sorted(self._entries)

    def _load(self) -> None:
        if self._loaded:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        self._loaded = True
