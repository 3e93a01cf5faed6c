"""Distribution functions by quadrature against mpmath, Owen's function, and the truths that any of them must obey."""

from __future__ import annotations

import math
from itertools import pairwise, product

import pytest
import torch
from scipy.special import ndtr, owens_t
from torch import Tensor

from glmfit.families.base import Family
from glmfit.families.catalogue import FAMILIES, make_family
from glmfit.families.censored import LOWER, UPPER, censored
from glmfit.model.likelihood import row_derivatives

# family, working parameters, y, whether beyond y (or up to it), (log-probability, its derivative in each parameter):
# regularised incomplete gamma and beta functions of mpmath at 80 digits, differentiated numerically at 80 digits.
EXACT: tuple[tuple[str, tuple[float, ...], float, bool, tuple[float, ...]], ...] = (
    ("gamma", (0.0, 2.995732273553991), 50.0, True, (-6.602752599785053, 3.253358786114417, 2.169993617474699)),
    (
        "gamma",
        (0.0, 2.995732273553991),
        50.0,
        False,
        (-0.00135754969141996, -0.004419595447631598, -0.00294787465622106),
    ),
    (
        "gamma",
        (0.0, 2.995732273553991),
        1e-30,
        True,
        (-0.02836318989143693, 0.0014384627586429112, -0.10152014221851517),
    ),
    ("gamma", (0.0, 2.995732273553991), 1e-30, False, (-3.5768111806665086, -0.05000000000000001, 3.528772003603775)),
    (
        "gamma",
        (0.0, -0.916290731874155),
        0.02,
        True,
        (-0.0001623297866895431, 0.0004000779221028663, -0.0012651521343485191),
    ),
    ("gamma", (0.0, -0.916290731874155), 0.02, False, (-8.72596173549221, -2.464399534169385, 7.793082692876634)),
    ("gamma", (0.0, -0.916290731874155), 1.0, True, (-0.8773580722343329, 1.4672677993037644, -0.10076171090879425)),
    ("gamma", (0.0, -0.916290731874155), 1.0, False, (-0.5376491579419246, -1.0446617169314272, 0.07174007496714445)),
    ("gamma", (0.0, -0.916290731874155), 80.0, True, (-192.32971624174402, 198.50748111249322, 187.00704859052877)),
    (
        "gamma",
        (0.0, -6.907755278982137),
        0.8,
        True,
        (-5.501419776194454e-12, 1.1213914672892974e-09, -1.2997310380108845e-10),
    ),
    ("gamma", (0.0, -6.907755278982137), 0.8, False, (-25.926014915879296, -203.8367390430117, 23.625374737471567)),
    ("gamma", (0.0, -6.907755278982137), 1.4, True, (-66.99295886845273, 403.4494748403808, 64.01925069228126)),
    ("gamma", (0.0, -9.210340371976182), 1.02, True, (-3.7598461809322834, 238.0170862782018, 2.344976002344924)),
    ("gamma", (0.0, -9.210340371976182), 1.02, False, (-0.0235627563053816, -5.674934591377565, -0.05591021064808418)),
    (
        "student-t",
        (0.5, 0.4054651081081644, -0.6931471805599453),
        3.0,
        True,
        (-1.4178503565335112, 0.181158611030017, 0.4528965275750425, -0.4452897730772757),
    ),
    (
        "student-t",
        (0.5, 0.4054651081081644, -0.6931471805599453),
        3.0,
        False,
        (-0.2773808787104855, -0.0579107755653389, -0.14477693891334725, 0.14234529600111595),
    ),
    (
        "student-t",
        (0.5, 0.4054651081081644, -0.6931471805599453),
        1000000.0,
        True,
        (-7.842268605699685, 5.000002499997875e-07, 0.4999999999996625, -6.842911106670891),
    ),
    (
        "student-t",
        (0.5, 0.4054651081081644, -0.6931471805599453),
        1000000.0,
        False,
        (-0.00039285413016267517, -1.9646575195904817e-10, -0.00019646565372617218, 0.0026887940079261766),
    ),
    (
        "student-t",
        (0.5, 0.4054651081081644, 1.0986122886681098),
        -2.0,
        True,
        (-0.10212760582032596, 0.07316485786777525, -0.18291214466943814, 0.05035889610301155),
    ),
    (
        "student-t",
        (0.5, 0.4054651081081644, 1.0986122886681098),
        -2.0,
        False,
        (-2.3321614654878444, -0.6804464191942251, 1.7011160479855627, -0.4683468474687023),
    ),
    (
        "student-t",
        (0.5, 0.4054651081081644, 1.0986122886681098),
        10000.0,
        True,
        (-26.31675242981743, 0.0003000149845476083, 2.9999998379838093, -23.68711598733934),
    ),
    (
        "student-t",
        (0.5, 0.4054651081081644, 1.0986122886681098),
        10000.0,
        False,
        (-3.72202801892291e-12, -1.116664178585e-15, -1.1166083453760708e-11, 8.81641093925179e-11),
    ),
    (
        "student-t",
        (0.5, 0.4054651081081644, 3.4011973816621555),
        0.7,
        True,
        (-0.8042797032971849, 0.5841262167617916, 0.11682524335235828, -0.0009904970027933575),
    ),
    (
        "student-t",
        (0.5, 0.4054651081081644, 3.4011973816621555),
        0.7,
        False,
        (-0.5931391050364445, -0.4729437623739874, -0.09458875247479745, 0.000801966023230701),
    ),
    (
        "student-t",
        (0.5, 0.4054651081081644, 13.815510557964274),
        9.0,
        True,
        (-18.737846223869983, 3.8889083835353504, 33.055721260050476, -0.000273625162996194),
    ),
    (
        "student-t",
        (0.5, 0.4054651081081644, 13.815510557964274),
        9.0,
        False,
        (-7.2821024363540675e-09, -2.8319429317613024e-08, -2.407151491997107e-07, 1.9925664733573997e-12),
    ),
    ("beta", (0.0, -2.3025850929940455), 0.3, True, (-0.6543464171228388, 0.48231890201239763, 0.035590062566640795)),
    ("beta", (0.0, -2.3025850929940455), 0.3, False, (-0.7335144284810055, -0.5220553042268986, -0.038522191154358766)),
    (
        "beta",
        (-2.197224577336219, -0.6931471805599453),
        0.999,
        True,
        (-5.383288588599339, 1.232708458921515, -3.0600723664648766),
    ),
    (
        "beta",
        (-2.197224577336219, -0.6931471805599453),
        0.999,
        False,
        (-0.00460327240821675, -0.005687573518092825, 0.014118818143083247),
    ),
    (
        "beta",
        (-0.8472978603872036, 1.6094379124341003),
        0.02,
        True,
        (-0.01502162433356586, 0.05575031318636561, 0.05005853388457652),
    ),
    (
        "beta",
        (-0.8472978603872036, 1.6094379124341003),
        0.02,
        False,
        (-4.205765903916486, -3.6835318310186427, -3.3074648811669487),
    ),
    (
        "beta",
        (-0.8472978603872036, 1.6094379124341003),
        0.7,
        True,
        (-3.5022412299575127, 2.415130436497452, -2.0308646787304685),
    ),
    (
        "beta",
        (-0.8472978603872036, 1.6094379124341003),
        0.7,
        False,
        (-0.030593010175828425, -0.07502792336796929, 0.06309040587782179),
    ),
    (
        "beta",
        (2.1972245773362196, 4.605170185988092),
        0.6,
        True,
        (-5.737004844310127e-12, 9.649026432240513e-11, 1.3250524303335918e-10),
    ),
    (
        "beta",
        (2.1972245773362196, 4.605170185988092),
        0.6,
        False,
        (-25.884083845914247, -16.818926764167873, -23.09658900922765),
    ),
    ("beta", (0.0, 3.6888794541139363), 0.97, True, (-45.72532066536676, 35.289690969787934, -43.50526187402376)),
)
TAILED = tuple(family for family in FAMILIES if family.has_tails.fget(family()))  # type: ignore[attr-defined]
GRIDS = {
    (0, math.inf): (1e-300, 1e-8, 0.3, 1.0, 50.0, 1e8),
    (-math.inf, math.inf): (-1e6, -3.0, 0.0, 0.5, 20.0, 1e6),
    (0, 1): (1e-300, 1e-10, 0.2, 0.5, 0.999, 1 - 2**-53),
}


