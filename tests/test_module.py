"""ScalarModuleDef and ScalarModule: the whole Module API, on every library."""

import pickle
import re

import cloudpickle
import numpy as np
import pytest

import tl_arrayapi as tl

pytestmark = pytest.mark.usefixtures("backend")

W, B = np.asarray([[1.0, 2.0, 3.0], [0.5, -1.0, 0.25]]), np.asarray([0.5, -0.5])
XS = (np.asarray([1.0, 2.0, -1.0]), np.asarray([1.0, 0.0]))
SAMPLES = [
    XS,
    (np.asarray([0.5, 0.0, 1.0]), np.asarray([0.0, 1.0])),
    (np.asarray([-1.0, 1.0, 2.0]), np.asarray([2.0, -1.0])),
]


def loss(w, b, x, y):
    r = w @ x + b - y
    return tl.array_namespace(w, b, x, y).sum(r * r)


def by_hand(w, b, x, y):
    r = w @ x + b - y
    return float(r @ r), [2 * np.outer(r, x), 2 * r]


def definition(**more):
    return tl.ScalarModuleDef(loss, **{"init_params": [W, B], "input_shapes": [(3,), (2,)], **more})


def module(xp, **more):
    return definition(**more).instantiate(xp=xp.namespace, dtype=xp.real, device=xp.device)


def close(xp, got, expected):
    for g, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(xp.to_numpy(g), e, rtol=100 * xp.tolerance, atol=100 * xp.tolerance)


def inputs(xp, sample=XS):
    return tuple(xp.asarray(x) for x in sample)


# ---- running
def test_forward_is_a_0d_array_of_the_library(xp):
    out = module(xp).forward(inputs(xp))
    assert type(out) is type(xp.asarray(1.0))
    assert out.shape == ()
    close(xp, [out], [by_hand(W, B, *XS)[0]])


def test_forward_is_bit_equal_to_the_loss_of_a_gradient_run(xp):
    m = module(xp)
    assert xp.to_numpy(m.forward(inputs(xp))) == xp.to_numpy(m.loss_and_grads(inputs(xp))[0])


def test_backward_gives_the_gradients_of_all_parameters(xp):
    close(xp, module(xp).backward(inputs(xp)), by_hand(W, B, *XS)[1])


def test_frozen_parameters_have_zero_gradients_and_keep_their_bits_under_every_method(xp):
    m = module(xp, init_requires_grad=[True, False])
    grads = m.backward(inputs(xp))
    close(xp, grads, [by_hand(W, B, *XS)[1][0], np.zeros(2)])
    assert not xp.to_numpy(grads[1]).any()
    bits = xp.to_numpy(m.params[1]).tobytes()
    m.step(0.1, inputs(xp))
    for opt in (tl.optim.adamw(0.1), tl.optim.chain(tl.optim.clip_by_global_norm(0.5), tl.optim.momentum(0.1))):
        m.step_with(opt, m.init_optim(opt), inputs(xp))
    m.train_sgd(0.01, 2, [inputs(xp)], log=None)
    assert xp.to_numpy(m.params[1]).tobytes() == bits
    assert not np.array_equal(xp.to_numpy(m.params[0]), W)


def test_a_module_with_nothing_trainable_still_steps(xp):
    m = module(xp, init_requires_grad=[False, False])
    m.step(0.1, inputs(xp))
    close(xp, m.params, [W, B])
    assert m.steps_done == 1


def test_clipping_sees_trainable_gradients_only(xp):
    opt = tl.optim.chain(tl.optim.clip_by_global_norm(0.5), tl.optim.sgd(1.0))
    m = module(xp, init_requires_grad=[False, True])
    m.step_with(opt, m.init_optim(opt), inputs(xp))
    g = by_hand(W, B, *XS)[1][1]
    close(xp, m.params, [W, B - 0.5 * g / np.linalg.norm(g)])


def test_step_descends_and_returns_the_loss_before(xp):
    m = module(xp)
    value = m.step(0.1, inputs(xp))
    expected, grads = by_hand(W, B, *XS)
    close(xp, [value, *m.params], [expected, W - 0.1 * grads[0], B - 0.1 * grads[1]])


