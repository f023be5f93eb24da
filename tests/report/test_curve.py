"""The loss curve: a PNG, whatever the losses are."""

import io
import math

import pytest
from matplotlib import image

from tl_arrayapi.errors import ArgumentError
from tl_arrayapi.report.curve import loss_curve, smoothed


def test_the_picture_shows_the_losses():
    drawn = image.imread(io.BytesIO(loss_curve([2.0, 1.0, 0.5, 0.25])))
    other = image.imread(io.BytesIO(loss_curve([2.0, 1.0, 0.5, 0.5])))
    assert drawn.shape[0] > 300
    assert drawn.shape[1] > 600
    assert (drawn != other).any()


def test_the_same_losses_give_the_same_picture():
    assert loss_curve([2.0, 1.0], title="t", marks={2: 0.5}) == loss_curve([2.0, 1.0], title="t", marks={2: 0.5})


def test_accuracies_get_an_axis_of_their_own():
    assert loss_curve([2.0, 1.0], marks={2: 0.5}) != loss_curve([2.0, 1.0])


@pytest.mark.parametrize("losses", [[1.0], [math.nan, 1.0], [0.0, 0.0], [math.nan]])
def test_odd_losses_are_drawn_too(losses):
    assert loss_curve(losses).startswith(b"\x89PNG")


def test_no_loss_is_refused():
    with pytest.raises(ArgumentError, match="no loss"):
        loss_curve([])


def test_drawing_leaves_no_figure_behind():
    from matplotlib import pyplot

    loss_curve([1.0])
    assert not pyplot.get_fignums()


def test_the_moving_average_is_the_weighted_mean_of_all_values_so_far():
    values = [3.0, 1.0, 4.0]
    weights = [0.9**2, 0.9, 1.0]
    expected = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
    assert smoothed(values)[-1] == pytest.approx(expected, rel=1e-14)
    assert smoothed(values)[0] == 3.0


def test_the_moving_average_skips_what_is_missing():
    assert smoothed([1.0, math.nan, 1.0])[2] == 1.0