def tensors(values: tuple[float, ...]) -> list[Tensor]:
    return [torch.tensor([value], dtype=torch.float64) for value in values]


def grid(family: Family) -> tuple[float, ...]:
    return GRIDS[(family.support.lower, family.support.upper)]


@pytest.mark.parametrize(("name", "working", "y", "beyond", "exact"), EXACT, ids=lambda value: str(value)[:24])
def test_probabilities_and_their_derivatives(
    name: str, working: tuple[float, ...], y: float, beyond: bool, exact: tuple[float, ...]
) -> None:
    family = make_family(name, {})
    tail = family.log_survival if beyond else family.log_cdf
    found = row_derivatives(lambda *w: tail(torch.tensor([y], dtype=torch.float64), *w), tensors(working))
    assert float(found.l) == pytest.approx(exact[0], rel=2e-14, abs=2e-14)
    assert found.g[0].tolist() == pytest.approx(list(exact[1:]), rel=2e-12, abs=5e-14)


@pytest.mark.parametrize("slant", [-20.0, -2.0, 0.3, 5.0])
@pytest.mark.parametrize("z", [-1.5, -0.2, 0.0, 0.7, 2.0])
def test_skew_normal_against_owens_function(slant: float, z: float) -> None:
    """F(z) = Phi(z) - 2 T(z, a), whose derivative in a is -exp(-z^2 (1 + a^2) / 2) / (pi (1 + a^2))."""
    family = make_family("skew-normal", {})
    cdf = ndtr(z) - 2 * owens_t(z, slant)
    if cdf < 1e-8:
        pytest.skip("the difference has no digits left")
    slope = -math.exp(-0.5 * z**2 * (1 + slant**2)) / (math.pi * (1 + slant**2))
    found = row_derivatives(
        lambda *w: family.log_cdf(torch.tensor([z], dtype=torch.float64), *w), tensors((0.0, 0.0, slant))
    )
    assert math.exp(float(found.l)) == pytest.approx(cdf, rel=1e-15 / cdf + 1e-13)
    assert float(found.g[0, 2]) * cdf == pytest.approx(slope, rel=1e-11, abs=1e-15)


