"""Definition: what a module is before there is any array: a loss, shapes, names, flags, and initial values or a plan.

Everything that can be wrong with these is found here, when they are given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tl_arrayapi.casts import cast_to, host_values
from tl_arrayapi.errors import ArgumentError, PlanError, ShapeError, StructureError
from tl_arrayapi.init.plan import Plan
from tl_arrayapi.inputs import as_shapes, listed, read_signature
from tl_arrayapi.options import Options

__all__ = ["Definition", "Initial", "checked_flags"]


@dataclass(frozen=True, eq=False)
class Initial:
    """Where the first values of a module's parameters come from: a plan, host values through a cast, or nowhere yet.

    >>> from tl_arrayapi import init
    >>> Initial(plan=init.Plan([(2,)], [init.ones()])).arrays(Options())
    [array([1., 1.], dtype=float32)]
    """

    plan: Plan | None = None
    values: tuple[Any, ...] | None = None
    cast: Callable[[Any], Any] | None = None

    def check(self, options: Options) -> None:
        """Raise where it is plain already that `arrays` will: where a plan has values that the dtype cannot hold."""
        if self.plan is not None:
            self.plan.check(options.dtype)

    def arrays(self, options: Options) -> list[Any]:
        """Return the values as new arrays, filled where they live; raise PlanError where there are none."""
        if self.plan is not None:
            return self.plan.fill(options.xp, options.dtype, options.device)
        if self.values is None:
            raise PlanError(
                "the parameters have shapes and no values: apply a plan (plan.apply(module)), or give the module "
                "values by set_params or load"
            )
        cast, dtype, library = self.cast, options.dtype, options.library
        values = self.values if cast is None else [cast_to(cast, v, dtype, i) for i, v in enumerate(self.values)]
        return [library.from_host(v, dtype, options.device) for v in values]


class Definition:
    """Hold a loss and what is known of its parameters and inputs; `tl.ScalarModuleDef` is one.

    >>> definition = Definition(lambda w, x: w * x, init_params=[2.0])
    >>> definition.param_names, definition.param_shapes
    (('w',), ((),))
    """

    def __init__(
        self,
        loss: Callable[..., Any],
        *,
        param_shapes: Sequence[Any] | None = None,
        init_params: Sequence[Any] | None = None,
        plan: Plan | None = None,
        input_shapes: Sequence[Any] | None = None,
        init_requires_grad: Sequence[bool] | None = None,
        param_names: Sequence[str] | None = None,
    ) -> None:
        if not callable(loss):
            raise StructureError(f"the loss must be a function of parameters and inputs; got a {type(loss).__name__}")
        if plan is not None and not isinstance(plan, Plan):
            raise PlanError(
                f"plan must be an init.Plan; got a {type(plan).__name__}: make one of shapes and initialisers"
            )
        self.loss = loss
        self.plan = plan
        self.init_params = (
            None
            if init_params is None
            else tuple(host_values(v, f"init_params[{i}]") for i, v in enumerate(listed(init_params, "init_params")))
        )
        self.param_shapes = _agreed(param_shapes, self.init_params, plan)
        self.input_shapes = None if input_shapes is None else as_shapes(input_shapes, "input_shapes", free=True)
        self.init_requires_grad = (
            None if init_requires_grad is None else checked_flags(init_requires_grad, len(self.param_shapes))
        )
        self.signature = read_signature(loss)
        self._check_signature()
        self.param_names = self._names(param_names)

    def _check_signature(self) -> None:
        names, parameters = self.signature.names, len(self.param_shapes)
        if names is None:
            return
        inputs = 0 if self.input_shapes is None else len(self.input_shapes)
        if len(names) < parameters + inputs:
            raise StructureError(
                f"the loss takes {len(names)} arguments, ({', '.join(names)}), for {parameters} parameters and "
                f"{inputs} inputs"
            )

    def _names(self, given: Sequence[str] | None) -> tuple[str, ...]:
        total = len(self.param_shapes)
        if given is None:
            if self.plan is not None:
                return self.plan.names
            names = self.signature.names
            return names[:total] if names is not None else tuple(f"param{i}" for i in range(total))
        found = listed(given, "param_names")
        if len(found) != total:
            raise StructureError(f"{total} parameter names are expected, one for each shape; got {len(found)}")
        for name in found:
            if not isinstance(name, str) or not name or not name.isprintable():
                raise StructureError(f"a parameter's name is a printable string; got {name!r}")
        if len(set(found)) < total:
            raise StructureError(f"the parameter names {list(found)} are not distinct")
        return found


def _agreed(param_shapes: Any, values: Any, plan: Plan | None) -> tuple[tuple[int, ...], ...]:
    found: dict[str, tuple[tuple[int, ...], ...]] = {}
    if param_shapes is not None:
        found["param_shapes"] = as_shapes(param_shapes, "param_shapes", free=False)  # type: ignore[assignment]
    if values is not None:
        found["init_params"] = tuple(tuple(v.shape) for v in values)
    if plan is not None:
        found["plan"] = plan.shapes
    if not found:
        raise StructureError(
            "a definition needs the shapes of its parameters: give param_shapes, init_params or a plan"
        )
    (first, shapes), *others = found.items()
    for name, theirs in others:
        if theirs != shapes:
            raise ShapeError(f"{first} has shapes {list(shapes)}, and {name} has {list(theirs)}: they must agree")
    if values is not None and plan is not None:
        raise PlanError("init_params and a plan both say what the initial values are: give one of them")
    return shapes


def checked_flags(flags: Sequence[bool], wanted: int) -> tuple[bool, ...]:
    """Return trainable flags as a tuple, or raise unless there are ``wanted`` of them and each is True or False.

    >>> checked_flags([True, False], 2)
    (True, False)
    """
    found = listed(flags, "trainable flags")
    if len(found) != wanted:
        raise StructureError(f"{wanted} trainable flags are expected, one for each parameter; got {len(found)}")
    for flag in found:
        if not isinstance(flag, bool):
            raise ArgumentError(f"a trainable flag is True or False; got {flag!r}")
    return found