def test_every_step_runs_the_loss_once_and_every_program_traces_it_once(xp, backend):
    calls = []

    def counted(w, b, x, y):
        calls.append(1)
        return loss(w, b, x, y)

    m = tl.ScalarModuleDef(counted, init_params=[W, B]).instantiate(xp=xp.namespace, dtype=xp.real, device=xp.device)
    opt = tl.optim.sgd(0.1)
    m.step(0.1, inputs(xp))
    m.step_with_loss(opt, m.init_optim(opt), inputs(xp))
    m.train_sgd(0.1, 3, [inputs(xp)], log=None)
    assert len(calls) == (5 if backend == "eager" else 2)


def test_train_sgd_goes_round_the_samples_and_logs_the_loss_before_the_update(xp):
    m, p, lines = module(xp), [W, B], []
    history = m.train_sgd(0.01, 5, [inputs(xp, s) for s in SAMPLES], log_every=2, log=lines.append)
    expected = []
    for i in range(5):
        value, grads = by_hand(*p, *SAMPLES[i % 3])
        expected += [value] if i % 2 == 0 else []
        p = [q - 0.01 * g for q, g in zip(p, grads, strict=True)]
    close(xp, m.params, p)
    assert history.step == [0, 2, 4]
    np.testing.assert_allclose(history.loss, expected, rtol=1e-4)
    assert [re.match(r"step (\d+): loss=", line)[1] for line in lines] == ["0", "2", "4"]


def test_train_with_is_step_with_one_after_another(xp):
    m, n, opt = module(xp), module(xp), tl.optim.adam(0.01)
    samples = tl.stack_samples(*(xp.asarray(np.stack(column)) for column in zip(*SAMPLES, strict=True)))
    state = n.init_optim(opt)
    for i in range(4):
        state = n.step_with(opt, state, samples[i % 3])
    returned = m.train_with(opt, m.init_optim(opt), 4, samples, log=None)
    assert returned["step"] == state["step"] == 4
    for a, b in zip(m.params, n.params, strict=True):
        assert xp.to_numpy(a).tobytes() == xp.to_numpy(b).tobytes()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_parameters_gradients_and_state_keep_their_dtype(xp, dtype):
    if not xp.has(dtype):
        pytest.skip(f"{xp.name} has no {dtype}")
    m = definition().instantiate(xp=xp.namespace, dtype=dtype, device=xp.device)
    xs = tuple(xp.asarray(x, dtype=dtype) for x in XS)
    opt = tl.optim.adam(0.01)
    state, value = m.step_with_loss(opt, m.init_optim(opt), xs)
    name = m.backend.dtype_name
    arrays = [value, *m.params, *m.backward(xs), *state["m"], *state["v"]]
    assert {name(a.dtype) for a in arrays} == {dtype}


# ---- parameters
def test_arrays_handed_out_do_not_change_under_the_user(xp):
    m = module(xp)
    held = m.params
    before = [xp.to_numpy(p).copy() for p in held]
    m.step(0.1, inputs(xp))
    for p, b in zip(held, before, strict=True):
        assert np.array_equal(xp.to_numpy(p), b)


def test_the_users_writes_do_not_reach_the_module():
    m = definition().instantiate(dtype="float64")
    mine = [W.copy(), B.copy()]
    m.set_params(mine)
    mine[0][...] = 99
    m.params[1][...] = 99
    m.named_params["b"][...] = 99
    m.backward(XS)[0][...] = 99
    np.testing.assert_array_equal(m.params[0], W)
    np.testing.assert_array_equal(m.params[1], B)


def test_set_params_takes_all_or_nothing(xp):
    m = module(xp)
    new = [xp.asarray(W + 1), xp.asarray(B - 1)]
    m.set_params(new)
    close(xp, m.params, [W + 1, B - 1])
    for bad, error, words in [
        ([new[0]], "StructureError", "2 parameters"),
        ([new[0], xp.asarray(np.ones(3))], "ShapeError", r'parameter 1 \("b"\).*\(2,\).*\(3,\)'),
        ([new[0], xp.asarray(np.asarray([1, 2]))], "DTypeError", r'parameter 1 \("b"\)'),
        ([new[0], [1.0, 2.0]], "NamespaceError", r'parameter 1 \("b"\)'),
    ]:
        with pytest.raises(getattr(tl.errors, error), match=words):
            m.set_params(bad)
    close(xp, m.params, [W + 1, B - 1])


