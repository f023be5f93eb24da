"""Checkpoints of modules: what comes back besides parameters, by which names, and what does not fit."""

import dataclasses
import json
import os
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.storage.common import write
from tl_arrayapi.differences import Differences
from tl_arrayapi.errors import CheckpointError, StructureError

VERSION_1 = Path(__file__).parent / "storage" / "version1.safetensors"
X, Y = [[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [1.0, 0.0]]


def loss(w, b, x, y):
    xp = tl.array_namespace(w, b, x, y)
    return xp.mean((x @ w + b - y) ** 2)


def definition(**changes):
    values = {"init_params": [[[0.5, -1.0], [2.0, 0.25]], [1.0, -3.0]], **changes}
    return tl.ScalarModuleDef(loss, **values)


def module(xp, **changes):
    return definition(**changes).instantiate(xp=xp.namespace, dtype=xp.real, device=xp.device)


def values(m):
    return {name: np.asarray(x) for name, x in zip(m.param_names, m.host_params(), strict=True)}


def same_values(m, n):
    ours, theirs = values(m), values(n)
    return list(ours) == list(theirs) and all(ours[k].tobytes() == theirs[k].tobytes() for k in ours)


# ---------------------------------------------------------------- both forms, every library
@pytest.mark.parametrize("shard_size", [None, 24])
def test_training_goes_on_from_a_checkpoint_to_the_same_bits(xp, backend, tmp_path, shard_size):
    path, opt, m, n = tmp_path / "m.safetensors", tl.optim.adam(0.1), module(xp), module(xp)
    xs = m.asarrays((X, Y))
    state = m.step_with(opt, m.init_optim(opt), xs)
    m.save(path, state, step=1, shard_size=shard_size)
    again, step = n.load(path)
    assert (step, n.steps_done) == (1, 1)
    for _ in range(2):
        state, again = m.step_with(opt, state, xs), n.step_with(opt, again, xs)
    assert same_values(m, n)


def test_what_was_loaded_is_the_modules_own(xp, tmp_path):
    m, n = module(xp), module(xp)
    m.save(tmp_path / "m")
    n.load(tmp_path / "m")
    before = values(n)
    handed_out = n.params
    n.step(0.1, n.asarrays((X, Y)))
    assert [np.asarray(xp.to_numpy(p)).tobytes() for p in handed_out] == [x.tobytes() for x in before.values()]


def test_a_checkpoint_of_the_first_version_goes_on_as_it_did():
    m, opt = definition().instantiate(), tl.optim.adam(0.1)
    state, step = m.load(VERSION_1)
    assert step == 3
    for _ in range(2):
        state = m.step_with(opt, state, m.asarrays((X, Y)))
    np.testing.assert_allclose(m.params[0], [[0.00591182, -0.5147049], [1.5058346, 0.7363367]], rtol=1e-5)
    np.testing.assert_allclose(m.params[1], [0.5056617, -2.5116842], rtol=1e-5)


def test_every_changed_bit_of_a_checkpoint_of_the_first_version_is_refused(tmp_path):
    raw, m = VERSION_1.read_bytes(), definition().instantiate()
    for place in range(0, len(raw), 7):
        changed = bytearray(raw)
        changed[place] ^= 4
        (tmp_path / "m").write_bytes(changed)
        with pytest.raises(CheckpointError):
            m.load(tmp_path / "m")


def test_a_lazy_module_is_loaded_without_being_filled_first(tmp_path):
    m = definition().instantiate()
    m.save(tmp_path / "m")
    lazy = definition().instantiate_with(None, tl.Options(lazy=True))
    lazy.compare(tmp_path / "m")
    assert not lazy.is_materialized
    lazy.load(tmp_path / "m")
    assert same_values(m, lazy)


# ---------------------------------------------------------------- beside the parameters
def test_a_checkpoint_tells_what_it_holds_without_its_values(xp, tmp_path):
    m, opt = module(xp), tl.optim.momentum(0.1)
    m = definition().instantiate_with(
        None, tl.Options(xp=xp.namespace, dtype=xp.real, device=xp.device, seed=2**64 - 1)
    )
    sampler = {"seed": 2**64 - 1, "epoch": 3, "batch": 17, "order": "shuffled", "past": -1}
    m.save(tmp_path / "m", m.init_optim(opt), step=5, sampler=sampler)
    info = tl.read_checkpoint(tmp_path / "m")
    assert (info.step, info.seed, info.sampler) == (5, 2**64 - 1, sampler)
    assert info.tensors == {"w": (xp.real, (2, 2)), "b": (xp.real, (2,))}
    assert sorted(info.state.values()) == sorted(info.tensors.values())
    assert set(info.versions) == {"tl_arrayapi", "python", "numpy", m.backend.name}
    assert info.versions["tl_arrayapi"] == tl.__version__
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.step = 6


def test_a_sampler_goes_on_where_it_stood(tmp_path):
    samples = tl.stack_samples(np.arange(10))
    m = definition().instantiate()
    run = [x.tolist() for epoch in range(2) for (x,) in tl.minibatches(samples, 3, seed=7, epoch=epoch)]
    seen = [x.tolist() for (x,) in tl.minibatches(samples, 3, seed=7, epoch=0)][:2]
    m.save(tmp_path / "m", sampler={"seed": 7, "size": 3, "epoch": 0, "start": 2})
    for epoch in range(2):
        at = tl.read_checkpoint(tmp_path / "m").sampler
        at |= {"epoch": epoch, "start": at["start"] if epoch == 0 else 0}
        seen += [x.tolist() for (x,) in tl.minibatches(samples, **at)]
    assert seen == run


@pytest.mark.parametrize("start", [-1, 1.5])
def test_a_start_that_is_no_count_is_refused(start):
    with pytest.raises(tl.errors.ArgumentError, match="start"):
        tl.minibatches(tl.stack_samples(np.arange(4)), 2, 0, 0, start)
    assert list(tl.minibatches(tl.stack_samples(np.arange(4)), 2, 0, 0, 5)) == []


@pytest.mark.parametrize(
    "sampler", [[("epoch", 1)], {"epoch": 1.5}, {"epoch": True}, {"epoch": 2**64}, {1: 1}, {"a": None}]
)
def test_a_sampler_that_is_no_small_mapping_is_refused(tmp_path, sampler):
    with pytest.raises(CheckpointError, match="sampler maps names to whole numbers"):
        definition().instantiate().save(tmp_path / "m", sampler=sampler)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *(("step", text) for text in ("", "-1", "1.5", "٣", "9" * 30, "x", str(2**63))),
        *(("seed", text) for text in ("", "-1", str(2**64))),
        *(("sampler", text) for text in ("", "[]", "{", '{"a": []}', '{"a": 1.5}', '{"a": null}', '{"a": 1, "a": 2}')),
        *(("made_with", text) for text in ("", "{", '{"a": {}}', '{"a": "b"} x')),
        *(("version", text) for text in ("3", "", "1.0")),
        *(("optimizer", text) for text in ("", "{}", '{"array":"0"}')),
    ],
)
def test_metadata_that_this_package_does_not_write_are_refused(tmp_path, key, text):
    notes = {"format": "tl_arrayapi", "version": "2", "step": "1", "seed": "0", "optimizer": "null", "sampler": "{}"}
    header = {"__metadata__": {**notes, key: text}, "w": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}
    write(tmp_path / "m", header, b"\0" * 4)
    m = tl.ScalarModuleDef(lambda w: w * w, init_params=[1.0]).instantiate()
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        m.load(tmp_path / "m")
    assert m.params == [1.0]


