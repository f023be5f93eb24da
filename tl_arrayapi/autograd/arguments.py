"""The arguments of a compiled function: what is an input, what is static, and what two calls must have in common to
run one program.

Nothing here traces, and nothing knows what a program is.
"""

import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from tl_arrayapi.autograd.array import Array, device_of
from tl_arrayapi.autograd.debug import is_debugging
from tl_arrayapi.autograd.masks import is_guarded
from tl_arrayapi.autograd.namespace import Namespace, namespace, namespace_of_type
from tl_arrayapi.errors import DeviceError, NamespaceError, ShapeError, StructureError

__all__ = ["Arguments", "ArraySpec", "Signature", "Spec", "packed", "unpacked"]


@dataclass(frozen=True, slots=True)
class Spec:
    """An input of a program: its shape and the library's dtype; ``weak`` is the type of a Python number."""

    shape: tuple[int, ...]
    dtype: Any
    weak: type | None = None


@dataclass(frozen=True)
class ArraySpec:
    """Stand for an array of a shape and a dtype, of the library ``xp`` (None: NumPy), where there is none yet.

    >>> import tl_arrayapi as tl
    >>> f = tl.compile(lambda x: tl.array_namespace(x).sum(x * x))
    >>> f.trace(tl.ArraySpec((1000, 1000))).flops >= 2e6
    True
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    xp: Any = None
    device: Any = None

    @property
    def namespace(self) -> Namespace:
        """The differentiable namespace of the library."""
        return namespace(self.xp)


class _Described(NamedTuple):
    """What the key tells of an array; the dtype is its name where the key is packed."""

    shape: tuple[int, ...]
    dtype: Any


class Arguments:
    """What one call's arguments are: their arrays and numbers, in order, and the key of the program for them.

    >>> import numpy
    >>> Arguments((numpy.zeros((2, 3)), {"rate": 0.1})).leaves[1]
    0.1
    """

    __slots__ = ("_scalars", "device", "key", "leaves", "specs", "traced", "xp")

    def __init__(self, args: Any) -> None:
        self.leaves: list[Any] = []
        self.specs: list[Spec] = []
        self.xp: Namespace | None = None
        self.device: Any = None
        self.traced = False
        self._scalars: list[int] = []
        try:
            described = self._describe(args, "args")
        except RecursionError:
            raise StructureError("the arguments are nested too deeply, or contain themselves: flatten them") from None
        self._settle_scalars()
        self.key = (self.xp, self.device, described, is_guarded())

    def _describe(self, x: Any, path: str) -> Any:
        kind = type(x)
        if kind is tuple or kind is list:
            return kind, tuple([self._describe(item, f"{path}[{i}]") for i, item in enumerate(x)])
        if kind is dict:
            return kind, tuple([(key, self._describe(item, f'{path}["{key}"]')) for key, item in x.items()])
        if kind is Array:
            self.traced = True
            return None
        if kind is float or kind is int or kind is complex:
            self.leaves.append(x)
            self.specs.append(Spec((), None, kind))
            return kind
        xp = x.namespace if kind is ArraySpec else namespace_of_type(x)
        if xp is None:
            return self._static(x, path)
        if isinstance(x, numbers.Number):
            self._scalars.append(len(self.leaves))
            self.leaves.append(x)
            self.specs.append(Spec((), getattr(x, "dtype", None)))
            return kind
        if self.xp is None:
            self.xp = xp
        elif xp is not self.xp:
            raise NamespaceError(
                f"{path} is an array of {xp.backend.name} among arrays of {self.xp.backend.name}: convert it first"
            )
        return self._array(x, kind, path, xp)

    def are_arrays(self, args: tuple[Any, ...]) -> bool:
        """Say whether all that was found are ``args`` themselves, arrays side by side."""
        return len(args) == len(self.leaves) and all(
            x is leaf and spec.weak is None for x, leaf, spec in zip(args, self.leaves, self.specs, strict=True)
        )

    def _settle_scalars(self) -> None:
        """Take a scalar of NumPy's for a 0-d array of NumPy's, and for a Python number among arrays of others."""
        for place in self._scalars:
            x = self.leaves[place]
            own = namespace_of_type(x)
            assert own is not None
            if self.xp is None or self.xp is own:
                self.xp = own
                self.leaves[place] = own.inner.asarray(x)
            else:
                number = self.leaves[place] = x.item()
                self.specs[place] = Spec((), None, type(number))

    def _array(self, x: Any, kind: type, path: str, xp: Namespace) -> Any:
        backend = xp.backend
        if kind is ArraySpec:
            shape, dtype, device = tuple(x.shape), backend.dtype(x.dtype), backend.device(x.device)
        else:
            if kind not in xp.ground.plain:
                xp.ground.check_type(x, path)
            shape, dtype = tuple(x.shape), x.dtype
            device = None if backend.one_device else device_of(x, backend)
            if backend.lazy and any(n is None or n != n for n in shape):
                raise ShapeError(
                    f"{path} has shape {shape}, with lengths that are not known: call its compute_chunk_sizes() first"
                )
        if device is not None and self.device is not None and device != self.device:
            raise DeviceError(f"{path} is on {device}, and other arrays are on {self.device}: move it first")
        self.device = device
        self.leaves.append(x)
        self.specs.append(Spec(shape, dtype))
        return _Described(shape, dtype)

    def _static(self, x: Any, path: str) -> Any:
        if isinstance(x, (tuple, list, dict)):  # named tuples, ordered dicts and the like
            parts: list[Any] = []
            items = x.items() if isinstance(x, dict) else enumerate(x)
            for name, item in items:
                parts.append((name, self._describe(item, f"{path}[{name!r}]")))
            return type(x), tuple(parts)
        try:
            hash(x)
        except TypeError:
            raise StructureError(
                f"{path} is a {type(x).__name__}, which is no array and cannot be told from others (it has no hash): "
                f"capture it, or give its arrays"
            ) from None
        return type(x), x


class Signature:
    """What arrays side by side were like when a program was found for them: others like them are told sooner by it than
    by a key.

    >>> import numpy
    >>> Signature([numpy.zeros(3)]).fits((numpy.ones(3),))
    True
    """

    __slots__ = ("fits",)

    fits: Callable[[Any], bool]
    """Say whether something is a tuple of such arrays, and nothing else is asked of a program now."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        # Written out, for it is asked at every step, and a loop takes twice as long.
        known: dict[str, Any] = {"is_debugging": is_debugging, "is_guarded": is_guarded}
        tests = ["type(xs) is tuple", f"len(xs) == {len(arrays)}"]
        for i, x in enumerate(arrays):
            known |= {f"type{i}": type(x), f"dtype{i}": x.dtype, f"shape{i}": x.shape}
            tests.append(f"type(x := xs[{i}]) is type{i} and x.dtype is dtype{i} and x.shape == shape{i}")
        tests.append(f"is_guarded() is {is_guarded()} and not is_debugging()")
        self.fits = _test(", ".join(known), " and ".join(tests))(**known)


@cache
def _test(known: str, tests: str) -> Any:
    """Return the function of what is ``known`` that gives the test of ``xs``: arrays differ in the former alone."""
    return eval(f"lambda {known}: lambda xs: {tests}")


# ---- keys that can be pickled: devices and dtypes by their names
def packed(key: Any) -> Any:
    """Return the key of `Arguments` as plain data: not all libraries' dtypes and devices can be pickled."""
    xp, device, *rest = key

    def named(x: Any) -> Any:
        if isinstance(x, _Described):
            return _Described(x.shape, xp.backend.dtype_name(x.dtype))
        return type(x)(map(named, x)) if type(x) in (tuple, list) else x

    return xp, None if device is None else str(device), named(rest)


def unpacked(key: Any) -> Any:
    """Return the key that `packed` was given."""
    xp, device, rest = key

    def found(x: Any) -> Any:
        if isinstance(x, _Described):
            return _Described(x.shape, xp.backend.dtype(x.dtype))
        return type(x)(map(found, x)) if type(x) in (tuple, list) else x

    return xp, xp.backend.device(device), *found(rest)