def test_names_come_from_the_loss_the_plan_or_the_user():
    assert list(module_names()) == ["w", "b"]
    assert list(module_names(param_names=["weight", "bias"])) == ["weight", "bias"]
    plan = tl.init.Plan([(2, 3), (2,)], [tl.init.ones(), tl.init.zeros()], names=["p", "q"])
    assert list(tl.ScalarModuleDef(loss, plan=plan).instantiate().named_params) == ["p", "q"]
    assert list(tl.ScalarModuleDef(lambda *p: p[0], init_params=[1.0]).instantiate().named_params) == ["param0"]


def module_names(**more):
    return definition(**more).instantiate().named_params


def test_summary_lists_each_parameter(xp):
    text = module(xp, init_requires_grad=[True, False]).summary()
    assert re.search(r"w +\(2, 3\) +6 +yes", text)
    assert re.search(r"b +\(2,\) +2 +frozen", text)
    assert "8 elements, 6 trainable" in text


# ---- definitions and options
@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"param_shapes": [(2, 3), (3,)]}, "ShapeError"),
        ({"param_shapes": [(2, -3), (2,)]}, "ShapeError"),
        ({"init_requires_grad": [True]}, "StructureError"),
        ({"init_requires_grad": [1, 0]}, "ArgumentError"),
        ({"param_names": ["w"]}, "StructureError"),
        ({"param_names": ["w", "w"]}, "StructureError"),
        ({"param_names": ["w", "\x1b[2J"]}, "StructureError"),
        ({"input_shapes": [(3,), (2,), (1,)]}, "StructureError"),
        ({"init_params": [["a"], [1.0]]}, "DTypeError"),
        ({"init_params": None}, "StructureError"),
        ({"init_params": 5}, "StructureError"),
        ({"param_shapes": 5}, "StructureError"),
        ({"input_shapes": 5}, "StructureError"),
        ({"input_shapes": [None, None]}, "StructureError"),
        ({"init_requires_grad": 5}, "StructureError"),
        ({"param_names": "wb"}, "StructureError"),
        ({"plan": 5}, "PlanError"),
        ({"plan": tl.init.Plan([(2, 3), (2,)], [tl.init.ones(), tl.init.ones()])}, "PlanError"),
    ],
)
def test_a_definition_that_disagrees_with_itself_is_refused(more, error):
    with pytest.raises(getattr(tl.errors, error)):
        definition(**more)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"dtype": "int32"}, "DTypeError"),
        ({"dtype": "float31"}, "DTypeError"),
        ({"backend": "jit"}, "ArgumentError"),
        ({"matmul_precision": "low"}, "ArgumentError"),
        ({"fast_kernels": 1}, "ArgumentError"),
        ({"seed": -1}, "PlanError"),
        ({"seed": 2**64}, "PlanError"),
        ({"xp": "no_such_library"}, "BackendError"),
    ],
)
def test_options_out_of_range_are_refused(options, error):
    with pytest.raises(getattr(tl.errors, error)):
        tl.Options(**options)


def test_instantiate_defaults_to_numpy_and_float32():
    m = definition().instantiate()
    assert all(isinstance(p, np.ndarray) and p.dtype == np.float32 for p in m.params)


def test_a_cast_is_called_once_an_element_in_order():
    seen = []
    m = definition().instantiate_with(lambda v: (seen.append(v), v * 0.5)[1], tl.Options(dtype="float64"))
    assert seen == [*W.ravel(), *B]
    np.testing.assert_array_equal(m.params[0], W / 2)


def test_a_vectorized_cast_is_called_once_a_parameter():
    class Half:
        calls = 0

        def __call__(self, v):
            raise AssertionError("not one by one")

        def vectorized(self, values):
            self.calls += 1
            return values / 2

    half = Half()
    m = definition().instantiate_with(half, tl.Options(dtype="float64"))
    assert half.calls == 2
    np.testing.assert_array_equal(m.params[1], B / 2)


def test_a_cast_to_another_dtype_than_the_options_is_refused():
    for cast in (np.float64, lambda v: np.float16(v)):
        with pytest.raises(tl.errors.DTypeError, match="float32"):
            definition().instantiate(cast, dtype="float32")
    assert definition().instantiate(np.float32, dtype="float32").params[0].dtype == np.float32