# ---------------------------------------------------------------- by name
def test_all_that_does_not_fit_is_told_at_once(xp, tmp_path):
    arrays = {"w": np.zeros((3, 2)), "old": np.zeros(2), "older": np.zeros(1), "c": np.zeros(2, "complex64")}
    tl_save(tmp_path / "m", arrays)
    ones = [np.ones((2, 3)), np.ones(2), np.ones(2)]
    made = tl.ScalarModuleDef(lambda w, b, c: w, init_params=ones)
    m = made.instantiate(xp=xp.namespace, dtype="float32", device=xp.device)
    expected = Differences(
        ("b",), ("old", "older"), (("w", (3, 2), (2, 3)),), (("w", "float64", "float32"), ("c", "complex64", "float32"))
    )
    assert m.compare(tmp_path / "m") == expected
    with pytest.raises(CheckpointError) as caught:
        m.load(tmp_path / "m")
    for part in ("missing: b", "not in the module: old, older", "w (3, 2), where the module has (2, 3)", "c complex64"):
        assert part in str(caught.value)
    assert all((x == 1).all() for x in values(m).values())


def tl_save(path, arrays):
    tl.checkpoints.save(path, arrays, tl.backends.get(None))


def test_a_checkpoint_that_fits_has_no_differences(xp, tmp_path):
    m = module(xp)
    m.save(tmp_path / "m")
    differences = m.compare(tmp_path / "m")
    assert not differences
    assert str(differences) == "no difference"


