"""Compare what a file holds with what is asked of it: names, shapes and dtypes, all faults in one message."""

import difflib
from collections.abc import Mapping
from typing import Any

from tl_arrayapi import backends
from tl_arrayapi.errors import CheckpointError

__all__ = ["fit"]


def fit(
    tensors: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], dtype: str, *, allow_narrowing: bool = False
) -> dict[str, Any]:
    """Return the NumPy arrays of ``tensors`` in the order of ``shapes``, as ``dtype``, or raise CheckpointError with
    every fault.

    Names and shapes must agree. float32 becomes float64 in silence; what loses digits, or a complex number's imaginary
    part, needs ``allow_narrowing``.

    >>> import numpy as np
    >>> fit({"weight": np.ones(2)}, {"weigth": (2,)}, "float64")
    Traceback (most recent call last):
    tl_arrayapi.errors.CheckpointError: 'weigth' is missing (is it 'weight'?); 'weight' is extra
    """
    xp = backends.get(None).namespace
    faults = []
    for name, shape in shapes.items():
        if name not in tensors:
            near = difflib.get_close_matches(name, tensors.keys() - shapes.keys(), n=1)
            faults.append(f"{name!r} is missing" + (f" (is it {near[0]!r}?)" if near else ""))
        elif tuple(tensors[name].shape) != tuple(shape):
            faults.append(f"{name!r} has shape {tuple(tensors[name].shape)}, and {tuple(shape)} is expected")
        elif not allow_narrowing and not _widens(xp, tensors[name].dtype, xp.dtype(dtype)):
            faults.append(
                f"{name!r} is {tensors[name].dtype}, and {dtype} would lose some of it: allow_narrowing=True casts"
            )
    faults.extend(f"{name!r} is extra" for name in tensors if name not in shapes)
    if faults:
        raise CheckpointError("; ".join(faults))
    return {name: _cast(tensors[name], xp.dtype(dtype)) for name in shapes}


def _widens(xp: Any, old: Any, new: Any) -> bool:
    # NumPy calls int64 to float64 safe, which it is not above 2^53.
    return bool(xp.isdtype(old, "real floating") and xp.can_cast(old, new))


def _cast(x: Any, dtype: Any) -> Any:
    if x.dtype.kind == "c":
        # NumPy drops the imaginary part with a warning; it was asked for.
        x = x.real
    return x.astype(dtype, copy=False)
