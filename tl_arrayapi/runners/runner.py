"""What every runner does: the interface, and the checks that all of them make."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from tl_arrayapi.autograd.namespace import Namespace
from tl_arrayapi.autograd.report import ProgramReport
from tl_arrayapi.errors import DTypeError
from tl_arrayapi.optim.optimizer import Optimizer

__all__ = ["Problem", "Runner"]


@dataclass(frozen=True)
class Problem:
    """What a runner runs: a loss of parameters and inputs, which of the parameters are trainable, and the dtype that
    loss and parameters have.
    """

    loss: Callable[..., Any]
    trainable: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtype: Any
    xp: Namespace
    check: Callable[[Any], None]
    """Raises where something is not one tuple of inputs; runners check what they are given."""
    device: Any = None
    fast_kernels: bool = True

    @cached_property
    def frozen(self) -> list[int]:
        """The places of the parameters that are not trainable."""
        return [i for i in range(len(self.shapes)) if i not in self.trainable]

    def checked(self, value: Any) -> Any:
        """Return the loss, or raise where it has another dtype than the parameters."""
        if value.dtype != self.dtype and self.xp.ground.is_kind(self.dtype, "real floating"):
            name = self.xp.backend.dtype_name
            raise DTypeError(
                f"the loss must be {name(self.dtype)}, as the parameters are; got {name(value.dtype)}: look for an "
                f"array of another dtype in the loss"
            )
        return value

    def chosen(self, params: Sequence[Any]) -> list[Any]:
        """Return the trainable ones of ``params``."""
        return [params[i] for i in self.trainable]

    def stored(self, params: Sequence[Any], trainable: Sequence[Any]) -> list[Any]:
        """Return ``params`` with new values in the places of the trainable ones."""
        found = list(params)
        for i, p in zip(self.trainable, trainable, strict=True):
            found[i] = p
        return found


class Runner(Protocol):
    """Compute losses, gradients and steps of one problem; ``params`` are all parameters, ``keywords`` the loss's.

    Parameters and gradients are lists; gradients are those of the trainable parameters alone. What is returned shares
    no memory with what a caller holds, but parameters that a runner has returned it may reuse when it is handed later
    ones.
    """

    def owned(self, params: Sequence[Any], *, given_away: bool) -> list[Any]:
        """Return ``params`` as this runner keeps them: copies, or themselves where they are ``given_away``."""

    @property
    def programs(self) -> list[ProgramReport]:
        """What was compiled, in order."""

    def forward(self, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """Return the loss."""

    def losses(self, params: Sequence[Any], columns: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """Return the losses of samples, stacked along the first axis of each input, in an array of one axis."""

    def loss_and_grads(
        self, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]
    ) -> tuple[Any, Sequence[Any]]:
        """Return the loss and its gradients."""

    def step(
        self, params: list[Any], rate: float, xs: Sequence[Any], keywords: dict[str, Any]
    ) -> tuple[Any, list[Any]]:
        """Return the loss, and the parameters after a step of gradient descent."""

    def step_with(
        self, opt: Optimizer, state: Any, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]
    ) -> tuple[Any, list[Any], Any]:
        """Return the loss, and parameters and state after a step of ``opt``."""

    def apply(self, opt: Optimizer, state: Any, params: Sequence[Any], grads: Sequence[Any]) -> tuple[list[Any], Any]:
        """Return parameters and state after a step of ``opt`` with ``grads``."""
