"""The namespace over a library: complete, honest about what it cannot do, and a citizen among Array API consumers."""

import array_api_compat
import numpy as np
import pytest

import tl_arrayapi as tl
from tests.autograd.cases import CASES
from tests.autograd.standard import CONSTANTS, DTYPES, EXTENSIONS, FUNCTIONS
from tl_arrayapi.autograd.array import Array
from tl_arrayapi.autograd.composites import COMPOSITES
from tl_arrayapi.autograd.composites import EXTENSIONS as COMPOSITE_EXTENSIONS
from tl_arrayapi.autograd.creation import CREATION
from tl_arrayapi.autograd.primitive import PRIMITIVES

QUALIFIED = [("", name) for name in FUNCTIONS] + [
    (where, name) for where, names in EXTENSIONS.items() for name in names
]
ASKING = {"broadcast_shapes", "can_cast", "finfo", "iinfo", "isdtype", "result_type"}

# What is called on a watched array to see a function without a rule refuse: arguments beside the first.
MORE = {"repeat": (2,), "matrix_power": (2,), "solve": None, "cross": None}
SHIFTED = {("linalg", name) for name in ("cross",)}


def test_the_standard_has_175_functions():
    assert len(QUALIFIED) + len(["__array_namespace_info__"]) == 175
    assert hasattr(tl.namespace(np), "__array_namespace_info__")


@pytest.mark.parametrize(("where", "name"), QUALIFIED, ids=lambda x: x or "main")
def test_every_function_of_the_standard_is_there(where, name):
    xp = tl.namespace(np)
    assert callable(getattr(getattr(xp, where) if where else xp, name))


@pytest.mark.parametrize(("where", "name"), QUALIFIED, ids=lambda x: x or "main")
def test_every_function_differentiates_is_declared_zero_or_refuses_a_watched_array(where, name):
    primitive = PRIMITIVES.get((where, name))
    if primitive is None:
        written = COMPOSITE_EXTENSIONS[where] if where else COMPOSITES
        made = CREATION[where]
        assert name in written or name in made or name in ASKING or (where == "fft" and name.endswith("freq"))
        return
    if primitive.vjps or primitive.joint or primitive.gather is not None:
        elsewhere = name in ("conj", "real", "imag") or name.startswith("unique_")  # complex cases, test_rearranged
        assert elsewhere or any(case.name.split()[0] == name for case in CASES), "no test of its rule"
        return

    def loss(x):
        xp = tl.array_namespace(x)
        function = getattr(getattr(xp, where) if where else xp, name)
        operands = (x,) * primitive.operands if name != "repeat" else (x, 2)
        if name == "matrix_power":
            operands = (x, 2)
        if name in (
            "bitwise_and",
            "bitwise_or",
            "bitwise_xor",
            "bitwise_left_shift",
            "bitwise_right_shift",
            "bitwise_invert",
        ):
            operands = tuple(xp.astype(o, xp.int64) for o in operands)
        if name.startswith("logical"):
            operands = tuple(o > 0 for o in operands)
        if name == "searchsorted":
            operands = (xp.sort(xp.reshape(x, (-1,))), xp.reshape(x, (-1,)))
        out = function(*operands)
        out = out if isinstance(out, Array) else out[0]
        return xp.sum(x) + xp.sum(xp.astype(out, x.dtype))

    x = np.asarray([[2.0, 0.5, 0.1], [0.5, 3.0, 0.2], [0.1, 0.2, 1.0]])
    if primitive.zero_gradient:
        np.testing.assert_array_equal(tl.grad(loss)(x), np.ones((3, 3)))
    else:
        with pytest.raises(tl.errors.NoRuleError, match="stop_gradient"):
            tl.grad(loss)(x)


@pytest.mark.parametrize("name", [*CONSTANTS, *DTYPES])
def test_constants_and_dtypes_are_the_librarys_own(xp, name):
    if not hasattr(xp.namespace, name):
        pytest.skip(f"{xp.name} has no {name}")
    assert getattr(tl.namespace(xp.namespace), name) is getattr(xp.namespace, name) or name == "nan"


