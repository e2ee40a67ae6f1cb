"""Pickle files read as data: nothing that a pickle names is imported or called.

A pickle is a program for a small stack machine whose instructions `pickletools` lists (PEP 307, PEP 3154, PEP 574).
Python's own reader runs it: it imports what the file names and calls it with what the file says. Here the same program
only builds a tree. A name becomes a `Name`, a call becomes a `Made` that remembers what was called with what, what
lies outside becomes a `Reference`, and all three are inert. A name outside the few that `flame_jax.pickled_arrays` can
read ends the reading.

The instructions are walked here rather than by `pickle.Unpickler` with its own `find_class`, because that one still
hands the file's arguments to numpy's C code and can be made to fill the memory by one damaged number.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import pickletools
from collections.abc import Callable, Iterator
from typing import TypeVar

_Kind = TypeVar("_Kind")


class UnreadablePickleError(ValueError):
    """The pickle is damaged, or holds more than plain data and admitted names."""


@contextlib.contextmanager
def naming(part: str) -> Iterator[None]:
    """Errors inside of the block begin with the name of the part of the file that they are about."""
    try:
        yield
    except ValueError as error:
        kind = UnreadablePickleError if isinstance(error, UnreadablePickleError) else ValueError
        raise kind(f"{part}: {error}") from error


@dataclasses.dataclass(frozen=True)
class Name:
    """Something that the pickle wanted imported, for example `numpy.core.multiarray` / `_reconstruct`."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclasses.dataclass(eq=False)
class Made:
    """Something that the pickle wanted made by a call."""

    maker: Name
    """What was to be called."""
    arguments: tuple[object, ...]
    """With what."""
    state: object = None
    """What was to be given to the result's `__setstate__`."""
    items: dict[object, object] = dataclasses.field(default_factory=dict)
    """What was to be set in the result by key."""


@dataclasses.dataclass(frozen=True)
class Reference:
    """Something that lies outside of the pickle, by the number or name that the pickle gives it."""

    key: object


_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_RECONSTRUCTORS = ("_reconstructor", "__newobj__")
_VALUES = frozenset(
    [
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    ]
)
"""Instructions that push their own argument."""
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickle(data: bytes, admits: Callable[[Name], bool]) -> object:
    """The tree of plain values, `Name` and `Made` that a pickle of any protocol describes.

    Strings of Python 2 come as `str` by Latin-1, so bytes are recovered by encoding them so.

    Args:
        data: The whole pickle.
        admits: Whether a name may occur in it.

    Raises:
        UnreadablePickleError: Damaged, or a name that is not admitted; the message says which.
    """
    return read_next_pickle(io.BytesIO(data), admits)


def read_next_pickle(stream: io.BytesIO, admits: Callable[[Name], bool]) -> object:
    """As `read_pickle`, of the pickle that begins where the stream stands; the stream then stands behind it.

    Raises:
        UnreadablePickleError: As `read_pickle`.
    """
    try:
        return _Machine(admits).run(stream)
    except UnreadablePickleError:
        raise
    except Exception as error:
        # pickletools and a stack of the wrong shape raise a dozen types on damaged bytes; all mean the same here.
        raise UnreadablePickleError(f"damaged pickle ({type(error).__name__}: {error})") from error