@pytest.mark.parametrize("cls", [cls for cls in TAILED if cls().support.lower == -math.inf], ids=lambda cls: cls.name)
@pytest.mark.parametrize("far", [1e30, 1e160, 1e300])
def test_a_bound_where_the_density_is_nothing_is_none(cls: type[Family], far: float) -> None:
    family = cls()
    working = tensors((0.1, -0.3, 5.0)[: len(family.parameters)])  # nu is exp(5): of a t nothing is left there either
    y, bound = (torch.tensor([value], dtype=torch.float64) for value in (0.5, far))
    for between, beyond in (
        (lambda *w: family.log_interval(-bound, y, *w), lambda *w: family.log_cdf(y, *w)),
        (lambda *w: family.log_interval(y, bound, *w), lambda *w: family.log_survival(y, *w)),
    ):
        found, expected = row_derivatives(between, working), row_derivatives(beyond, working)
        assert float(found.l) == pytest.approx(float(expected.l), rel=1e-13)
        assert found.g[0].tolist() == pytest.approx(expected.g[0].tolist(), rel=1e-10, abs=1e-14)
        assert found.h[0].flatten().tolist() == pytest.approx(expected.h[0].flatten().tolist(), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("cls", TAILED, ids=lambda cls: cls.name)
def test_tails_add_up_to_one_and_intervals_to_their_difference(cls: type[Family]) -> None:
    family = cls()
    for working in product((-1.0, 0.5, 2.0), repeat=len(family.parameters)):
        w = tensors(working)
        for lower, upper in pairwise(torch.tensor([[y] for y in grid(family)[1:-1]], dtype=torch.float64)):
            below, above = family.log_cdf(lower, *w), family.log_survival(lower, *w)
            assert float(below.exp() + above.exp()) == pytest.approx(1, abs=1e-13)
            inside = float(family.log_cdf(upper, *w).exp() - below.exp())
            assert float(family.log_interval(lower, upper, *w).exp()) == pytest.approx(inside, abs=1e-13)


@pytest.mark.parametrize("cls", TAILED, ids=lambda cls: cls.name)
def test_the_slope_of_a_distribution_function_is_the_density(cls: type[Family]) -> None:
    family = cls()
    for working in product((-0.5, 1.0), repeat=len(family.parameters)):
        w = tensors(working)
        for y in (0.31, 0.62):
            at, step = torch.tensor([y], dtype=torch.float64), 1e-3
            ends = (at - 0.5 * step, at + 0.5 * step)
            inner = (at - 0.25 * step, at + 0.25 * step)
            rough, fine = (
                float(family.log_interval(*pair, *w)) - math.log(h) for pair, h in ((ends, step), (inner, step / 2))
            )
            assert (4 * fine - rough) / 3 == pytest.approx(float(family.log_density(at, *w)), abs=1e-9)


@pytest.mark.parametrize("cls", TAILED, ids=lambda cls: cls.name)
def test_second_derivatives_by_autograd(cls: type[Family]) -> None:
    family = cls()
    y = torch.tensor([0.2, 0.5, 0.7], dtype=torch.float64)
    w = [torch.tensor([0.3, -0.4, 0.8], dtype=torch.float64) + 0.2 * k for k in range(len(family.parameters))]
    for function in (family.log_cdf, family.log_survival):
        leaves = [value.clone().requires_grad_(True) for value in w]
        assert torch.autograd.gradcheck(lambda *e, f=function: f(y, *e), leaves, atol=1e-7)
        assert torch.autograd.gradgradcheck(lambda *e, f=function: f(y, *e), leaves, atol=1e-6)
    leaves = [value.clone().requires_grad_(True) for value in w]
    assert torch.autograd.gradgradcheck(lambda *e: family.log_interval(y, y + 0.25, *e), leaves, atol=1e-6)


# inverse-gaussian: at these means the two terms of its distribution function agree to the last digit
@pytest.mark.parametrize("cls", [f for f in TAILED if f.name != "inverse-gaussian"], ids=lambda cls: cls.name)
def test_derivatives_are_finite_where_the_probability_is(cls: type[Family]) -> None:
    family = censored(cls())
    ends = grid(family)
    rows = [*((y, math.inf) for y in ends), *((-math.inf, y) for y in ends), *pairwise(ends)]
    lower, upper = (torch.tensor(side, dtype=torch.float64) for side in zip(*rows, strict=True))
    scales = {"nu": (-1.0, 2.0, 40.0)}
    for working in product(*(scales.get(p.name, (-40.0, 0.0, 3.0, 40.0)) for p in family.parameters)):
        etas = [torch.full_like(lower, value) for value in working]
        found = row_derivatives(
            lambda *w: family.log_density(torch.zeros_like(lower), *w, **{LOWER: lower, UPPER: upper}), etas
        )
        finite = torch.isfinite(found.l)
        for derivative in (found.g[finite], found.h[finite]):
            assert bool(torch.isfinite(derivative).all()), working
