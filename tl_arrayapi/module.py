"""ScalarModuleDef and ScalarModule: a scalar loss with parameters, defined once and run on any library.

A definition holds the loss, the parameters' shapes and their initial values or plan, and no array of any device. A
module holds parameters in the storage of one library, and steps them. Parameters are replaced, never written to: what
was handed out stays as it was.
"""

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from tl_arrayapi import backends, random, train
from tl_arrayapi.autograd.containers import leaves, map_tree
from tl_arrayapi.autograd.namespace import namespace_of_type
from tl_arrayapi.autograd.report import ProgramReport
from tl_arrayapi.backends.base import Backend
from tl_arrayapi.definition import Definition, Initial, checked_flags
from tl_arrayapi.errors import (
    ArgumentError,
    DTypeError,
    NoRuleError,
    PlanError,
    ShapeError,
    StructureError,
    TraceError,
    WatchedError,
)
from tl_arrayapi.init.plan import Plan
from tl_arrayapi.init.schemes import FloatInit
from tl_arrayapi.inputs import Slot, check_count, converted, listed
from tl_arrayapi.optim.checks import nonnegative
from tl_arrayapi.optim.optimizer import Optimizer
from tl_arrayapi.options import Options
from tl_arrayapi.parameters import Parameters
from tl_arrayapi.runners import CompiledRunner, EagerRunner, Findings, MappedGradients, MappedLosses, Problem, Runner

__all__ = ["ScalarModule", "ScalarModuleDef"]

_NO_KEYWORDS: dict[str, Any] = {}

_Cast = Callable[[Any], Any] | None
_RUNNERS: dict[str, Callable[[Problem], Runner]] = {"eager": EagerRunner, "compiled": CompiledRunner}


class ScalarModuleDef(Definition):
    """Define a scalar-loss module: ``loss(*params, *inputs)`` gives a 0-d array.

    ``init_params`` are host values, one array or nested list a parameter; ``plan`` is an `init.Plan`; shapes come
    from whichever is given, and must agree where several are. ``input_shapes`` are checked at every call, None being
    a free length. ``init_requires_grad`` are the trainable flags. ``param_names`` are the plan's, or else the names
    of the loss's arguments. A loss with a keyword-only argument ``key`` is handed a fresh one at every training step,
    for `tl.random`.

    Raises `StructureError`, `ShapeError` or `PlanError` where these disagree.

    >>> import numpy, tl_arrayapi as tl
    >>> def loss(w, x, y):
    ...     return tl.array_namespace(w, x, y).mean((x @ w - y) ** 2)
    >>> definition = tl.ScalarModuleDef(loss, init_params=[[0.0, 0.0]], input_shapes=[(None, 2), (None,)])
    >>> module = definition.instantiate()
    >>> x, y = module.asarrays(([[1.0, 0.0], [0.0, 1.0]], [1.0, 2.0]))
    >>> history = module.train_sgd(0.5, 20, [(x, y)], log=None)
    >>> module.params[0].round(2)
    array([1., 2.], dtype=float32)
    """

    # ---- constructors
    def instantiate(
        self,
        cast: _Cast = None,
        backend: str = "eager",
        *,
        xp: Any = None,
        dtype: str = "float32",
        device: Any = None,
        lazy: bool = False,
    ) -> "ScalarModule":
        """Return a module on the library ``xp`` (NumPy where None), its values from ``init_params`` through ``cast``,
        or from the plan; where ``lazy``, when it is first used.

        ``cast`` maps one Python float to one scalar of ``dtype``.
        """
        return self.instantiate_with(cast, Options(xp=xp, dtype=dtype, backend=backend, device=device, lazy=lazy))

    def instantiate_with(self, cast: _Cast, options: Options) -> "ScalarModule":
        """Return a module with ``options``, its values from ``init_params`` through ``cast`` (None: rounded to the
        dtype), or from the plan. With ``options.lazy`` there may be neither.
        """
        if self.init_params is None and self.plan is None and not options.lazy:
            raise PlanError(
                "this definition has shapes and no values: give it init_params or a plan, use "
                "instantiate_float_with_runtime_plan, or instantiate it lazily"
            )
        if self.init_params is None and cast is not None:
            raise PlanError(
                "a cast is for init_params, and this definition has none (a plan fills storage in its dtype): give "
                "init_params, or leave the cast out"
            )
        return self._instantiated(options, Initial(self.plan, self.init_params, cast))

    def _instantiated(self, options: Options, initial: Initial) -> "ScalarModule":
        if not options.lazy:
            return ScalarModule(self, options, initial.arrays(options))
        initial.check(options)
        return ScalarModule(self, options, initial)

    def instantiate_float_with_runtime_plan(self, options: Options, plan: Plan) -> "ScalarModule":
        """Return a module whose storage ``plan`` fills where it lives; no host array is made. The dtype must be
        real.
        """
        if plan.shapes != self.param_shapes:
            raise PlanError(
                f"the plan is for shapes {list(plan.shapes)}, and the parameters have {list(self.param_shapes)}"
            )
        return self._instantiated(options, Initial(plan))

    def instantiate_float_with_runtime_init(self, options: Options, inits: Sequence[FloatInit]) -> "ScalarModule":
        """Return a module whose storage a plain list of initialisers fills; the list is checked at once, and too long
        or too short is a `PlanError`.
        """
        return self.instantiate_float_with_runtime_plan(options, Plan(self.param_shapes, inits, self.param_names))


