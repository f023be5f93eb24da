"""The picture of a training run: its loss at every step. It is drawn without a screen, and leaves no global state."""

import io
import math
from collections.abc import Mapping, Sequence

from tl_arrayapi.errors import ArgumentError

__all__ = ["loss_curve", "smoothed"]


def loss_curve(losses: Sequence[float], *, title: str = "", marks: Mapping[int, float] | None = None) -> bytes:
    r"""Return a PNG picture of ``losses``, one for each step from 0, on a logarithmic axis where any is positive.

    ``marks`` are accuracies in [0, 1] by the number of steps taken before each; they get an axis of their own. Raises
    ArgumentError where there is no loss. Needs Matplotlib.

    >>> loss_curve([2.3, 0.9, 0.4], marks={3: 0.8})[:4]
    b'\x89PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not losses:
        raise ArgumentError("there is no loss to draw: take at least one step")
    figure = Figure(figsize=(8.0, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(losses, color="tab:blue", alpha=0.35, linewidth=1.0, label="loss of the mini-batch")
    axes.plot(smoothed(losses), color="tab:blue", linewidth=2.0, label="its moving average")
    axes.set(xlabel="step", ylabel="loss", yscale="log" if any(x > 0 for x in losses) else "linear", title=title)
    axes.grid(visible=True, alpha=0.3)
    handles = axes.get_lines()
    if marks:
        right = axes.twinx()
        right.plot(
            list(marks), list(marks.values()), color="tab:orange", marker="o", markersize=4, label="held-out accuracy"
        )
        right.set(ylabel="accuracy", ylim=(0.0, 1.02))
        handles = [*handles, *right.get_lines()]
    axes.legend(handles=handles, loc="lower left")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def smoothed(values: Sequence[float], keep: float = 0.9) -> list[float]:
    """Return the exponential moving average of ``values``, without a bias to the first ones; NaN stands for none.

    Weights of older values fall by the factor ``keep``, and are divided by their sum, as in Kingma and Ba,
    "Adam" (2015).

    >>> smoothed([1.0, 1.0, 1.0])
    [1.0, 1.0, 1.0]
    """
    total = weight = 0.0
    means = []
    for value in values:
        known = not math.isnan(value)
        total, weight = keep * total + (value if known else 0.0), keep * weight + known
        means.append(total / weight if weight else math.nan)
    return means
