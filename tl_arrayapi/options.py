"""Options: the runtime choices of a module instance. They hold no array and touch no library until asked."""

from dataclasses import dataclass, replace
from typing import Any

from tl_arrayapi import backends
from tl_arrayapi.backends.base import Backend
from tl_arrayapi.errors import ArgumentError, DTypeError
from tl_arrayapi.init.splitmix64 import as_seed

__all__ = ["Options"]

_DTYPES = ("bfloat16", "float16", "float32", "float64", "complex64", "complex128")
_BACKENDS = ("eager", "compiled")
_PRECISIONS = ("default", "high", "highest")


@dataclass(frozen=True)
class Options:
    """Choose where and how a module runs.

    ``xp`` is an Array API namespace, or a library's name; None is NumPy. ``dtype`` names the floating dtype of the
    parameters, ``device`` the library's device. ``backend`` is "eager" or "compiled". ``seed`` keys dropout and
    shuffling, never fills. ``requires_grad_by_default`` is the trainable flag of parameters that have none of their
    own. ``matmul_precision`` ("default", "high", "highest") is for libraries that offer faster products that round
    differently. With ``fast_kernels`` a compiled module runs through what its library has of compilers, PyTorch's and
    JAX's, and NumPy's calls on planned memory; without, it runs the functions that the eager one runs. ``lazy`` leaves
    the parameters described, without storage, until the module is used or given values.

    Raises `ArgumentError` or `DTypeError` for a word that is none of these, `DTypeError` where the library lacks the
    dtype.

    >>> Options(dtype="float64").dtype
    'float64'
    """

    xp: Any = None
    dtype: str = "float32"
    backend: str = "eager"
    device: Any = None
    seed: int = 0
    requires_grad_by_default: bool = True
    matmul_precision: str = "highest"
    fast_kernels: bool = True
    lazy: bool = False

    def __post_init__(self) -> None:
        library = backends.get(self.xp)
        name = self.dtype if isinstance(self.dtype, str) else library.dtype_name(self.dtype)
        if name not in _DTYPES:
            raise DTypeError(f"a module's dtype is one of {', '.join(_DTYPES)}; got {name!r}")
        library.dtype(name)
        object.__setattr__(self, "dtype", name)
        _one_of("backend", self.backend, _BACKENDS)
        _one_of("matmul_precision", self.matmul_precision, _PRECISIONS)
        for flag in ("requires_grad_by_default", "fast_kernels", "lazy"):
            if not isinstance(getattr(self, flag), bool):
                raise ArgumentError(f"{flag} is True or False; got {getattr(self, flag)!r}")
        object.__setattr__(self, "seed", as_seed(self.seed))
        object.__setattr__(self, "device", library.device(self.device))

    @property
    def library(self) -> Backend:
        """The description of the library of ``xp``."""
        return backends.get(self.xp)

    def __reduce__(self) -> tuple[Any, ...]:
        # A module object cannot be pickled, and a device need not be: both go by name.
        device = None if self.device is None else str(self.device)
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return _restored, ({**plain, "xp": self.library.namespace.__name__, "device": device},)


def _restored(fields: dict[str, Any]) -> Options:
    return replace(Options(), **fields)


def _one_of(what: str, given: Any, words: tuple[str, ...]) -> None:
    if given not in words:
        raise ArgumentError(f"{what} is one of {', '.join(map(repr, words))}; got {given!r}")
