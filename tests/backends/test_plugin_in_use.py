"""Gradients and modules use what a plug-in says of its library, and say the same as without it."""

import json

from tests.backends.test_plugins import distribution, run

PLUG_IN = '''
"""A backend for the minimal library of the tests: it counts what it is asked."""

from collections import Counter

from tests.minimal_library import namespace
from tl_arrayapi.backends import Backend
from tl_arrayapi.errors import NamespaceError

asked = Counter()


def counted(name, function):
    def call(*args, **keywords):
        asked[name] += 1
        return function(*args, **keywords)

    return call


class Counting(Backend):
    name = "tests.minimal_library"
    functions = {"tanh": counted("tanh", namespace.tanh), "relu": counted("relu", lambda x: x * (x > 0.0))}

    @classmethod
    def matches(cls, namespace):
        return namespace.__name__ == "minimal"

    def check(self, array, where):
        if array.shape == (13,):
            raise NamespaceError(f"{where} is unlucky: take another shape")

    def device_of(self, array):
        return "here"

    def devices(self):
        return ["here"]


for name in ("from_host", "to_host", "result", "scatter_add", "fill", "persist"):
    setattr(Counting, name, counted(name, getattr(Backend, name)))
'''

PROGRAM = """
import json, sys
import tl_arrayapi as tl
from tests.minimal_library import namespace as minimal

def loss(w, b, x):
    xp = tl.array_namespace(w, x)
    hidden = xp.tanh(x @ w + b)
    return xp.sum(hidden * hidden) - xp.sum(w[0, :])

plan = tl.init.Plan([(3, 2), (2,)], [tl.init.xavier_for((3, 2), 1), tl.init.zeros()])
module = tl.ScalarModuleDef(loss, plan=plan).instantiate(xp=minimal, dtype="float64")
xs = module.asarrays(([[1.0, 2.0, 3.0], [0.5, 0.0, -1.0]],))
losses = [float(module.step(0.1, xs)) for _ in range(3)] + [module.mean_loss([xs])]
report = {"backend": type(module.backend).__name__, "losses": losses}
if "quick" in sys.modules:
    import quick
    report["asked"] = quick.asked
    report["device"] = module.backend.device("here")
    try:
        tl.grad(lambda x: tl.array_namespace(x).sum(x))(minimal.ones(13))
    except tl.errors.NamespaceError as error:
        report["refused"] = str(error)
print(json.dumps(report))
"""


def report(folder, entries):
    distribution(folder, entries)
    (folder / "quick.py").write_text(PLUG_IN)
    words, _ = run(folder, PROGRAM)
    return json.loads(" ".join(words))


def test_the_engine_and_modules_ask_the_plug_in(tmp_path):
    with_it = report(tmp_path / "with", {"minimal": "quick:Counting"})
    without = report(tmp_path / "without", {})
    assert (with_it["backend"], without["backend"]) == ("Counting", "Backend")
    assert with_it["losses"] == without["losses"]
    asked = with_it["asked"]
    # One forward run for each of three steps and an evaluation; two parameters to fill, one input to convert.
    assert (asked["tanh"], asked["fill"]) == (4, 2)
    assert asked["from_host"] >= 1
    assert asked["result"] >= 3 * 3
    assert "relu" not in asked
    assert with_it["device"] == "here"
    assert "args[0] is unlucky" in with_it["refused"]
