"""Programs of a reader who knew the promises alone."""

import numpy as np
import pytest

import tl_arrayapi as tl


@pytest.mark.parametrize("order", ["view first", "owner first"])
def test_a_loss_captures_an_array_and_a_view_of_it(order):
    owner = np.ones((3, 3))
    view = owner[0, :]
    first, second = (view, owner) if order == "view first" else (owner, view)

    def loss(x):
        xp = tl.array_namespace(x)
        return xp.sum(x * first) + xp.sum(x * second)

    assert tl.grad(loss)(np.ones(3)).tolist() == [4.0, 4.0, 4.0]
    assert owner.flags.writeable
    assert view.flags.writeable


def test_a_view_is_let_go_of_while_its_owner_is_still_held():
    owner = np.ones((2, 3))
    view = owner[0, :]

    def loss(x):
        xp = tl.array_namespace(x)
        held = xp.sum(x * owner)
        inner = tl.grad(lambda y: tl.array_namespace(y).sum(y * y * view))(x)
        with pytest.raises(ValueError, match="read-only"):
            owner[0, 0] = 7.0
        return held + xp.sum(inner)

    assert tl.grad(loss)(np.ones(3)).tolist() == [4.0, 4.0, 4.0]
    assert owner.flags.writeable
    assert view.flags.writeable
