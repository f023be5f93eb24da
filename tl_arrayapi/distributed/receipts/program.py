"""The digest of a loss as a program: of what it computes for a sample of given shapes, not of how it is written.

The loss is traced as for compiling, and hashed is the program as JSON (see `graph.graph_json`), its values numbered in
order and without the lines that it came from, followed by the arrays that the loss captures.
"""

import hashlib
from typing import Any
from weakref import WeakKeyDictionary

from tl_arrayapi.autograd.arguments import Spec
from tl_arrayapi.autograd.array import Array
from tl_arrayapi.autograd.namespace import namespace
from tl_arrayapi.autograd.programs import compiled_program
from tl_arrayapi.distributed.receipts.values import digest_array
from tl_arrayapi.errors import NoRuleError, TraceError, WatchedError
from tl_arrayapi.graph.graph_json import to_json
from tl_arrayapi.graph.plain import plain
from tl_arrayapi.module import ScalarModule

__all__ = ["Kinds", "program_digest"]

Kinds = tuple[tuple[tuple[int, ...], str], ...]
"""The shape and the dtype's name of each input of a sample."""


def program_digest(module: ScalarModule, kinds: Kinds) -> str | None:
    """Return the SHA-256, in hexadecimal, of the program that the loss is for samples of ``kinds``; None where it
    cannot be traced.

    >>> import tl_arrayapi as tl
    >>> first, second, third = (tl.ScalarModule.create(f, [2.0]) for f in (lambda w, x: w * x, lambda a, b: a * b,
    ...     lambda w, x: w + x))
    >>> kinds = (((3,), "float32"),)
    >>> program_digest(first, kinds) == program_digest(second, kinds) != program_digest(third, kinds)
    True
    """
    of_module = _TRACED.setdefault(module, {})
    if kinds not in of_module:
        of_module[kinds] = _traced(module, kinds)
    text, captured = of_module[kinds]
    if text is None:
        return None
    state = hashlib.sha256(text.encode())
    for array in captured:
        digest_array(state, module.backend, array)
    return state.hexdigest()


# Tracing takes milliseconds, and a process works on many chunks with one module. Captured arrays are read each time:
# their values may have changed.
_TRACED: WeakKeyDictionary[ScalarModule, dict[Kinds, tuple[str | None, list[Any]]]] = WeakKeyDictionary()


def _traced(module: ScalarModule, kinds: Kinds) -> tuple[str | None, list[Any]]:
    definition, options = module.definition, module.options
    described = [*((shape, options.dtype) for shape in definition.param_shapes), *kinds]
    keywords = {"key": None} if definition.signature.takes_key else {}

    def call(arrays: list[Array]) -> Any:
        return definition.loss(*arrays, **keywords)

    specs = [Spec(shape, module.backend.dtype(dtype)) for shape, dtype in described]
    try:
        made = compiled_program(call, specs, namespace(options.xp), options.device)
    except (NoRuleError, TraceError, WatchedError):
        return None, []
    return to_json(plain(made.traced)), made.captured