def test_a_name_that_is_not_in_the_standard_is_an_attribute_error(xp):
    ours = tl.namespace(xp.namespace)
    assert not hasattr(ours, "nansum")
    assert not hasattr(ours, "ndarray")
    with pytest.raises(AttributeError, match="nansum"):
        ours.nansum  # noqa: B018  (the access is what is tested)


def test_raw_compat_and_wrapped_namespaces_are_one(xp):
    ours = tl.namespace(xp.namespace)
    assert tl.namespace(ours) is ours
    assert tl.namespace(array_api_compat.array_namespace(xp.asarray([1.0]))) is ours
    assert isinstance(ours.__name__, str)
    assert xp.namespace.__name__ in ours.__name__


def test_creation_functions_return_arrays_that_mix_with_watched_ones(xp):
    def loss(x):
        space = tl.array_namespace(x)
        ones = space.ones(3, dtype=x.dtype, device=x.device)
        steps = space.astype(space.arange(3, device=x.device), x.dtype)
        return space.sum(ones * x + x * steps + space.full(3, 2.0, dtype=x.dtype, device=x.device))

    g = tl.grad(loss)(xp.asarray([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(xp.to_numpy(g), [1.0, 2.0, 3.0])


def test_asarray_of_a_list_of_arrays_keeps_their_gradients(xp):
    def loss(x):
        space = tl.array_namespace(x)
        return space.sum(space.asarray([x[0] * 2, x[1] * 3]))

    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(xp.asarray([1.0, 2.0]))), [2.0, 3.0])


def test_full_of_an_array_keeps_its_gradient(xp):
    g = tl.grad(lambda x: tl.array_namespace(x).sum(tl.array_namespace(x).full((2, 3), x[0])))(xp.asarray([1.0, 2.0]))
    np.testing.assert_allclose(xp.to_numpy(g), [6.0, 0.0])


def test_array_namespace_of_compat_finds_ours_inside_a_loss(xp):
    def loss(x):
        space = array_api_compat.array_namespace(x)
        assert space is tl.array_namespace(x)
        assert array_api_compat.is_array_api_obj(x)
        return space.sum(x * x)

    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(xp.asarray([1.0, 2.0]))), [2.0, 4.0])


def test_array_namespace_outside_a_loss_is_the_librarys_own(xp):
    assert tl.array_namespace(xp.asarray([1.0]), 2.0, None) is xp.namespace


def test_array_namespace_of_no_array_is_refused():
    with pytest.raises(tl.errors.NamespaceError, match="no array"):
        tl.array_namespace(1.0, None)
    with pytest.raises(tl.errors.NamespaceError, match="list is not an array"):
        tl.array_namespace([1.0])


def test_arrays_of_two_libraries_are_refused(xp):
    strict = pytest.importorskip("array_api_strict")
    if xp.namespace is strict:
        pytest.skip("one library")
    other = strict.asarray([1.0])
    with pytest.raises(tl.errors.NamespaceError, match=r"mixed|among"):
        tl.array_namespace(xp.asarray([1.0]), other)
    with pytest.raises(tl.errors.NamespaceError, match="array_api_strict"):
        tl.grad(lambda x: tl.array_namespace(x).sum(x * other))(xp.asarray([1.0]))
    with pytest.raises(tl.errors.NamespaceError, match="array_api_strict"):
        tl.grad(lambda x, y: tl.array_namespace(x).sum(x * y))(xp.asarray([1.0]), other)


def test_an_unknown_version_of_the_standard_is_refused():
    tl.grad(lambda x: x.__array_namespace__(api_version="2024.12").sum(x))(np.ones(2))
    with pytest.raises(tl.errors.BackendError, match="1999"):
        tl.grad(lambda x: x.__array_namespace__(api_version="1999.12").sum(x))(np.ones(2))