@pytest.mark.parametrize("cast", [str, lambda v: [v], lambda v: None, lambda v: v > 0])
def test_a_cast_that_gives_no_numbers_is_refused(cast):
    with pytest.raises(tl.errors.DTypeError, match="cast"):
        tl.cast_tensor(cast, W)


def test_casts_keep_shape_order_and_length():
    assert tl.cast_tensor(lambda v: v * 2, W).tolist() == (W * 2).tolist()
    assert [t.dtype.name for t in tl.cast_tlist(np.float32, [W, B, np.zeros((0, 2))])][:2] == ["float32", "float32"]
    assert [t.shape for t in tl.cast_tlist(np.float32, [W, B, np.zeros((0, 2))])] == [(2, 3), (2,), (0, 2)]


def test_plans_and_lists_fill_alike_through_every_constructor(xp):
    inits = [tl.init.uniform(-1.0, 1.0, seed=3), tl.init.ones()]
    plan = tl.init.Plan([(2, 3), (2,)], inits)
    options = tl.Options(xp=xp.namespace, dtype=xp.real, device=xp.device)
    modules = [
        definition().instantiate_float_with_runtime_plan(options, plan),
        definition().instantiate_float_with_runtime_init(options, inits),
        definition(init_params=None, plan=plan).instantiate(xp=xp.namespace, dtype=xp.real, device=xp.device),
    ]
    expected = [xp.to_numpy(p).tobytes() for p in modules[0].params]
    for m in modules[1:]:
        assert [xp.to_numpy(p).tobytes() for p in m.params] == expected
    with pytest.raises(tl.errors.PlanError):
        definition().instantiate_float_with_runtime_init(options, inits[:1])
    with pytest.raises(tl.errors.PlanError, match=r"\(5,\)"):
        definition().instantiate_float_with_runtime_plan(options, tl.init.Plan([(2, 3), (5,)], inits))


def test_a_definition_without_values_says_what_it_needs():
    with pytest.raises(tl.errors.PlanError, match="instantiate_float_with_runtime_plan"):
        tl.ScalarModuleDef(loss, param_shapes=[(2, 3), (2,)]).instantiate()


def test_a_runtime_plan_allocates_no_host_array(monkeypatch):
    strict = pytest.importorskip("array_api_strict")
    torch = pytest.importorskip("torch")
    assert strict
    host = type(tl.backends.get(None))
    for name in ("from_host", "to_host"):
        monkeypatch.setattr(type(tl.backends.get(torch)), name, lambda *a, **k: pytest.fail("the host was asked"))
        monkeypatch.setattr(host, name, lambda *a, **k: pytest.fail("the host was asked"))
    made = []
    for name in ("zeros", "empty", "ones", "asarray", "full", "arange"):
        real = getattr(np, name)
        monkeypatch.setattr(np, name, lambda *a, real=real, **k: (made.append(real(*a, **k)), made[-1])[1])
    plan = tl.init.Plan([(800, 300), (200_000,)], [tl.init.xavier_for((800, 300)), tl.init.normal(0, 1)])
    d = tl.ScalarModuleDef(lambda w, b: tl.array_namespace(w).sum(w) + tl.array_namespace(b).sum(b), plan=plan)
    m = d.instantiate_float_with_runtime_plan(tl.Options(xp=torch), plan)
    assert m.params[0].shape == (800, 300)
    # Blocks that a fill computes in are small, whatever the parameter's size.
    assert max((array.size for array in made), default=0) <= 2**14


def test_create_takes_host_values_and_the_librarys_own_arrays(xp):
    options = tl.Options(xp=xp.namespace, dtype=xp.real, device=xp.device)
    for values in ([W, B], [W.tolist(), B.tolist()], [xp.asarray(W), xp.asarray(B)]):
        m = tl.ScalarModule.create(loss, values, options=options, init_requires_grad=[False, True])
        close(xp, m.backward(inputs(xp)), [np.zeros((2, 3)), by_hand(W, B, *XS)[1][1]])


