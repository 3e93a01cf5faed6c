"""A mixture of two normal distributions: f(y) = w N(y; mu_1, sigma_1^2) + (1 - w) N(y; mu_2, sigma_2^2)."""

import math

import torch

links = {"weight": "logit", "sigma": "log"}
names = {"mu": ["short", "long"], "sigma": ["short", "long"]}


def start(data):
    low, high = torch.quantile(data.waiting, torch.tensor([0.25, 0.75], dtype=torch.float64))
    return {"weight": 0.5, "mu": [low, high], "sigma": [(high - low) / 2, (high - low) / 2]}


def log_likelihood(params, data):
    z = (data.waiting[:, None] - params.mu) / params.sigma
    normal = -0.5 * z**2 - torch.log(params.sigma) - 0.5 * math.log(2 * math.pi)
    share = torch.stack([params.weight, 1 - params.weight])
    return torch.logsumexp(torch.log(share) + normal, dim=1)