# ---- what the standard says of dtypes, shapes and words, where a plain function of the library cannot be handed on
def test_a_function_that_the_library_lacks_is_absent(xp):
    ours = tl.namespace(xp.namespace)
    written = {*COMPOSITES, "linalg", "fft", "special"}
    lacking = {name for name in FUNCTIONS if not hasattr(xp.namespace, name)} - written
    assert {name for name in FUNCTIONS if not hasattr(ours, name)} == lacking
    assert lacking.isdisjoint(dir(ours))
    assert set(FUNCTIONS) - lacking <= set(dir(ours))
    for name in lacking:
        with pytest.raises(AttributeError, match=name):
            getattr(ours, name)
    assert not hasattr(ours.linalg, "norm")
    with pytest.raises(AttributeError, match=r"linalg\.norm"):
        ours.linalg.norm  # noqa: B018  (the access is what is tested)


@pytest.mark.parametrize("name", ["finfo", "iinfo"])
def test_finfo_and_iinfo_take_arrays_at_any_level(xp, name):
    ours, seen = tl.namespace(xp.namespace), []

    def loss(x):
        y = x if name == "finfo" else ours.astype(x, ours.int16)
        seen.append((getattr(ours, name)(y), getattr(xp.namespace, name)(y.dtype)))
        return ours.sum(x)

    tl.grad(loss)(xp.asarray([1.0, 2.0]))
    tl.vmap(loss)(xp.asarray([1.0, 2.0]))
    loss(ours.asarray(xp.asarray([1.0, 2.0])))
    assert len(seen) == 3
    assert all(found.bits == expected.bits and found.max == expected.max for found, expected in seen)


def test_can_cast_and_result_type_take_arrays_dtypes_and_numbers(xp):
    ours = tl.namespace(xp.namespace)
    x = ours.asarray(xp.asarray([1, 2], dtype="int8"))
    assert ours.can_cast(x, ours.int16)
    assert ours.can_cast(ours.float32, ours.int8) is xp.namespace.can_cast(ours.float32, ours.int8) is False
    assert ours.result_type(x, ours.int16) == ours.int16
    assert ours.result_type(x, 1) == ours.int8


def test_broadcast_shapes_is_the_standards(xp):
    ours = tl.namespace(xp.namespace)
    assert ours.broadcast_shapes() == ()
    assert ours.broadcast_shapes((2, 1), (3,), ()) == (2, 3)
    assert ours.broadcast_shapes((0,), (4, 1)) == (4, 0)
    assert ours.broadcast_shapes((None, 1), (1, 5)) == (None, 5)
    for shapes in [((2,), (3,)), ((0,), (2,)), ((2, 1), (3, 1))]:
        with pytest.raises(ValueError, match="do not broadcast"):
            ours.broadcast_shapes(*shapes)


def test_searchsorted_takes_a_sorter_and_a_number(xp):
    ours = tl.namespace(xp.namespace)
    x = ours.asarray(xp.asarray([3.0, 1.0, 2.0]))
    sorter = ours.asarray(xp.asarray([1, 2, 0], dtype="int64"))
    np.testing.assert_array_equal(xp.to_numpy(ours.searchsorted(x, x, sorter=sorter).value), [2, 0, 1])
    assert int(ours.searchsorted(ours.sort(x), 1.5)) == 1
    assert int(ours.searchsorted(ours.sort(x), 2.0, side="right")) == 2


@pytest.mark.parametrize("where", ["", "linalg"])
def test_vecdot_keeps_the_dtype_of_small_integers(xp, where):
    ours = tl.namespace(xp.namespace)
    x = ours.asarray(xp.asarray([[1, 2], [3, 4]], dtype="int8"))
    out = (getattr(ours, where) if where else ours).vecdot(x, x)
    assert out.dtype == ours.int8
    np.testing.assert_array_equal(xp.to_numpy(out.value), [5, 25])