# ---- bad input
def test_wrong_inputs_are_refused_by_name_and_change_nothing(xp):
    m = module(xp)
    x, y = inputs(xp)
    for bad, error, words in [
        ((x,), "StructureError", "2 inputs.*1"),
        ((x, y, y), "StructureError", "2 inputs.*3"),
        (x, "StructureError", "one tuple"),
        ((y, x), "ShapeError", r'input 0 \("x"\).*\(3,\).*\(2,\)'),
        ((x, 3.0), "NamespaceError", r'input 1 \("y"\)'),
        ((x, [0.0, 1.0]), "NamespaceError", r'input 1 \("y"\)'),
    ]:
        for call in (m.forward, m.backward, lambda xs: m.step(0.1, xs)):
            with pytest.raises(getattr(tl.errors, error), match=words):
                call(bad)
    close(xp, m.params, [W, B])
    assert m.steps_done == 0


def test_floating_inputs_of_another_dtype_are_refused_and_integers_pass():
    m = definition().instantiate(dtype="float32")
    with pytest.raises(tl.errors.DTypeError, match=r'input 0 \("x"\) must be float32; got float64'):
        m.forward(XS)
    gather = tl.ScalarModuleDef(
        lambda w, i, flag: tl.array_namespace(w).sum(tl.array_namespace(w).where(flag, 2 * w[i], w[i])),
        init_params=[W[0]],
    ).instantiate()
    assert float(gather.forward((np.asarray([0, 2]), np.asarray(True)))) == 8.0


def test_inputs_on_another_device_are_refused():
    strict = pytest.importorskip("array_api_strict")
    m = definition().instantiate(xp=strict, dtype="float64", device=strict.Device("device1"))
    with pytest.raises(tl.errors.DeviceError, match="device1"):
        m.forward(tuple(strict.asarray(x) for x in XS))


def test_inputs_of_another_library_are_refused(xp):
    strict = pytest.importorskip("array_api_strict")
    if xp.namespace is strict:
        pytest.skip("one library")
    with pytest.raises(tl.errors.NamespaceError, match=r'input 0 \("x"\)'):
        module(xp).forward(tuple(strict.asarray(x) for x in XS))


def test_torch_inputs_that_require_grad_are_refused():
    torch = pytest.importorskip("torch")
    m = definition().instantiate(xp=torch, dtype="float64")
    with pytest.raises(tl.errors.TLError, match=r"\.detach\(\)"):
        m.forward((torch.asarray(XS[0], requires_grad=True), torch.asarray(XS[1], requires_grad=False)))


@pytest.mark.parametrize("lr", [float("nan"), float("inf"), -0.1, "0.1", None, True])
def test_a_learning_rate_that_is_none_is_refused_and_changes_nothing(lr):
    m = definition().instantiate(dtype="float64")
    with pytest.raises(tl.errors.ArgumentError, match="lr"):
        m.step(lr, XS)
    with pytest.raises(tl.errors.ArgumentError, match="lr"):
        m.train_sgd(lr, 1, [XS])
    np.testing.assert_array_equal(m.params[0], W)


def test_no_samples_are_refused_even_for_no_steps(xp):
    m, opt = module(xp), tl.optim.sgd(0.1)
    for steps in (0, 3):
        with pytest.raises(tl.errors.StructureError, match="no samples"):
            m.train_sgd(0.1, steps, [])
        with pytest.raises(tl.errors.StructureError, match="no samples"):
            m.train_with(opt, m.init_optim(opt), steps, [])
    with pytest.raises(tl.errors.TLError):
        m.mean_loss([])
    with pytest.raises(tl.errors.ArgumentError, match="steps"):
        m.train_sgd(0.1, -1, [inputs(xp)])
    with pytest.raises(tl.errors.ArgumentError, match="log_every"):
        m.train_sgd(0.1, 1, [inputs(xp)], log_every=0)


def test_a_loss_of_another_dtype_is_refused():
    m = tl.ScalarModuleDef(
        lambda w: tl.array_namespace(w).sum(tl.array_namespace(w).astype(w, tl.array_namespace(w).float64)),
        init_params=[B],
    ).instantiate()
    for call in (m.forward, m.backward, lambda xs: m.step(0.1, xs)):
        with pytest.raises(tl.errors.DTypeError, match=r"float32.*float64"):
            call(())