def test_not_strictly_what_fits_is_loaded_and_the_rest_kept(xp, backend, tmp_path):
    tl_save(
        tmp_path / "m", {"b": np.asarray([7.0, 8.0], "float32"), "w": np.zeros((3, 3), "float32"), "z": np.zeros(1)}
    )
    m = module(xp)
    before = values(m)["w"]
    assert m.load(tmp_path / "m", strict=False) == (None, 0)
    assert values(m)["b"].tolist() == [7.0, 8.0]
    assert values(m)["w"].tobytes() == before.tobytes()
    m.step(0.1, m.asarrays((X, Y)))


def test_not_even_not_strictly_is_nothing_loaded(tmp_path):
    tl_save(tmp_path / "m", {"other": np.zeros(2)})
    m = definition().instantiate()
    with pytest.raises(CheckpointError, match="missing: w, b; not in the module: other"):
        m.load(tmp_path / "m", strict=False)


def test_parameters_go_by_other_names_in_a_file(xp, tmp_path):
    m, n, names = module(xp), module(xp, init_params=[np.zeros((2, 2)), np.zeros(2)]), {"w": "linear/weight"}
    m.save(tmp_path / "m", names=names)
    assert list(tl.read_checkpoint(tmp_path / "m").tensors) == ["linear/weight", "b"]
    assert n.compare(tmp_path / "m").missing == ("w",)
    assert not n.compare(tmp_path / "m", names=names)
    n.load(tmp_path / "m", names=names)
    assert same_values(m, n)


def test_names_may_be_exchanged(tmp_path):
    shapes = {"init_params": [[1.0, 2.0], [3.0, 4.0]]}
    m, n = (tl.ScalarModuleDef(lambda a, b: a @ b, **shapes).instantiate() for _ in range(2))
    m.save(tmp_path / "m", names={"a": "b", "b": "a"})
    n.load(tmp_path / "m")
    assert values(n)["a"].tolist() == [3.0, 4.0]


@pytest.mark.parametrize("names", [{"x": "y"}, {"w": "b"}, {"w": 1}, {"w": None}])
def test_names_that_are_no_mapping_of_this_module_are_refused(tmp_path, names):
    m = definition().instantiate()
    for call in (m.save, m.load, m.compare):
        with pytest.raises(StructureError, match="names"):
            call(tmp_path / "m", names=names)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["../w", "optimizer.0", "__metadata__"])
def test_a_name_that_a_file_cannot_hold_is_refused(tmp_path, name):
    with pytest.raises(CheckpointError):
        definition().instantiate().save(tmp_path / "m", names={"w": name})
    assert not os.listdir(tmp_path)