class ScalarModule(Parameters):
    """A module instance: parameters in the storage of one library, and what trains them.

    Made by the constructors of `ScalarModuleDef`, or by `ScalarModule.create`. Where the options are lazy, its
    parameters are described and have no storage, until its first use fills them, or `init.Plan.apply`, `set_params` or
    `load` gives them values. What describes them, such as `param_shapes` and `summary`, leaves them so.

    >>> import tl_arrayapi as tl
    >>> module = tl.ScalarModuleDef(lambda w, x: (w - x) ** 2, init_params=[1.0]).instantiate(dtype="float64")
    >>> xs = module.asarrays((3.0,))
    >>> module.step(0.25, xs), module.forward(xs)
    (array(4.), array(1.))
    """

    def __init__(self, definition: ScalarModuleDef, options: Options, params: list[Any] | Initial) -> None:
        super().__init__(definition, options, params)
        flags = definition.init_requires_grad
        self._requires_grad = list(flags) if flags is not None else [options.requires_grad_by_default] * self._count
        shapes = definition.input_shapes
        self._input_slots = None if shapes is None else self._slots_of(shapes)
        self._findings = Findings()
        self._is_mapped = True  # until the loss turns out to be one that cannot be mapped over samples
        self._takes_key: bool = definition.signature.takes_key
        self._without_key = {"key": None} if self._takes_key else {}
        self._watch()
        if not isinstance(params, Initial):
            self._store(params, given_away=True)

    def _run(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` run with the options' precision of products, if the library has several."""
        precision, name = self.backend.precision, self.options.matmul_precision
        if type(self.backend).precision is Backend.precision:
            return function

        def held(*args: Any) -> Any:
            with precision(name):
                return function(*args)

        return held

    def _slots_of(self, shapes: Sequence[Any]) -> list[Slot]:
        name = self.definition.signature.input_name
        return [
            Slot(name(i, self._count), shape, self._xp, self._dtype, self._device) for i, shape in enumerate(shapes)
        ]

    def _watch(self) -> None:
        """Make the runner for the parameters that are trainable."""
        self._trainable = tuple(i for i, flag in enumerate(self._requires_grad) if flag)
        self._problem = Problem(
            self.definition.loss,
            self._trainable,
            tuple(self.definition.param_shapes),
            self._dtype,
            self._xp,
            self.check_inputs,
            self._device,
            self.options.fast_kernels,
        )
        self._runner: Runner = _RUNNERS[self.options.backend](self._problem)
        self._gradients = MappedGradients(self._problem, fast_kernels=self._has_compilers)
        self._step = self._run(self._runner.step)
        self._lazy = self.backend.lazy

    @classmethod
    def create(
        cls,
        loss: Callable[..., Any],
        init_params: Sequence[Any],
        *,
        options: Options | None = None,
        init_requires_grad: Sequence[bool] | None = None,
        input_shapes: Sequence[Any] | None = None,
    ) -> "ScalarModule":
        """Return a module for a loss and its initial parameter values: host values, or arrays of the options' library
        and dtype.

        >>> import tl_arrayapi as tl
        >>> tl.ScalarModule.create(lambda w: w * w, [3.0]).forward(())
        array(9., dtype=float32)
        """
        options = Options() if options is None else options
        library = options.library
        on_library = [
            (found := namespace_of_type(v)) is not None
            and found.backend is library
            and library is not backends.get(None)
            for v in init_params
        ]
        if not all(on_library) or not on_library:
            definition = ScalarModuleDef(
                loss, init_params=init_params, init_requires_grad=init_requires_grad, input_shapes=input_shapes
            )
            return definition.instantiate_with(None, options)
        shapes = [tuple(v.shape) for v in init_params]
        definition = ScalarModuleDef(
            loss, param_shapes=shapes, init_requires_grad=init_requires_grad, input_shapes=input_shapes
        )
        xp, dtype = library.namespace, library.dtype(options.dtype)
        for i, v in enumerate(init_params):
            if v.dtype != dtype:
                raise DTypeError(
                    f"init_params[{i}] must be {options.dtype}; got {library.dtype_name(v.dtype)}: convert it, or "
                    f"choose another dtype in the options"
                )
        return cls(definition, options, [xp.asarray(v, copy=True) for v in init_params])

    def __reduce__(self) -> tuple[Any, ...]:
        values = [self._on_host(p) for p in self._params] if self.is_materialized else self._initial
        return _rebuilt, (self.definition, self.options, values, self.requires_grad, self.steps_done)

    def _owned(self, params: Sequence[Any], *, given_away: bool) -> list[Any]:
        return self._runner.owned(params, given_away=given_away)

    @property
    def requires_grad(self) -> list[bool]:
        """The trainable flags, one a parameter; a list of flags may be assigned."""
        return list(self._requires_grad)

    @requires_grad.setter
    def requires_grad(self, flags: Sequence[bool]) -> None:
        self._requires_grad = list(checked_flags(flags, self._count))
        self._watch()

    # ---- inputs
    def asarrays(self, xs: Sequence[Any]) -> tuple[Any, ...]:
        """Return inputs converted to the module's library, device and, where floating, dtype. Each is an array of any
        library, or nested lists of numbers.
        """
        return tuple(converted(x, self._xp, self.options.dtype, self._device) for x in listed(xs, "inputs"))

    def check_inputs(self, xs: Any) -> None:
        """Raise where ``xs`` is not one tuple of inputs for this module, naming what is wrong."""
        slots = self._input_slots
        if slots is None:
            slots = self._slots_of([None] * self._count_of(xs))
        check_count(xs, len(slots), "inputs")
        for slot, x in zip(slots, xs, strict=True):
            slot.check(x, integers=True)

    def _count_of(self, xs: Any) -> int:
        """Return how many inputs there are, where the loss can take so many."""
        if not isinstance(xs, (tuple, list)):
            raise StructureError(f"inputs must come in one tuple; got a {type(xs).__name__}")
        signature, given = self.definition.signature, self._count + len(xs)
        if signature.names is not None and not signature.required <= given <= len(signature.names):
            raise StructureError(
                f"the loss takes ({', '.join(signature.names)}); got {self._count} parameters and {len(xs)} inputs"
            )
        return len(xs)

    # ---- running
    def forward(self, xs: Sequence[Any]) -> Any:
        """Return the loss on one tuple of inputs, a 0-d array; nothing changes."""
        return self._run(self._runner.forward)(self._params, xs, self._without_key)

    def losses(self, columns: Sequence[Any]) -> Any:
        """Return the loss of each sample, in an array of one axis, for inputs with the samples along their first axis;
        nothing changes.

        One run maps the loss over all of them, as `tl.vmap` does; a loss that cannot be mapped is run for one after
        another. Raises `ShapeError` where there are no inputs, or their numbers of samples differ.
        """
        lengths = {tuple(x.shape)[:1] for x in listed(columns, "columns")}
        if len(lengths) != 1 or lengths == {()}:
            raise ShapeError("the inputs must share their first axis, that of the samples, and be one at least")
        if lengths == {(0,)}:
            raise ShapeError("there are no samples: at least one is expected")
        self.check_inputs(tuple(x[0, ...] for x in columns))
        if self._is_mapped:
            try:
                return self._run(self._runner.losses)(self._params, columns, self._without_key)
            except (NoRuleError, TraceError, WatchedError):
                self._is_mapped = False
        return self._one_by_one(columns)

    @property
    def is_mapped(self) -> bool:
        """Whether the loss can be mapped over samples, as far as is known: True until it turns out that it cannot."""
        return self._is_mapped

    def mapped_losses(self, columns: Sequence[Any], rows: int, *, steady: bool) -> Any:
        """Return the loss of each sample from compiled programs that map over them, whatever the options' backend.

        As `losses`, for any number of samples, computed in whole runs of ``rows``, the last one filled up. Where
        ``steady``, a sample's bits depend on itself, the parameters and ``rows`` alone, and `UnsteadyError` is raised
        where the library cannot do that; otherwise the program is the fastest. Raises as `tl.vmap` and `tl.compile` do
        for a loss that they cannot map or trace; then it `is_mapped` no longer.
        """
        self.check_inputs(tuple(x[0, ...] for x in columns))
        run = self._mapped.steady if steady else self._mapped.fast
        try:
            return self._run(run)(self._params, columns, rows)
        except (NoRuleError, TraceError, WatchedError):
            self._is_mapped = False
            raise

    def share_findings(self, findings: Findings) -> None:
        """Take from ``findings``, and add to it, what `mapped_losses` tries out of the library; before it is used.

        >>> import numpy, tl_arrayapi as tl
        >>> from tl_arrayapi.runners import Findings
        >>> findings, columns = Findings(), (numpy.ones(64),)
        >>> for w in (2.0, 3.0):  # what is found out with the first is known to the second
        ...     module = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[w]).instantiate(dtype="float64")
        ...     module.share_findings(findings)
        ...     print(module.mapped_losses(columns, 64, steady=True)[0])
        2.0
        3.0
        """
        self._findings = findings

    def _one_by_one(self, columns: Sequence[Any]) -> Any:
        count = columns[0].shape[0]
        return self.backend.namespace.stack([self.forward(tuple(x[i, ...] for x in columns)) for i in range(count)])

    @cached_property
    def _mapped(self) -> MappedLosses:
        return MappedLosses(self._problem, self._without_key, self._findings, fast_kernels=self._has_compilers)

    @property
    def _has_compilers(self) -> bool:
        # Compilers of libraries take seconds: who asks for one operation after another does not wait for them.
        return self.options.fast_kernels and self.options.backend == "compiled"

    def backward(self, xs: Sequence[Any]) -> list[Any]:
        """Return the gradients of all parameters, zeros where one is frozen."""
        return self.loss_and_grads(xs)[1]

    def loss_and_grads(self, xs: Sequence[Any]) -> tuple[Any, list[Any]]:
        """Return the loss and the gradients of all parameters, zeros where one is frozen, from one run."""
        value, grads = self._run(self._runner.loss_and_grads)(self._params, xs, self._keywords())
        return value, self._with_zeros(grads)

    def mapped_gradients(self, columns: Sequence[Any], weights: Any) -> tuple[Any, list[Any]]:
        """Return the losses of samples along the first axis of ``columns``, and the gradients of all parameters of
        ``sum(weights * losses)``, zeros where one is frozen, from one compiled program, whatever the options' backend.

        Raises `NoRuleError`, `TraceError` or `WatchedError` where the loss cannot be mapped over samples.
        """
        self.check_inputs(tuple(x[0, ...] for x in columns))
        losses, grads = self._run(self._gradients)(self._params, columns, weights, self._keywords().get("key"))
        return losses, self._with_zeros(grads)

    def _with_zeros(self, grads: Sequence[Any]) -> list[Any]:
        """Return the gradients of all parameters of those of the trainable ones."""
        found = dict(zip(self._trainable, grads, strict=True))
        zeros = self.backend.namespace.zeros_like
        return [found[i] if i in found else zeros(p) for i, p in enumerate(self._params)]

    def _keywords(self) -> dict[str, Any]:
        """Return the loss's keyword arguments for the step that comes."""
        if not self._takes_key:
            return {}
        key = random.key(self.options.seed, self.steps_done, xp=self.backend.namespace, device=self._device)
        return {"key": key}

    # ---- steps
    def step(self, lr: Any, xs: Sequence[Any]) -> Any:
        """Take one step of gradient descent, p - lr g for every trainable parameter; return the loss before it."""
        rate = nonnegative("lr", lr)
        # Without what can be looked up beforehand: a small step takes microseconds.
        params = self._stored or self._params
        value, params = self._step(params, rate, xs, self._keywords() if self._takes_key else _NO_KEYWORDS)
        if self._lazy:
            value, params = _computed(self.backend, (value, params))
        self._stored = params
        self.steps_done += 1
        return value

    def init_optim(self, opt: Optimizer) -> Any:
        """Return the optimiser's state for the trainable parameters."""
        _check_optimizer(opt)
        return opt.init([self._params[i] for i in self._trainable])

    def step_with(self, opt: Optimizer, state: Any, xs: Sequence[Any]) -> Any:
        """Take one step of ``opt``; return its new state."""
        return self.step_with_loss(opt, state, xs)[0]

    def step_with_loss(self, opt: Optimizer, state: Any, xs: Sequence[Any]) -> tuple[Any, Any]:
        """Take one step of ``opt``; return its new state, and the loss before the step, from one run of the loss."""
        _check_optimizer(opt)
        value, params, state = self._run(self._runner.step_with)(opt, state, self._params, xs, self._keywords())
        self._stored, state, value = _computed(self.backend, (params, state, value))
        self.steps_done += 1
        return state, value

    def apply_gradients(self, opt: Optimizer, state: Any, grads: Sequence[Any]) -> Any:
        """Take one step of ``opt`` with gradients computed elsewhere, one for each parameter; return its new state.

        Those of frozen parameters are not looked at.
        """
        _check_optimizer(opt)
        check_count(grads, self._count, "gradients")
        for i in self._trainable:
            self._param_slots[i].check(grads[i], integers=False)
        params, state = self._runner.apply(opt, state, self._params, [grads[i] for i in self._trainable])
        self._stored, state = _computed(self.backend, (params, state))
        self.steps_done += 1
        return state

    # ---- training
    def train_sgd(
        self, lr: Any, steps: int, samples: Any, log_every: int = 1, log: Callable[[str], Any] | None = print
    ) -> train.History:
        """Take ``steps`` steps of gradient descent, step i on samples[i mod len]; return the logged steps and their
        losses, each from before its update.
        """
        rate = nonnegative("lr", lr)
        return train.run(lambda xs: self.step(rate, xs), steps, samples, log_every, log)

    def train_with(
        self,
        opt: Optimizer,
        state: Any,
        steps: int,
        samples: Any,
        log_every: int = 1,
        log: Callable[[str], Any] | None = print,
    ) -> Any:
        """Take ``steps`` steps of ``opt``, step i on samples[i mod len]; return the optimiser's last state."""

        def step(xs: Any) -> Any:
            nonlocal state
            state, value = self.step_with_loss(opt, state, xs)
            return value

        train.run(step, steps, samples, log_every, log)
        return state

    def mean_loss(self, samples: Any, *, weights: Any = None, client: Any = None, **options: Any) -> float:
        """Return the arithmetic mean of the loss over ``samples``, a Python float; see `tl.distributed.mean_loss`,
        which this is.
        """
        from tl_arrayapi import distributed

        mean: float = distributed.mean_loss(self, samples, client, weights=weights, **options)
        return mean

    @property
    def programs(self) -> list[ProgramReport]:
        """What a compiled module has compiled, a report for each program; an eager one has none."""
        return self._runner.programs

    def summary(self) -> str:
        """Return a table of the parameters: name, shape, dtype, elements, and whether each is trainable."""
        rows = [("parameter", "shape", "elements", "trainable")]
        for name, shape, flag in zip(self.param_names, self.param_shapes, self._requires_grad, strict=True):
            rows.append((name, str(shape), f"{math.prod(shape):,}", "yes" if flag else "frozen"))
        total = sum(math.prod(shape) for shape in self.param_shapes)
        live = sum(math.prod(self.param_shapes[i]) for i in self._trainable)
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [
            "  ".join((row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2]), row[3])).rstrip()
            for row in rows
        ]
        where = f"{self.backend.namespace.__name__}, {self.options.dtype}" + (
            f", {self._device}" if self._device is not None else ""
        )
        described = "" if self.is_materialized else ", not in memory yet"
        return "\n".join([*lines, f"{total:,} elements, {live:,} trainable, on {where}{described}"])

    def __repr__(self) -> str:
        where = f"{self.backend.namespace.__name__}, {self.options.dtype}, {self.options.backend}"
        described = "" if self.is_materialized else ", not in memory yet"
        return f"<ScalarModule of {self._count} parameters on {where}{described}>"


def _check_optimizer(opt: Any) -> None:
    if not (callable(getattr(opt, "init", None)) and callable(getattr(opt, "step", None))):
        raise ArgumentError(f"an optimiser, such as tl.optim.adam(1e-3), is expected; got a {type(opt).__name__}")


def _computed(backend: Backend, results: tuple[Any, ...]) -> Any:
    """Compute and keep the results of a step together, where the library is lazy: its graph would grow with every step,
    and what they share be computed for each of them.
    """
    if not backend.lazy:
        return results
    arrays = [x for x in leaves(results) if namespace_of_type(x) is not None]
    kept = iter(backend.persist(arrays))
    return map_tree(lambda x, path: next(kept) if namespace_of_type(x) is not None else x, results, "")


def _rebuilt(
    definition: ScalarModuleDef,
    options: Options,
    values: list[Any] | Initial,
    flags: list[bool],
    steps_done: int,
) -> ScalarModule:
    if not isinstance(values, Initial):
        values = [options.library.from_host(p, options.dtype, options.device) for p in values]
    module = ScalarModule(definition, options, values)
    module.requires_grad = flags
    module.steps_done = steps_done
    return module