def test_a_step_that_fails_leaves_the_old_values():
    m = definition().instantiate(dtype="float64")
    opt = tl.optim.sgd(lambda step: float("nan"))
    with pytest.raises(tl.errors.ArgumentError):
        m.step_with(opt, m.init_optim(opt), XS)
    with pytest.raises(tl.errors.StructureError):
        m.step_with(tl.optim.adam(), tl.optim.sgd().init([W, B]), XS)
    np.testing.assert_array_equal(m.params[0], W)
    assert m.steps_done == 0


# ---- inputs, keys, files, pickles
def test_asarrays_converts_lists_and_other_libraries_arrays(xp):
    m = module(xp)
    x, y, labels = m.asarrays(([1, 2.0, -1.0], np.asarray([1.0, 0.0], dtype=np.float32), [1, 0]))
    m.forward((x, y))
    assert m.backend.dtype_name(x.dtype) == m.backend.dtype_name(y.dtype) == xp.real
    assert m.backend.dtype_name(labels.dtype).startswith("int")
    assert m.asarrays((x,))[0].shape == (3,)


def test_a_loss_with_a_key_gets_a_fresh_one_a_step_and_none_in_evaluation(xp):
    def noisy(w, *, key):
        space = tl.array_namespace(w)
        return 0 * space.sum(w) if key is None else space.sum(0 * w + tl.random.uniform(key, (2,), xp.real))

    def new(seed):
        return tl.ScalarModuleDef(noisy, init_params=[B]).instantiate_with(
            None, tl.Options(xp=xp.namespace, dtype=xp.real, device=xp.device, seed=seed)
        )

    m = new(1)
    drawn = [float(xp.to_numpy(value)) for value in (m.forward(()), m.step(0.1, ()), m.step(0.1, ()))]
    drawn += [float(xp.to_numpy(new(seed).step(0.1, ()))) for seed in (1, 2)]
    assert drawn[0] == 0
    assert drawn[1] != drawn[2]
    assert drawn[3] == drawn[1]
    assert drawn[4] != drawn[1]


def test_save_and_load_carry_parameters_state_and_step(xp, tmp_path):
    path, opt, m, n = tmp_path / "m.safetensors", tl.optim.adam(0.1), module(xp), module(xp)
    state = m.step_with(opt, m.init_optim(opt), inputs(xp))
    m.save(path, opt_state=state, step=1)
    again, step = n.load(path)
    assert (step, n.steps_done) == (1, 1)
    m.step_with(opt, state, inputs(xp))
    n.step_with(opt, again, inputs(xp))
    for a, b in zip(m.params, n.params, strict=True):
        assert xp.to_numpy(a).tobytes() == xp.to_numpy(b).tobytes()


def test_a_checkpoint_of_one_library_loads_into_another(xp, tmp_path):
    m = module(xp)
    m.step(0.1, inputs(xp))
    m.save(tmp_path / "m.safetensors")
    n = definition().instantiate(dtype=xp.real)
    n.load(tmp_path / "m.safetensors")
    for a, b in zip(m.params, n.params, strict=True):
        assert xp.to_numpy(a).tobytes() == b.tobytes()


def test_a_checkpoint_that_does_not_fit_is_refused_and_changes_nothing(tmp_path):
    path = tmp_path / "m.safetensors"
    definition(param_names=["weight", "bias"]).instantiate(dtype="float64").save(path)
    m = definition().instantiate(dtype="float64")
    with pytest.raises(tl.errors.CheckpointError, match=r"missing: w, b; not in the module: weight, bias"):
        m.load(path)
    with pytest.raises(tl.errors.CheckpointError, match=r"\(2, 3\).*\(3, 2\)"):
        tl.ScalarModuleDef(loss, init_params=[W.T, B], param_names=["weight", "bias"]).instantiate(
            dtype="float64"
        ).load(path)
    with pytest.raises(tl.errors.CheckpointError, match=r"float64.*float32"):
        definition(param_names=["weight", "bias"]).instantiate(dtype="float32").load(path)
    with pytest.raises(tl.errors.CheckpointError):
        m.load(tmp_path / "none.safetensors")
    np.testing.assert_array_equal(m.params[0], W)
    wide = definition(param_names=["weight", "bias"]).instantiate(dtype="float64")
    definition(param_names=["weight", "bias"]).instantiate(dtype="float32").save(path)
    wide.load(path)
    np.testing.assert_array_equal(wide.params[0], W.astype(np.float32).astype(np.float64))


