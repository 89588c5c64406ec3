"""One registry for every extension point.

An extension (an algorithm, an estimator, an event source, a budget rule, a command) is one module
in the registry's package that calls `register`. The package's modules are imported on first use,
so that a new extension is one new file and no other edit.

Another package can bring extensions too: each of its entry points in the registry's group (such
as `bcrlsp.algorithms`) names a module, which is imported and registers itself in the same way.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from bcrlsp.errors import ConfigError
from bcrlsp.extras import missing_dependency

T = TypeVar("T")


class Registry(Generic[T]):
    """Named extensions of one kind, found in the modules of one package.

    kind: what an entry is called in messages, such as "algorithm".
    package: the dotted name of the package whose modules register themselves.
    group: the group of entry points by which other distributions name modules that do the same.
    also: modules of ours that register themselves from a higher floor, as an entry point would.
    """

    def __init__(self, kind: str, package: str, group: str, also: Sequence[str] = ()) -> None:
        self.kind = kind
        self._also = tuple(also)
        self.group = group
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
        except (KeyError, TypeError):
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
            _load_module(f"{self._package}.{module.name}")
        for name in self._also:
            _load_module(name)
        for plugin in sorted(entry_points(group=self.group), key=lambda point: point.name):
            self._load_plugin(plugin)
        self._loaded = True

    def _load_plugin(self, plugin: EntryPoint) -> None:
        """Import one module of another distribution; `ConfigError` names it where that fails."""
        try:
            plugin.load()
        except Exception as error:
            distribution = plugin.dist.name if plugin.dist else "an unknown distribution"
            raise ConfigError(
                f"the plugin {plugin.value} of {distribution} (entry point {plugin.name!r} of "
                f"{self.group}) cannot be loaded: {type(error).__name__}: {error}; mend or "
                f"uninstall {distribution}"
            ) from error


def _load_module(name: str) -> None:
    """Import a module of ours; one line names the extra where a package is not installed."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = missing_dependency(error)
        if missing is None:
            raise
        raise missing from None
