"""Logistic regression with a random intercept for each child, integrated out by Gauss-Hermite quadrature.

Pr(y_i = 1 | u) = logistic(x_i' beta + sigma u_child)        u ~ N(0, 1)
"""

import numpy as np
import torch

NODES, WEIGHTS = (torch.tensor(a) for a in np.polynomial.hermite_e.hermegauss(80))
links = {"sigma": "log"}


def start(data):
    return {"beta": torch.zeros(data.X.shape[1]), "sigma": 1.0}


def log_likelihood(params, data):
    child = data.codes("ID")
    eta = (data.X @ params.beta)[:, None] + params.sigma * NODES  # rows x nodes
    sign = 2.0 * data.y[:, None] - 1
    rows = torch.nn.functional.logsigmoid(sign * eta)
    size = torch.bincount(child)
    children = torch.zeros(len(size), len(NODES), dtype=torch.float64).index_add(0, child, rows)
    value = torch.logsumexp(children + torch.log(WEIGHTS / WEIGHTS.sum()), dim=1)
    return (value / size)[child]  # each child's share for each of its rows