def test_values_that_are_not_finite_are_saved_and_loaded_only_when_asked(tmp_path):
    m = tl.ScalarModuleDef(lambda w: w, init_params=[np.nan]).instantiate()
    with pytest.raises(tl.errors.CheckpointError, match=r"NaN|finite"):
        m.save(tmp_path / "m")
    m.save(tmp_path / "m", allow_nonfinite=True)
    with pytest.raises(tl.errors.CheckpointError, match=r"NaN|finite"):
        m.load(tmp_path / "m")
    m.load(tmp_path / "m", allow_nonfinite=True)


def test_a_module_pickles_with_its_parameters_flags_and_step(xp):
    m = module(xp, init_requires_grad=[True, False])
    m.step(0.1, inputs(xp))
    again = pickle.loads(cloudpickle.dumps(m))
    assert again.requires_grad == [True, False]
    assert again.steps_done == 1
    for a, b in zip(m.params, again.params, strict=True):
        assert type(a) is type(b)
        assert xp.to_numpy(a).tobytes() == xp.to_numpy(b).tobytes()
    close(xp, [again.forward(inputs(xp))], [xp.to_numpy(m.forward(inputs(xp)))])


def test_the_trainable_flags_may_be_changed(xp):
    m = module(xp)
    m.requires_grad = [False, True]
    close(xp, m.backward(inputs(xp)), [np.zeros((2, 3)), by_hand(W, B, *XS)[1][1]])
    with pytest.raises(tl.errors.StructureError):
        m.requires_grad = [True]
    assert m.requires_grad == [False, True]


def test_the_precision_of_products_is_held_while_the_loss_runs():
    torch = pytest.importorskip("torch")
    seen = []

    def noting(w):
        seen.append(torch.get_float32_matmul_precision())
        return tl.array_namespace(w).sum(w)

    before = torch.get_float32_matmul_precision()
    for precision in ("high", "highest"):
        options = tl.Options(xp=torch, matmul_precision=precision)
        m = tl.ScalarModuleDef(noting, init_params=[B]).instantiate_with(None, options)
        m.forward(())
        m.step(0.1, ())
    assert seen == ["high", "high", "highest", "highest"]
    assert torch.get_float32_matmul_precision() == before


def test_gradients_computed_elsewhere_step_as_the_modules_own(xp):
    m, n, opt = (
        module(xp, init_requires_grad=[True, False]),
        module(xp, init_requires_grad=[True, False]),
        tl.optim.adam(0.1),
    )
    grads = m.backward(inputs(xp))
    state = m.apply_gradients(opt, m.init_optim(opt), grads)
    assert state["step"] == n.step_with(opt, n.init_optim(opt), inputs(xp))["step"] == m.steps_done == 1
    for a, b in zip(m.params, n.params, strict=True):
        assert xp.to_numpy(a).tobytes() == xp.to_numpy(b).tobytes()
    with pytest.raises(tl.errors.ShapeError, match='"w"'):
        m.apply_gradients(opt, state, [grads[1], None])
    with pytest.raises(tl.errors.StructureError, match="2 gradients"):
        m.apply_gradients(opt, state, grads[:1])
    assert m.steps_done == 1


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_gradients_and_stored_parameters_are_in_row_major_order(library):
    xp = pytest.importorskip(library)

    def transposed(w, x):
        space = tl.array_namespace(w, x)
        return space.sum((x @ space.matrix_transpose(w)) ** 2)

    m = tl.ScalarModuleDef(transposed, init_params=[np.ones((3, 4))]).instantiate(xp=xp)
    x = m.asarrays((np.arange(8.0).reshape(2, 4),))
    held = [*m.backward(x)]
    m.step(1e-3, x)
    opt = tl.optim.adam()
    m.step_with(opt, m.init_optim(opt), x)
    held += [*m.params, *m._params]
    for array in held:
        assert array.flags.c_contiguous if library == "numpy" else array.is_contiguous()


def test_a_step_does_not_write_to_gradients_that_were_handed_out(xp):
    m = module(xp)
    grads = m.backward(inputs(xp))
    before = [xp.to_numpy(g).copy() for g in grads]
    m.step(0.1, inputs(xp))
    for g, b in zip(grads, before, strict=True):
        np.testing.assert_array_equal(xp.to_numpy(g), b)


