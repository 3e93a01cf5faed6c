"""Cox's proportional hazards: the partial likelihood, with Efron's correction for tied times.

l = sum over deaths of eta_i - log(sum of exp(eta) at risk - (rank / deaths) sum of exp(eta) that die then)
"""

import torch

intercept = False
measure = "hazard ratio"


def start(data):
    return {"beta": torch.zeros(data.X.shape[1])}


def log_likelihood(params, data):
    eta = data.X @ params.beta
    died = data.status == 1
    times, at = torch.unique(data.y, return_inverse=True)
    hazard = torch.exp(eta)
    at_risk = torch.zeros_like(times).index_add(0, at, hazard).flip(0).cumsum(0).flip(0)
    dying = torch.zeros_like(times).index_add(0, at[died], hazard[died])
    when = at[died].sort().values
    rank = torch.arange(len(when)) - torch.searchsorted(when, when)  # 0, 1 ... among those of the same time
    share = rank / torch.bincount(when)[when]
    return eta[died].sum() - torch.log(at_risk[when] - share * dying[when]).sum()
