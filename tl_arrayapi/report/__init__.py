"""What a run shows to people: its progress while it lasts, and a picture of its losses. Nothing here knows a module."""

from tl_arrayapi.report.curve import loss_curve
from tl_arrayapi.report.progress import Display, display
from tl_arrayapi.report.throughput import Throughput, progress_bar

__all__ = ["Display", "Throughput", "display", "loss_curve", "progress_bar"]
