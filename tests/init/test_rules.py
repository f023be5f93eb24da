"""Schemes by patterns of names: the first that matches counts, and none is left over."""

import functools
from types import SimpleNamespace

import pytest

from tl_arrayapi import init
from tl_arrayapi.errors import PlanError

NAMES = ["embed", "enc.0.weight", "enc.0.bias", "enc.1.weight", "enc.1.bias", "Out.weight", "scale"]
SHAPES = [(9, 4), (4, 4), (4,), (5, 4), (5,), (1, 5), ()]
DEFINITION = SimpleNamespace(param_shapes=SHAPES, param_names=NAMES)


def plan(rules, seed=3, names=NAMES):
    return init.Plan.for_module(SimpleNamespace(param_shapes=SHAPES[: len(names)], param_names=names), rules, seed)


def kinds(rules):
    return [scheme.name for scheme in plan(rules).inits]


def test_the_first_pattern_that_matches_counts():
    rules = {"enc.0.*": init.ones(), "*.weight": init.normal(0, 1), "*": init.zeros()}
    assert kinds(rules) == ["zeros", "ones", "ones", "normal", "zeros", "normal", "zeros"]
    assert kinds({"*.weight": init.normal(0, 1), "enc.0.*": init.ones(), "*": init.zeros()})[1:3] == ["normal", "ones"]


def test_patterns_are_the_shells_and_heed_case():
    rules = {"enc.[!0].bias": init.ones(), "[A-Z]*": init.eye(), "???l?": init.constant(2), "*": init.zeros()}
    assert kinds(rules) == ["zeros", "zeros", "zeros", "zeros", "ones", "eye", "constant"]
    with pytest.raises(PlanError, match=r"'out\.\*' matches no parameter"):
        plan({"out.*": init.ones(), "*": init.zeros()})


def test_a_name_stands_for_itself_whatever_brackets_it_has():
    names = ["layers[0]", "layers0"]
    # As a pattern, it matches the other one, too.
    assert plan({"layers[0]": init.ones()}, names=names).to_list() == [init.ones()] * 2
    assert plan({"layers[[]0]": init.ones(), "*": init.zeros()}, names=names).to_list() == [init.ones(), init.zeros()]


def test_seeds_are_those_of_a_plan_without_rules():
    everywhere, by_rules = plan(init.uniform(-1, 1)), plan({"e*": init.uniform(-1, 1, seed=9), "*": init.normal(0, 1)})
    assert [scheme.seed for scheme in by_rules.inits] == [scheme.seed for scheme in everywhere.inits]


@pytest.mark.parametrize("scheme", [init.xavier_for, init.uniform(-1, 1), init.ones()])
def test_everything_is_the_same_with_and_without_a_pattern(scheme):
    assert plan({"*": scheme}) == plan(scheme)


def test_functions_given_for_everything_are_not_asked_for_vectors_and_scalars():
    assert kinds({"embed": init.normal(0, 1), "*": init.xavier_for})[1:] == [
        *("xavier_uniform", "zeros"),
        *("xavier_uniform", "zeros"),
        *("xavier_uniform", "zeros"),
    ]


def test_functions_of_other_rules_are_asked_for_all_that_they_match():
    asked = []

    def scheme(shape, seed):
        asked.append(shape)
        return init.uniform(-0.5, 0.5, seed)

    inits = plan({"*.bias": scheme, "scale": scheme, "*": init.zeros()}).inits
    assert asked == [(4,), (5,), ()]
    assert [inits[i].name for i in (2, 4, 6)] == ["uniform"] * 3
    assert len({inits[i].seed for i in (2, 4, 6)}) == 3


def test_a_function_that_cannot_fill_a_vector_says_so_with_name_and_rule():
    with pytest.raises(PlanError, match=r"'enc\.0\.bias', by the rule 'enc\.\*'.*\(4,\) has no fans"):
        plan({"enc.*": init.kaiming_for, "*": init.zeros()})


def test_functions_may_have_settings_of_their_own():
    inits = plan({"*": functools.partial(init.kaiming_for, mode="fan_out")}).inits
    assert (inits[0].mode, inits[0].fan) == ("fan_out", 9)


def test_all_parameters_without_a_rule_are_named():
    with pytest.raises(PlanError, match=r"no rule matches 'embed', 'Out\.weight', 'scale'.*'\*'"):
        plan({"enc.*": init.zeros()})


def test_all_rules_without_a_parameter_are_named_with_the_nearest_name():
    rules = {"embd": init.ones(), "*.wieght": init.ones(), "*": init.zeros()}
    with pytest.raises(PlanError) as raised:
        plan(rules)
    assert "'embd' matches no parameter: the nearest name is 'embed'" in str(raised.value)
    assert "'*.wieght' matches no parameter: the nearest name is 'Out.weight'" in str(raised.value)


def test_both_kinds_of_misfits_are_in_one_message():
    with pytest.raises(PlanError, match=r"no rule matches 'embed'.*; the rule 'emb' matches no parameter"):
        plan({"emb": init.ones(), "[!e]*": init.zeros(), "enc*": init.zeros()})


def test_a_rule_that_others_leave_nothing_for_is_refused():
    with pytest.raises(PlanError, match=r"'embed' comes after '\*', and nothing is left for it"):
        plan({"*": init.zeros(), "embed": init.ones()})


def test_rules_for_a_module_without_parameters():
    empty = SimpleNamespace(param_shapes=[], param_names=[])
    assert len(init.Plan.for_module(empty, {})) == len(init.Plan.for_module(empty, init.ones())) == 0
    with pytest.raises(PlanError, match=r"'\*' matches no parameter: there are none"):
        init.Plan.for_module(empty, {"*": init.ones()})


@pytest.mark.parametrize("rules", [{"*": "xavier"}, {3: init.ones()}, {"*": None}, {"*": lambda shape, seed: None}])
def test_what_is_no_rule_is_refused(rules):
    with pytest.raises(PlanError, match=r"xavier_for|pattern|made by"):
        plan(rules)


def test_the_order_of_the_rules_is_the_mappings_and_the_mapping_is_left_alone():
    rules = {"enc.0.weight": init.eye(), "*": init.zeros()}
    before = dict(rules)
    plan(rules)
    assert rules == before
