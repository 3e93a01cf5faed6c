"""Where the search starts: the intercept-only fit, carried over to all coefficients.

The intercept-only fit itself starts from the family's moments, or for parameters without them from the best of a grid.
Where its constant cannot be carried over to a point inside the link's domain (no intercept and an inverse link, say)
the start is the least-squares fit to the link of responses drawn to their mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import torch
from torch import Tensor

from glmfit.design import Matrix
from glmfit.errors import ModelError, UsageError, did_you_mean
from glmfit.inference import Goodness, goodness
from glmfit.model import Likelihood, Model, Rows
from glmfit.numerics import Factor, by_rows, cholesky, extremes, newton, summed, taken, well_conditioned
from glmfit.numerics import constant as constant_rows
from glmfit.spill import runs
from glmfit.trust import SUSPICIOUS, relative_information

Inspection = Callable[[Likelihood, Tensor], None]  # of a likelihood where a search begins, before its first step

ENOUGH_ROWS = 10_000  # for the intercept-only fit, which is but a start
ROWS_A_COEFFICIENT = 50  # of a sample whose fit comes before that of the whole, or ENOUGH_ROWS if that is more,
A_SHARE = 5  # where there are so many times as many,
FEW_STEPS = 20  # unless its fit takes more steps than these
MOST_ROWS = 400  # looked at together for the best point of a grid,
MOST_POINTS = 100  # of no more than these
OFFSET_QUANTILES = 11  # of an offset, that a constant may make up for
CYCLES = 3  # through the parameters, once the best of a coarse grid is known
TINY = 1e-150  # responses whose squares vanish
WIDE = 1e20  # a range of positive responses that no constant is a start for
ROUGHLY = 0.1  # standard errors: a start needs no more, and one that runs off to infinity must not run far


def constants(model: Model, inspect: Inspection | None = None) -> dict[str, float]:
    """Linear predictors (without offsets) of the intercept-only fit, one constant for each estimated parameter."""
    rows = model.rows
    names = model.with_constants
    if not names:
        return {}
    natural = model.moments()
    given = {name: _link_value(model, name, natural[name]) for name in names if name in natural}
    begin = [given[name] for name in names] if len(given) == len(names) else _search(model, names, given)
    begin = _beside_offsets(model, names, begin)
    start = torch.tensor(begin, dtype=torch.float64)
    likelihood = model.constants_only(names)
    if model.holds_phi:
        phi = _phi(model, goodness(likelihood, start))
        likelihood = model.held_at(phi).constants_only(names)
    step = _step(rows)
    sample = likelihood if step == 1 and model.source is None else _sample(model, step).constants_only(names)
    if inspect is not None and math.isfinite(likelihood.value(start)):
        inspect(likelihood if model.source is None else model.here.constants_only(names), start)
    found = _settled(sample, start) if math.isfinite(sample.value(start)) else start
    if not math.isfinite(likelihood.value(found)):  # a row beside the sample has an offset out of the common run
        if not math.isfinite(likelihood.value(start)):
            return dict(zip(names, begin, strict=True))  # an offset leaves the domain; the full model may not
        found = _settled(likelihood, start)
    return dict(zip(names, found.tolist(), strict=True))


def _beside_offsets(model: Model, names: Sequence[str], begin: list[float]) -> list[float]:
    """The same constants, or better ones where an offset stands beside them: they leave to it what is not theirs.

    Where an offset is far out every row may have reached an end of the link, and no derivative would lead back.
    """
    predictors = (p for p in model.rows.predictors if p.parameter in names)
    offsets = {p.parameter: p.offset for p in predictors if extremes(p.offset) != (0.0, 0.0)}
    if not offsets:
        return begin
    shares = torch.linspace(0, 1, OFFSET_QUANTILES, dtype=torch.float64)
    likelihood = _sample(model, _step(model.rows)).constants_only(names)
    for name, offset in offsets.items():
        place, values = names.index(name), _thinned(offset)
        likely = [0.0, float(values.mean()), *torch.quantile(values, shares).tolist()]
        points = [[*begin[:place], begin[place] - one, *begin[place + 1 :]] for one in likely]
        begin = max(points, key=lambda point: _score(likelihood, point))
    return begin


def _settled(likelihood: Likelihood, begin: Tensor) -> Tensor:
    """Roughly where the likelihood is highest, but `begin` where a parameter runs off to where nothing is known of it.

    The spread of a count that is 0 or 1 does: no search would find back from there.
    """
    optimum = newton(likelihood, begin, ROUGHLY)
    values, _ = relative_information(optimum, optimum.reference)
    return begin if float(values.abs().min()) < SUSPICIOUS else optimum.theta


def _step(rows: Rows) -> int:
    """The distance between the rows of a sample that is large enough for a start."""
    return -(-len(rows) // ENOUGH_ROWS)


def sample(model: Model, rows: int) -> Model:
    """The model of a sample of about so many rows; itself where it has no more."""
    step = -(-len(model.rows) // rows)
    return model.here if step == 1 else _sample(model, step)


def _sample(model: Model, step: int) -> Model:
    """The model of one row in every so many, copied so that they lie side by side.

    Which one is left to a generator of fixed seed: rows are often in a periodic order (months, treatments).
    """
    model = model.here
    first = np.arange(0, len(model.rows) - step + 1, step)
    chosen = first + np.random.default_rng(1).integers(0, step, len(first))
    return replace(model, rows=model.rows.rows(torch.from_numpy(chosen)))


def ahead(model: Model, theta: Tensor) -> tuple[Tensor, Factor] | None:
    """Working coefficients nearer to the maximum than theta, and the factor of the curvature at theta.

    With many rows the fit to a sample of them is nearly free and spares the whole half of the steps. None where there
    are not many, where the sample does not determine all coefficients, or its fit is no better for the whole.
    """
    many = len(model.rows) if model.source is None else model.n
    enough = max(ENOUGH_ROWS, model.size * ROWS_A_COEFFICIENT)
    if many < A_SHARE * enough:
        return None
    some = _sample(model, -(-len(model.rows) // enough))
    sample, step = some.likelihood(), many / len(some.rows)
    reference = cholesky(-sample.derivatives(theta)[2])
    if reference is None or not well_conditioned(reference):
        return None
    found = newton(sample, theta, ROUGHLY, FEW_STEPS)
    whole = model.likelihood()
    before = whole.value(theta)
    if not found.converged or not whole.derivatives(found.theta)[0] > before:  # with which the search goes on
        return None
    return found.theta, reference * math.sqrt(step)


def _link_value(model: Model, name: str, value: float) -> float:
    eta = _eta(model, name, value)
    if math.isfinite(eta):
        return eta
    raise ModelError(
        "bad_start",
        f"the mean response {value:.6g} lies outside the domain of the {model.links[name].name} link",
        "choose a link that can take it, such as identity",
    )


def _search(model: Model, names: Sequence[str], given: Mapping[str, float]) -> list[float]:
    """The constants of the highest log-likelihood on a grid, those `given` held; of the most finite rows, if not all.

    A coarse grid of all combinations comes first, then each parameter in turn. A sample of the rows will do, unless
    the point is impossible for one of the others.
    """
    values = [[given[name]] if name in given else _candidates(model, name) for name in names]
    coarse = max(1, math.floor(MOST_POINTS ** (1 / (len(names) - len(given)))))
    cycles = CYCLES if max(map(len, values)) > coarse else 0
    whole = model.constants_only(names)
    step = -(-len(model.rows) // MOST_ROWS)
    for part in dict.fromkeys((step, 1)):
        sample = _sample(model, part).constants_only(names)
        best = max(product(*(value[:coarse] for value in values)), key=lambda point: _score(sample, point))
        for _ in range(cycles):
            before = best
            for k, value in enumerate(values):
                lines = ((*best[:k], one, *best[k + 1 :]) for one in (best[k], *value))
                best = max(lines, key=lambda point: _score(sample, point))
            if best == before:
                break
        if math.isfinite(whole.value(torch.tensor(best, dtype=torch.float64))):
            break
    return list(best)


def _score(likelihood: Likelihood, point: Sequence[float]) -> tuple[int, float]:
    """How good a point is: first by the rows that it makes impossible, then by the log-likelihood of the others."""
    theta = torch.tensor(point, dtype=torch.float64)
    impossible, total = 0, 0.0
    with torch.no_grad():
        for chunk in likelihood.chunks:
            rows = chunk.weight * likelihood.log_density(chunk, *likelihood.etas(chunk, theta))
            finite = torch.isfinite(rows)
            impossible += int((~finite).sum())
            total += float(rows[finite].sum())
    return -impossible, total


def _candidates(model: Model, name: str) -> list[float]:
    """Linear predictors worth a try for a parameter, the likeliest first, from the size and spread of the response."""
    n = len(model.rows)
    y = by_rows(torch.div, model.rows.y, model.rows.columns.get("trials", constant_rows(1.0, n)))
    mean, size = summed(y) / n, summed(by_rows(torch.abs, y)) / n
    spread = math.sqrt(summed(by_rows(lambda one: (one - mean) ** 2, y)) / n)
    shares = y.new_tensor([0, 0.25, 0.5, 0.75, 1])
    low, lower, middle, upper, high = torch.quantile(_thinned(y), shares).tolist()
    naturals = {
        "identity": [middle, mean, 0.0, 1.0, -1.0, lower, upper, low - spread, high + spread],
        "log": [1.0, spread, size, 0.1, 10.0, 1 / size if size else 1.0, spread**2, 0.01, 100.0],
        "logit": [0.5, 0.1, 0.9, mean, 0.01, 0.99],
        "predictor": [0.0, 1.0, -1.0],
    }[model.family.parameter(name).scale]
    etas = (float(model.links[name].link(torch.tensor(value, dtype=torch.float64))) for value in naturals)
    return list(dict.fromkeys(eta for eta in etas if math.isfinite(eta))) or [0.0]


def _thinned(y: Tensor) -> Tensor:
    """Every so many of the values, as quantiles of millions cannot be taken."""
    return taken(y, torch.arange(0, len(y), -(-len(y) // 100_000)))


def _phi(model: Model, sums: Goodness) -> float:
    """The dispersion at a start; 1 where there is none to speak of."""
    phi = sums.pearson / model.n
    return phi if math.isfinite(phi) and not sums.perfect else 1.0


def held_phi(model: Model, start: Mapping[str, float]) -> float:
    """The dispersion of the intercept-only fit: the unit in which the search measures its progress."""
    names = [p.parameter for p in model.rows.predictors]
    theta = torch.tensor([start[name] for name in names], dtype=torch.float64)
    sums = goodness(model.constants_only(names), theta)
    low, high = extremes(model.rows.y)
    largest = max(-low, high)
    if math.isinf(sums.pearson) or (sums.pearson == 0 and low < high and not largest > TINY):
        raise ModelError(
            "response_scale",
            f"the squares of responses such as {largest:.3g} are beyond the range of double precision",
            "divide the response by a number that brings it near to 1",
        )
    return _phi(model, sums)


def coefficients(model: Model, start: Mapping[str, float], given: Mapping[str, float]) -> Tensor:
    """Working coefficients (p,) to start from, with those `given` by name on the reported scale in their place."""
    likelihood = model.likelihood()
    theta = from_constants(model, start)
    if not math.isfinite(likelihood.value(theta)):
        shrunk = _from_response(model)
        if math.isfinite(likelihood.value(shrunk)):
            theta = shrunk
    low, high = extremes(model.rows.y)
    if model.family.has_moments and low > 0 and high > WIDE * low:
        own = _from_response(model, 1.0)
        if likelihood.value(own) > likelihood.value(theta):
            theta = own
    if not given:
        return theta
    reported = model.reported(theta)
    names = [model.names[at] for at in model.kept]
    places = {f"{parameter}:{term}": place for place, (parameter, term) in enumerate(names)}
    for parameter in model.family.parameters:  # log_sigma:x is sigma:x
        scaled = f"{parameter.scale}_{parameter.name}"
        places |= {f"{scaled}:{term}": place for place, (name, term) in enumerate(names) if name == parameter.name}
    places |= {term: place for place, (parameter, term) in enumerate(names) if parameter == model.family.main}
    for name, value in given.items():
        if name not in places:
            hint = did_you_mean(name, places) or f"coefficients: {', '.join(list(places)[:12])}"
            raise UsageError("unknown_term", f"--start {name}: no such coefficient", hint)
        reported[places[name]] = value
    return model.working(reported)


def beside(model: Model, parameter: str, simpler: Model, theta: Tensor) -> list[Tensor]:
    """Working coefficients (p,) that the family names beside `theta`, the maximum of the model without `parameter`."""
    total, rows = simpler.likelihood().over_rows(_natural_sums, theta)
    means = (total / rows).tolist()
    natural = {own.name: mean for own, mean in zip(simpler.family.parameters, means, strict=True)}
    inside = torch.cat([p.columns for p in model.rows.predictors if p.parameter != parameter])
    origin = torch.zeros(model.size, dtype=torch.float64)
    origin[inside] = theta
    out = []
    for point in model.family.beside(parameter, natural):
        etas = {name: _eta(model, name, value) for name, value in point.items() if name in model.with_constants}
        moved = {
            name: eta if name == parameter else eta - _eta(model, name, natural[name]) for name, eta in etas.items()
        }
        if all(math.isfinite(eta) for eta in moved.values()):
            out.append(origin + from_constants(model, moved))
    return out


def _natural_sums(likelihood: Likelihood, theta: Tensor) -> tuple[Tensor, int]:
    """The sums over rows of the natural parameters, and how many rows there are."""
    total, rows = torch.zeros(len(likelihood.family.parameters), dtype=torch.float64), 0
    for chunk in likelihood.chunks:
        total += torch.stack([one.sum() for one in likelihood.natural(chunk, likelihood.etas(chunk, theta))])
        rows += len(chunk)
    return total, rows


def _eta(model: Model, name: str, value: float) -> float:
    return float(model.links[name].link(torch.tensor(value, dtype=torch.float64)))


def from_constants(model: Model, constants: Mapping[str, float]) -> Tensor:
    """Working coefficients whose linear predictors come closest to constants, exactly where X spans one."""
    parts = []
    for predictor, standardization in model.pairs:
        constant = constants.get(predictor.parameter, 0.0)
        if constant == 0.0 or bool((standardization.unit != 0).any()):
            parts.append(standardization.unit * constant)
        else:
            parts.append(_project(predictor.X, constant_rows(constant, len(model.rows))))
    return torch.cat(parts)


def _from_response(model: Model, share: float = 0.5) -> Tensor:
    """Working coefficients nearest to the link of responses drawn to their mean but for a share, of the mean alone."""
    rows, main, parts = model.rows, model.family.main, []
    for predictor, _ in model.pairs:
        if predictor.parameter != main or not model.family.has_moments:
            parts.append(torch.zeros(predictor.X.shape[1], dtype=torch.float64))
            continue
        trials = rows.columns.get("trials", constant_rows(1.0, len(rows)))
        mean = summed(by_rows(torch.mul, rows.weight, rows.y)) / summed(by_rows(torch.mul, rows.weight, trials))

        def target(y: Tensor, trials: Tensor, offset: Tensor, mean: float = mean) -> Tensor:
            return model.links[main].link(share * y / trials + (1 - share) * mean) - offset

        parts.append(_project(predictor.X, by_rows(target, rows.y, trials, predictor.offset)))
    return torch.cat(parts)


def _project(X: Matrix, target: Tensor) -> Tensor:
    """Least-squares coefficients (q,) of `target` (n,) on the columns of X."""
    gram = torch.zeros((X.shape[1], X.shape[1]), dtype=torch.float64)
    moments = torch.zeros(X.shape[1], dtype=torch.float64)
    for part in runs(X.n_rows):
        some = X.rows(part)
        gram += some.sandwich(constant_rows(1.0, some.n_rows), some)
        moments += some.rmatvec(target[part])
    return torch.linalg.lstsq(gram, moments[:, None]).solution[:, 0]
