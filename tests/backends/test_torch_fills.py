"""PyTorch's fills: the host's tensors are filled as NumPy's memory, with the portable fill's bits in every format."""

import numpy as np
import pytest

from tests.drawn import RECIPES, reference
from tl_arrayapi import backends, init

torch = pytest.importorskip("torch")


def bits(tensor):
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy().tobytes()


@pytest.mark.parametrize("name", RECIPES)
def test_every_kind_has_the_bits_of_the_portable_fill(name):
    recipe = RECIPES[name]
    found = backends.get(torch).draw(recipe, (7, 11, 13), recipe.format.name, None)
    assert found.dtype == getattr(torch, recipe.format.name)
    assert found.is_contiguous()
    assert bits(found) == reference(recipe, 1001).tobytes()


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0)])
def test_tensors_of_few_elements_or_none_are_filled(shape):
    recipe = RECIPES["about 0, bfloat16"]
    found = backends.get(torch).draw(recipe, shape, "bfloat16", torch.device("cpu"))
    assert found.shape == shape
    assert bits(found) == reference(recipe, int(np.prod(shape))).tobytes()


def test_as_many_threads_fill_as_torch_may_use(monkeypatch):
    asked = []
    monkeypatch.setattr(type(backends.get(None)), "fill_into", lambda self, out, recipe, threads: asked.append(threads))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    init.materialize(init.uniform(-1, 1), (3,), torch)
    assert asked == [7]
