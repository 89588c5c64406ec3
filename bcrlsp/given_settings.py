"""Settings that a caller gives to a function, checked once more: they may have been changed."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bcrlsp.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


def given_settings(kind: type[Model], settings: Any) -> Model:
    """`settings`, or those by default for None; ConfigError, one line, for anything else."""
    if settings is None:
        return kind()
    where = f"{kind.__module__.removesuffix('.settings')}.{kind.__name__}"
    if not isinstance(settings, kind):
        raise ConfigError(f"settings is {settings!r}; allowed: {where}(...)")
    try:
        # Copies with changed values are not checked by pydantic.
        kind.model_validate(settings.model_dump(warnings=False))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"settings.{key} is {first['input']!r}: {first['msg']}") from None
    return settings