def test_clip_of_integers_takes_bounds_beyond_their_range(xp):
    ours = tl.namespace(xp.namespace)
    x = ours.asarray(xp.asarray([0, 7, 250], dtype="uint8"))
    for out, expected in [
        (ours.clip(x, -1, 300), [0, 7, 250]),
        (ours.clip(x, -1, 8), [0, 7, 8]),
        (ours.clip(x, 3), [3, 7, 250]),
    ]:
        assert out.dtype == x.dtype
        np.testing.assert_array_equal(xp.to_numpy(out.value), expected)


def test_meshgrid_refuses_an_unknown_indexing(xp):
    ours = tl.namespace(xp.namespace)
    with pytest.raises(ValueError, match="'xy' or 'ij'; got 'yx'"):
        ours.meshgrid(ours.asarray([1.0]), indexing="yx")


def test_dlpack_exports_a_constant_with_the_standards_keywords(xp):
    ours = tl.namespace(xp.namespace)
    if not hasattr(ours, "from_dlpack"):
        pytest.skip(f"{xp.name} has no DLPack")
    x = ours.sum(ours.asarray(xp.asarray([1.0, 2.0])))
    assert float(ours.from_dlpack(x)) == 3.0
    assert float(np.from_dlpack(x)) == 3.0
    assert len(x.__dlpack_device__()) == 2


def test_index_of_a_floating_array_is_a_type_error(xp):
    ours = tl.namespace(xp.namespace)
    with pytest.raises(TypeError):
        range(ours.sum(ours.asarray(xp.asarray([1.0, 2.0]))))
    assert list(range(ours.sum(ours.asarray(xp.asarray([1, 2], dtype="int64"))))) == [0, 1, 2]


# ---- making arrays
def test_asarray_copies_where_it_is_told_to(xp):
    ours = tl.namespace(xp.namespace)
    x = ours.asarray(xp.asarray([1.0, 2.0]))
    assert ours.asarray(x) is x
    assert ours.asarray(x, copy=False) is x
    copied = ours.asarray(x, copy=True)
    copied[0] = 5.0
    np.testing.assert_array_equal(xp.to_numpy(x.value), [1.0, 2.0])
    with pytest.raises(ValueError, match="copy must be None or True"):
        ours.asarray(x, dtype=ours.int32, copy=False)
    with pytest.raises(ValueError, match="copy must be None or True"):
        ours.asarray([x, x], copy=False)


def test_a_copy_of_a_constant_does_not_see_what_is_written_to_the_librarys_array():
    values = np.asarray([1.0, 2.0])
    ours = tl.namespace(np)
    constant = ours.asarray(values)
    copied = ours.asarray(constant, copy=True)
    values[0] = 5.0
    np.testing.assert_array_equal(copied.value, [1.0, 2.0])
    np.testing.assert_array_equal(constant.value, [5.0, 2.0])


def test_a_copy_of_a_watched_array_is_watched(xp):
    def loss(x):
        space = tl.array_namespace(x)
        y = space.asarray(x, copy=True)
        y[0] = 0.0
        return space.sum(y * y) + space.sum(x)

    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(xp.asarray([3.0, 2.0]))), [1.0, 5.0])


def test_numbers_beside_arrays_in_a_list_take_their_dtype(xp):
    ours = tl.namespace(xp.namespace)
    x = ours.asarray(xp.asarray([1.0, 2.0], dtype="float32"))
    made = ours.asarray([[x[0], 1.0], [2, 3]])
    assert made.dtype == ours.float32
    assert made.device == x.device
    np.testing.assert_array_equal(xp.to_numpy(made.value), [[1.0, 1.0], [2.0, 3.0]])
    assert ours.asarray([x[0], 1.0], dtype=ours.int32).dtype == ours.int32


def test_creation_functions_take_0d_constants_for_numbers(xp):
    ours = tl.namespace(xp.namespace)
    n = ours.asarray(xp.asarray([3, 4], dtype="int32"))[0]
    half = ours.asarray(xp.asarray([0.5, 1.0], dtype="float32"))[0]
    assert ours.arange(n).shape == (3,)
    assert ours.ones(n).shape == ours.zeros((n,)).shape == (3,)
    np.testing.assert_array_equal(xp.to_numpy(ours.linspace(half, n, 3).value), [0.5, 1.75, 3.0])


