"""Frozen dataclasses of configurations as JSON, and back. Reading runs nothing: the class is the reader's."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from flame_jax.errors import InputError

_Config = TypeVar("_Config")
_ABSENT = object()


def config_json(config: Any) -> Any:
    """A configuration as JSON has it: dataclasses and mappings become objects, tuples lists, paths text.

    Raises `TypeError` for a value that is none of these, nor text, a number, a bool or None.
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {field.name: config_json(getattr(config, field.name)) for field in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {str(name): config_json(value) for name, value in config.items()}
    if isinstance(config, tuple | list):
        return [config_json(value) for value in config]
    if isinstance(config, Path):
        return str(config)
    if config is None or isinstance(config, bool | int | float | str):
        return config
    raise TypeError(f"a configuration cannot hold a {type(config).__name__}")


def differing_fields(first: Any, second: Any) -> list[str]:
    """Names, with dots between the parts, of what differs between two configurations as JSON has them."""
    one, other = _flat(first), _flat(second)
    return sorted(name for name in one.keys() | other.keys() if one.get(name, _ABSENT) != other.get(name, _ABSENT))


def read_config(kind: type[_Config], content: Any, source: object) -> _Config:
    """The configuration that `config_json` made `content` of.

    Fields that are absent have their defaults.

    Args:
        kind: Its class, a dataclass.
        content: As JSON has it.
        source: Where it comes from, for the message.

    Raises:
        InputError: A field is unknown, lacks both value and default, or has a value that its type does not allow.
    """
    try:
        return _read(kind, content, "config")
    except _Unfit as error:
        raise InputError(
            f"{source}: {error}; it belongs to another version of s2f, or was changed: use the version that wrote it"
        ) from None


class _Unfit(Exception):
    """What does not fit, for `read_config`."""


def _read(kind: Any, content: Any, name: str) -> Any:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return content
    if origin is typing.Annotated:
        return _read(parts[0], content, name)
    if origin in (Union, types.UnionType):
        return _read_first(parts, content, name)
    if origin is Literal and content in parts:
        return content
    if dataclasses.is_dataclass(kind) and isinstance(content, dict):
        return _read_fields(kind, content, name)
    if origin is tuple and isinstance(content, list):
        each = [parts[0]] * len(content) if parts[1:] == (...,) else list(parts)
        if len(each) == len(content):
            return tuple(_read(kind, value, f"{name}.{at}") for at, (kind, value) in enumerate(zip(each, content)))  # noqa: B905
    if origin is not None and isinstance(content, dict) and issubclass(origin, Mapping):
        return {key: _read(parts[1], value, f"{name}.{key}") for key, value in content.items()}
    if kind is Path and isinstance(content, str):
        return Path(content)
    if kind is float and isinstance(content, int | float) and not isinstance(content, bool):
        return float(content)
    if kind in (int, str, bool, type(None)) and type(content) is kind:
        return content
    raise _Unfit(f"{name} is {str(content)[:40]!r}, not {getattr(kind, '__name__', kind)}")


def _read_first(kinds: tuple[Any, ...], content: Any, name: str) -> Any:
    """As the first of several kinds that fits."""
    failure = _Unfit(name)
    for kind in kinds:
        try:
            return _read(kind, content, name)
        except _Unfit as error:
            failure = error
    raise failure


def _read_fields(kind: Any, content: dict[str, Any], name: str) -> Any:
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    if unknown := sorted(set(content) - set(fields)):
        raise _Unfit(f"{name}.{unknown[0]} is unknown")
    for field in fields.values():
        no_default = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if field.name not in content and no_default:
            raise _Unfit(f"{name}.{field.name} is absent")
    return kind(**{key: _read(hints[key], value, f"{name}.{key}") for key, value in content.items()})


def _flat(content: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(content, dict) or (name and not content):
        return {name: content}
    return {
        path: leaf
        for key, value in content.items()
        for path, leaf in _flat(value, f"{name}.{key}" if name else key).items()
    }
