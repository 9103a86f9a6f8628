"""The local state of a coroutine as a value that can be compared.

A coroutine cannot be copied, but it can be described: where it stands, its locals, what lies on its
evaluation stack, and all objects reached from there. Two coroutines of the same description behave
the same from then on, given the same results; so the explorer may treat them as one.
"""

import gc
from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import Any

__all__ = ["FingerprintError", "fingerprint"]


class FingerprintError(Exception):
    """Something in a local state cannot be described."""


_ITERATORS: tuple[type, ...] = (
    type(iter(range(0))),
    type(iter(range(1 << 70))),
    type(iter(())),
    type(iter([])),
    type(iter({})),
    type(iter({}.values())),
    type(iter({}.items())),
    type(iter(deque())),
    enumerate,
    zip,
)
_PLAIN = (int, str, bytes, bool, float, type(None), Enum)
_FOREVER = (type, ModuleType, BuiltinFunctionType)


def fingerprint(root: Any) -> tuple[Any, ...]:
    """Describe ``root`` and all that it reaches: equal if and only if they are alike.

    Objects that can change are numbered in the order in which they are reached, so that two names
    of one object differ from two objects of one value. Code, classes and modules are themselves.

    Raises
    ------
    FingerprintError : an object of a type that this function does not know. It never guesses.
    """
    out: list[Any] = []
    seen: dict[int, int] = {}
    keep: list[Any] = []  # a number is taken for an object as long as the object lives
    todo: list[Any] = [root]
    add = out.append
    while todo:
        item = todo.pop()
        kind = type(item)
        if kind is int or kind is str or item is None:
            add(item)
        elif isinstance(item, _PLAIN):
            add((kind, item))
        elif isinstance(item, _FOREVER) or kind is CodeType:
            add(("is", id(item)))
        elif id(item) in seen:
            add(("again", seen[id(item)]))
        else:
            seen[id(item)] = len(seen)
            keep.append(item)
            add(kind)
            parts = _parts(item, kind)
            add(len(parts))
            todo.extend(reversed(parts))
    return tuple(out)


def _parts(item: Any, kind: type) -> list[Any]:
    describe = _DESCRIBE.get(kind)
    if describe is not None:
        return describe(item)
    if isinstance(item, BaseException):
        return [*item.args, item.__dict__]
    if isinstance(item, tuple | list):
        return list(item)
    layout = _slots(kind)
    state = getattr(item, "__dict__", None)
    if state is None and not layout and kind.__basicsize__ > object.__basicsize__:
        raise FingerprintError(
            f"a local state holds a {kind.__qualname__}, which has no known parts"
        )
    parts = [getattr(item, name, _UNSET) for name in layout]
    if state:
        for pair in state.items():
            parts.extend(pair)
    return parts


def _coroutine(item: Any) -> list[Any]:
    frame: FrameType | None = getattr(item, "cr_frame", None) or getattr(item, "gi_frame", None)
    if frame is None:
        return ["ended"]
    # Locals by name tell which are bound. The references of the coroutine itself add what lies on
    # its evaluation stack. Its frame and the dictionary of the locals say nothing new.
    variables = frame.f_locals
    parts: list[Any] = [frame.f_code, frame.f_lasti]
    for pair in variables.items():
        parts.extend(pair)
    parts.append(_STACK)
    for part in gc.get_referents(item):
        if part is not variables and part is not frame:
            parts.append(part)
    return parts


def _function(item: FunctionType) -> list[Any]:
    return [item.__code__, *(item.__closure__ or ()), *(item.__defaults__ or ())]


def _cell(item: CellType) -> list[Any]:
    try:
        return [item.cell_contents]
    except ValueError:
        return []


def _dict(item: dict[Any, Any]) -> list[Any]:
    return [part for pair in item.items() for part in pair]


def _slots(kind: type) -> list[str]:
    names: list[str] = []
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        names.extend([slots] if isinstance(slots, str) else slots)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


_UNSET = "no value"
_STACK = "stack"
_DESCRIBE: dict[type, Callable[[Any], list[Any]]] = {
    CoroutineType: _coroutine,
    GeneratorType: _coroutine,
    FunctionType: _function,
    CellType: _cell,
    MethodType: lambda item: [item.__func__, item.__self__],
    partial: lambda item: [item.func, item.args, item.keywords],
    dict: _dict,
    list: list,
    tuple: list,
    deque: lambda item: [item.maxlen, *item],
    range: lambda item: [item.start, item.stop, item.step],
    **{kind: lambda item: list(item.__reduce__()) for kind in _ITERATORS},
}