def test_creation_functions_refuse_a_watched_number(xp):
    def loss(x):
        return tl.array_namespace(x).sum(tl.array_namespace(x).linspace(0.0, x[0], 3))

    with pytest.raises(tl.errors.WatchedError, match="stop_gradient"):
        tl.grad(loss)(xp.asarray([1.0]))


def test_an_integer_array_times_a_complex_number_is_the_librarys_own(xp):
    if xp.name.startswith("strict") or xp.name == "array_api_strict":
        pytest.skip("the standard leaves it open, and array_api_strict refuses it")
    x = xp.asarray([1, 2], dtype="int32")
    out = tl.namespace(xp.namespace).asarray(x) * 1j
    np.testing.assert_array_equal(xp.to_numpy(out.value), [1j, 2j])


def test_a_boolean_index_that_does_not_fit_is_an_index_error(xp):
    ours = tl.namespace(xp.namespace)
    x = ours.asarray(xp.asarray([[1.0, 2.0], [3.0, 4.0]]))
    for shape in [(3,), (2, 3), (2, 2, 1)]:
        mask = ours.zeros(shape, dtype=ours.bool, device=x.device)
        with pytest.raises(IndexError, match="does not fit"):
            x[mask]
        with pytest.raises(IndexError, match="does not fit"):
            x[mask] = 0.0


def test_an_empty_boolean_index_selects_nothing(xp):
    ours = tl.namespace(xp.namespace)
    x = ours.asarray(xp.asarray([[1.0, 2.0], [3.0, 4.0]]))
    for shape in [(0,), (2, 0), (0, 2)]:
        mask = ours.zeros(shape, dtype=ours.bool, device=x.device)
        x[mask] = 0.0
        if xp.name not in ("dask", "strict-flags"):  # these do not read what has no known length
            assert x[mask].shape == (0, 2)[: 3 - len(shape)]
    np.testing.assert_array_equal(xp.to_numpy(x.value), [[1.0, 2.0], [3.0, 4.0]])


def test_the_namespaces_information_is_the_librarys_less_what_lazy_arrays_cannot_do(xp):
    ours, inner = (space.__array_namespace_info__() for space in (tl.namespace(xp.namespace), xp.namespace))
    assert ours.default_dtypes() == inner.default_dtypes()
    assert ours.dtypes(kind="integral") == inner.dtypes(kind="integral")
    assert list(ours.devices()) == list(inner.devices())
    expected = dict(inner.capabilities())
    if xp.name == "dask":
        expected |= {"boolean indexing": False, "data-dependent shapes": False}
        x = tl.namespace(xp.namespace).asarray(xp.asarray([1.0, 2.0]))
        with pytest.raises(tl.errors.ShapeError, match=r"dask computes nothing .* boolean index"):
            x[x > 1.0]
    assert ours.capabilities() == expected


@pytest.mark.parametrize("dtype", ["uint8", "uint32", "uint64", "int64"])
def test_isin_takes_a_number_on_either_side(xp, dtype):
    ours = tl.namespace(xp.namespace)
    x = ours.asarray(xp.asarray([1, 2, 3], dtype=dtype))
    np.testing.assert_array_equal(xp.to_numpy(ours.isin(x, 2).value), [False, True, False])
    if xp.namespace.__name__ != "array_api_strict":  # whose isin does not invert
        np.testing.assert_array_equal(xp.to_numpy(ours.isin(x, 2, invert=True).value), [True, False, True])
    assert bool(ours.isin(3, x))


def test_arrays_made_together_come_as_the_librarys_version_of_the_standard_has_them(xp):
    ours = tl.namespace(xp.namespace)
    x = ours.asarray(xp.asarray([1.0, 2.0]))
    kind = list if ours.__array_api_version__ < "2025.12" else tuple
    assert type(ours.broadcast_arrays(x, x[:1])) is kind
    assert type(ours.meshgrid(x, x)) is kind
    assert type(ours.unstack(x)) is tuple