class _Machine:
    """The stack, its marks and the memo of one reading."""

    def __init__(self, admits: Callable[[Name], bool]):
        self._admits = admits
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def run(self, stream: io.BytesIO) -> object:
        while True:
            opcode = _OPCODES.get(stream.read(1).decode("latin-1"))
            if opcode is None:
                raise UnreadablePickleError("not a pickle, or a damaged one")
            argument: object = None
            if opcode.name == "STRING":
                argument = _read_string(stream)
            elif opcode.arg is not None:
                argument = opcode.arg.reader(stream)
            if opcode.name == "STOP":
                return self._stack.pop()
            self._step(opcode.name, argument)

    def _step(self, code: str, argument: object) -> None:
        stack = self._stack
        if code in _VALUES:
            stack.append(argument)
        elif code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
        elif code in _TUPLES:
            stack.append(tuple(self._pop(_TUPLES[code])))
        elif code in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[argument if isinstance(argument, int) else len(self._memo)] = stack[-1]
        elif code in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self._memo[_checked(int, argument)])
        elif not (self._step_containers(code) or self._step_calls(code, argument)):
            raise UnreadablePickleError(f"it uses the pickle instruction {code}, which arrays do not need")

    def _step_containers(self, code: str) -> bool:
        stack = self._stack
        match code:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                self._marks.append(len(stack))
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._pop_to_mark()
            case "DUP":
                stack.append(stack[-1])
            case "TUPLE":
                stack.append(tuple(self._pop_to_mark()))
            case "LIST":
                stack.append(self._pop_to_mark())
            case "DICT":
                stack.append(_pairs(self._pop_to_mark()))
            case "FROZENSET":
                stack.append(frozenset(self._pop_to_mark()))
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_SET":
                stack.append(set())
            case "APPEND":
                self._extend(self._pop(1))
            case "APPENDS":
                self._extend(self._pop_to_mark())
            case "SETITEM":
                self._update(_pairs(self._pop(2)))
            case "SETITEMS":
                self._update(_pairs(self._pop_to_mark()))
            case "ADDITEMS":
                items = self._pop_to_mark()
                _checked(set, stack[-1]).update(items)
            case _:
                return False
        return True

    def _step_calls(self, code: str, argument: object) -> bool:
        stack = self._stack
        match code:
            case "GLOBAL":
                module, _, name = str(argument).partition(" ")
                stack.append(self._named(module, name))
            case "STACK_GLOBAL":
                module_object, name_object = self._pop(2)
                stack.append(self._named(_checked(str, module_object), _checked(str, name_object)))
            case "REDUCE" | "NEWOBJ":
                maker, arguments = self._pop(2)
                stack.append(_made(maker, arguments))
            case "BINPERSID":
                (key,) = self._pop(1)
                stack.append(Reference(key))
            case "BUILD":
                (state,) = self._pop(1)
                _checked(Made, stack[-1]).state = state
            case _:
                return False
        return True

    def _named(self, module: str, name: str) -> Name:
        found = Name(module, name)
        if not self._admits(found):
            raise UnreadablePickleError(f"it refers to {found}, which is no array")
        return found

    def _pop(self, count: int) -> list[object]:
        start = len(self._stack) - count
        if start < 0:
            raise UnreadablePickleError("damaged pickle (its stack runs empty)")
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _pop_to_mark(self) -> list[object]:
        return self._pop(len(self._stack) - self._marks.pop())

    def _extend(self, items: list[object]) -> None:
        _checked(list, self._stack[-1]).extend(items)

    def _update(self, items: dict[object, object]) -> None:
        target = self._stack[-1]
        _checked(dict, target.items if isinstance(target, Made) else target).update(items)


def _made(maker: object, arguments: object) -> Made:
    name, given = _checked(Name, maker), _checked(tuple, arguments)
    if name.name in _RECONSTRUCTORS:
        # Protocols 0 and 1 make an object of a class through a function of the copy module.
        return Made(_checked(Name, given[0]), given[1:])
    return Made(name, given)


def _checked(kind: type[_Kind], value: object) -> _Kind:
    if not isinstance(value, kind):
        raise UnreadablePickleError(f"damaged pickle ({type(value).__name__} in place of {kind.__name__})")
    return value


def _pairs(items: list[object]) -> dict[object, object]:
    return dict(zip(items[::2], items[1::2], strict=True))


def _read_string(stream: io.BytesIO) -> str:
    # Protocol 0 writes Python 2's repr; pickletools' own reader takes only ASCII, and arrays are not.
    line = stream.readline()
    if len(line) < 3 or line[:1] not in b"'\"" or line[-2:-1] != line[:1] or line[-1:] != b"\n":
        raise UnreadablePickleError("damaged pickle (a string without its quotes)")
    return line[1:-2].decode("unicode_escape")