# ---------------------------------------------------------------- PyTorch
@pytest.fixture
def linear():
    """Give a PyTorch layer and a module of the same shapes, whose names are those of its state dict."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors.torch")
    return torch.nn.Linear(3, 2)


def torch_loss(weight, bias):
    return tl.array_namespace(weight).sum(weight) + tl.array_namespace(bias).sum(bias)


def of_linear(dtype="float32", **options):
    made = tl.ScalarModuleDef(torch_loss, init_params=[np.zeros((2, 3)), np.zeros(2)], param_names=["weight", "bias"])
    return made.instantiate(dtype=dtype, **options)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_state_dict_of_pytorch_loads_by_name(tmp_path, linear, library):
    from safetensors.torch import save_file

    save_file(linear.state_dict(), tmp_path / "m", {"format": "pt"})
    m = of_linear(xp=library)
    assert m.load(tmp_path / "m") == (None, 0)
    for ours, theirs in zip(m.host_params(), linear.state_dict().values(), strict=True):
        assert ours.tobytes() == theirs.numpy().tobytes()


@pytest.mark.parametrize("shard_size", [None, 8])
def test_a_module_is_loaded_by_pytorch_as_a_strict_state_dict(tmp_path, linear, shard_size):
    from safetensors.torch import load_file

    m = tl.ScalarModuleDef(torch_loss, init_params=[np.arange(6.0).reshape(2, 3), [7.0, 8.0]]).instantiate()
    path = tmp_path / "model.safetensors.index.json"
    m.save(path, shard_size=shard_size)
    files = [path] if shard_size is None else sorted(tmp_path.glob("*.safetensors"))
    assert len(files) == (1 if shard_size is None else 2)
    linear.load_state_dict({k: x for file in files for k, x in load_file(file).items()}, strict=True)
    assert linear.weight.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert linear.bias.tolist() == [7, 8]


def test_names_of_a_deeper_state_dict_are_mapped(tmp_path, linear):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    net = torch.nn.Sequential(linear, torch.nn.ReLU())
    names = {"weight": "0.weight", "bias": "0.bias"}
    save_file(net.state_dict(), tmp_path / "m")
    m = of_linear(xp=torch)
    m.load(tmp_path / "m", names=names)
    m.save(tmp_path / "n", names=names)
    net.load_state_dict(load_file(tmp_path / "n"), strict=True)
    assert net[0].weight.tolist() == m.params[0].tolist()


def test_shards_as_hugging_face_names_them_load(tmp_path, linear):
    from safetensors.torch import save_file

    state = linear.state_dict()
    files = {name: f"model-0000{i + 1}-of-00002.safetensors" for i, name in enumerate(state)}
    for name, file in files.items():
        save_file({name: state[name]}, tmp_path / file, {"format": "pt"})
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 32}, "weight_map": files}, indent=2))
    m = of_linear()
    m.load(index)
    assert m.params[0].tobytes() == state["weight"].numpy().tobytes()
    assert tl.read_checkpoint(index).tensors == {"weight": ("float32", (2, 3)), "bias": ("float32", (2,))}


def test_bfloat16_goes_both_ways_with_its_bits(tmp_path, linear):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    save_file(linear.to(torch.bfloat16).state_dict(), tmp_path / "m")
    m = of_linear("bfloat16", xp=torch)
    m.load(tmp_path / "m")
    m.save(tmp_path / "n", opt_state=[m.params[1]])
    found = load_file(tmp_path / "n")
    assert found["weight"].dtype == torch.bfloat16
    for name, x in linear.state_dict().items():
        assert torch.equal(found[name].view(torch.int16), x.view(torch.int16))
    state, _ = m.load(tmp_path / "n")
    assert torch.equal(state[0], linear.bias.detach())
    with pytest.raises(CheckpointError, match="NaN or infinite"):
        m.save(tmp_path / "o", opt_state=[torch.tensor([1.0, torch.inf], dtype=torch.bfloat16)])


def test_bfloat16_widens_and_goes_to_another_library_that_has_it(tmp_path, linear):
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax.numpy")
    from safetensors.torch import save_file

    save_file(linear.to(torch.bfloat16).state_dict(), tmp_path / "m")
    for dtype, library in (("float32", torch), ("bfloat16", jax)):
        m = of_linear(dtype, xp=library)
        m.load(tmp_path / "m")
        assert [x.tolist() for x in m.host_params()] == [x.float().tolist() for x in linear.state_dict().values()]


def test_bfloat16_is_refused_by_a_library_that_has_none(tmp_path, linear):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    save_file(linear.to(torch.bfloat16).state_dict(), tmp_path / "m")
    with pytest.raises(CheckpointError, match="bfloat16 tensors, which numpy does not have"):
        of_linear().load(tmp_path / "m")
    assert tl.read_checkpoint(tmp_path / "m").tensors["bias"] == ("bfloat16", (2,))


# ---------------------------------------------------------------- memory
SIZE = 8 << 20


def large(names):
    """Return a module with a parameter of 8 MB for each name."""
    shapes = [(SIZE // 4,)] * len(names)
    plan = tl.init.Plan(shapes, [tl.init.ones()] * len(names), names)
    return tl.ScalarModuleDef(lambda *ps: ps[0][0], plan=plan, param_names=names).instantiate()


def peak(call):
    """Return the bytes that a call needs at most, beyond what is there before it and what stays."""
    tracemalloc.start()
    try:
        call()
        now, most = tracemalloc.get_traced_memory()
        return most - now
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("count", "shard_size"), [(3, None), *(pytest.param(20, n, marks=pytest.mark.slow) for n in (None, 40 << 20))]
)
def test_saving_and_loading_need_the_memory_of_one_tensor_at_most(tmp_path, count, shard_size):
    m = large([f"p{i}" for i in range(count)])
    assert peak(lambda: m.save(tmp_path / "m", shard_size=shard_size)) < SIZE
    held = [*m._params]  # those from before a load go only when all new ones are there
    assert peak(lambda: m.load(tmp_path / "m")) < SIZE
    assert len(held) == count


def test_what_is_not_wanted_needs_no_memory(tmp_path):
    large(["a", "b", "c"]).save(tmp_path / "m")
    m = large(["b"])
    assert peak(lambda: m.load(tmp_path / "m", strict=False)) < 1.5 * SIZE


def test_of_another_programs_file_only_what_is_wanted_is_read(tmp_path):
    header = {name: {"dtype": "F32", "shape": [], "data_offsets": [4 * i, 4 * i + 4]} for i, name in enumerate("wz")}
    write(tmp_path / "m", header, np.asarray([2.0, np.nan], "float32").tobytes())
    m = tl.ScalarModuleDef(lambda w: w * w, init_params=[1.0]).instantiate()
    m.load(tmp_path / "m", strict=False)
    assert m.params == [2.0]
    both = tl.ScalarModuleDef(lambda w, z: w * z, init_params=[1.0, 1.0]).instantiate()
    with pytest.raises(CheckpointError, match="'z' has NaN"):
        both.load(tmp_path / "m")


def test_arrays_of_dask_are_computed_in_slabs(tmp_path, monkeypatch):
    dask = pytest.importorskip("dask.array")
    monkeypatch.setattr(tl.checkpoints, "_BLOCK", 1 << 10)
    backend = tl.backends.get(dask)
    computed = []
    real = backend.to_host
    monkeypatch.setattr(backend, "to_host", lambda x: computed.append(x.shape) or real(x))
    x = np.arange(1000.0).reshape(100, 10)
    tl.checkpoints.save(tmp_path / "m", {"x": dask.from_array(x, chunks=(30, 10))}, backend)
    assert computed == [(12, 10)] * 8 + [(4, 10)]
    assert tl.storage.load(tmp_path / "m")[0]["x"].tobytes() == x.tobytes()


def test_a_checkpoint_is_a_folder_of_files_that_can_be_moved(tmp_path):
    m = definition().instantiate()
    (tmp_path / "a").mkdir()
    m.save(tmp_path / "a" / "m.json", shard_size=8)
    shutil.move(tmp_path / "a", tmp_path / "b")
    n = definition(init_params=[np.zeros((2, 2)), np.zeros(2)]).instantiate()
    n.load(tmp_path / "b" / "m.json")
    assert same_values(m, n)