@pytest.mark.parametrize("call", ["init_optim", "step_with", "step_with_loss", "apply_gradients", "train_with"])
def test_what_is_no_optimizer_is_refused(call):
    m = definition().instantiate(dtype="float64")
    more = {"init_optim": (), "apply_gradients": (None, [W, B]), "train_with": (None, 1, [XS])}.get(call, (None, XS))
    with pytest.raises(tl.errors.ArgumentError, match="optimiser"):
        getattr(m, call)(None, *more)
    np.testing.assert_array_equal(m.params[0], W)


def test_other_things_than_arrays_and_lists_are_refused_where_arrays_belong():
    m = definition().instantiate(dtype="float64")
    with pytest.raises(tl.errors.NamespaceError, match=r'input 0 \("x"\)'):
        m.forward((np.ndarray, XS[1]))
    with pytest.raises(tl.errors.StructureError, match="inputs"):
        m.asarrays(5)
    with pytest.raises(tl.errors.StructureError, match="trainable flags"):
        m.requires_grad = None
    with pytest.raises(tl.errors.ArgumentError, match="cast"):
        definition().instantiate(5)


def test_a_state_of_another_library_is_not_saved(tmp_path):
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(tl.errors.CheckpointError, match=r"opt_state\[0\].*array_api_strict"):
        definition().instantiate().save(tmp_path / "m", opt_state=[strict.asarray([1.0])])
    assert not list(tmp_path.iterdir())


def test_a_label_out_of_range_is_refused_and_changes_nothing(xp):
    if xp.name == "jax":
        pytest.skip("JAX fills such places with NaN instead of refusing them")
    for gather in (lambda space, w, y: w[space.arange(2, device=w.device), y], along_rows):

        def nll(w, y, gather=gather):
            space = tl.array_namespace(w, y)
            return -space.mean(gather(space, w, y))

        m = tl.ScalarModuleDef(nll, init_params=[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]).instantiate(
            xp=xp.namespace, dtype=xp.real, device=xp.device
        )
        for labels in ([4, 0], [-4, 0]):
            with pytest.raises((IndexError, ValueError, RuntimeError)):
                xp.to_numpy(m.step(0.1, (xp.asarray(labels),)))
        m.step(0.5, (xp.asarray([-1, 0]),))
        close(xp, m.params, [[[1.0, 2.0, 3.25], [4.25, 5.0, 6.0]]])


def along_rows(space, w, y):
    return space.take_along_axis(w, space.expand_dims(y, axis=1), axis=1)


def test_too_few_or_too_many_inputs_are_refused_where_no_shapes_are_given():
    m = tl.ScalarModuleDef(lambda w, x, y=None: tl.array_namespace(w).sum(w * x), init_params=[B]).instantiate()
    x = m.asarrays((B,))[0]
    for bad in ((), (x, x, x)):
        with pytest.raises(tl.errors.StructureError, match=r"\(w, x, y\).*1 parameters and"):
            m.step(0.1, bad)
    m.forward((x,))
    m.forward((x, x))


def test_a_state_widens_with_its_parameters(tmp_path):
    m, opt = definition().instantiate(dtype="float32"), tl.optim.adam(0.1)
    xs = m.asarrays(XS)
    m.save(tmp_path / "m", opt_state=m.step_with(opt, m.init_optim(opt), xs), step=1)
    wide = definition().instantiate(dtype="float64")
    state, _ = wide.load(tmp_path / "m")
    wide.step_with(opt, state, XS)
    assert state["m"][0].dtype == np.float64


def test_a_step_that_no_checkpoint_can_hold_is_refused_and_leaves_the_old_one(tmp_path):
    m = definition().instantiate()
    m.save(tmp_path / "m", step=2**63 - 1)
    with pytest.raises(tl.errors.CheckpointError, match="63 bits"):
        m.save(tmp_path / "m", step=2**63)
    assert m.load(tmp_path / "m")[1] == 2**63 - 1


def test_a_log_that_cannot_be_called_is_refused_before_any_step():
    m = definition().instantiate(dtype="float64")
    with pytest.raises(tl.errors.ArgumentError, match="log"):
        m.train_sgd(0.1, 1, [XS], log=3)
    assert m.steps_done == 0
