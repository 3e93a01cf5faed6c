"""Positive responses with a heavy upper tail: inverse gamma with mean mu and variance alpha mu^2."""

import math

import torch

from glmfit.families import POSITIVE_LINKS, Family, Parameter, Support


class InverseGamma(Family):
    support = Support(0, math.inf, lower_open=True, text="positive numbers")
    parameters = (
        Parameter("mu", "log", POSITIVE_LINKS),
        Parameter("alpha", "log", ("log", "identity")),
    )

    def log_density(self, y, log_mu, log_alpha):
        shape = 2 + torch.exp(-log_alpha)
        log_scale = log_mu + torch.log(shape - 1)
        return shape * log_scale - torch.lgamma(shape) - (shape + 1) * torch.log(y) - torch.exp(log_scale) / y

    def variance(self, mu, alpha):
        return alpha * mu**2

    def start(self, y, weight):
        mean = (weight * y).sum() / weight.sum()
        variance = (weight * (y - mean) ** 2).sum() / weight.sum()
        return {"mu": mean, "alpha": variance / mean**2}

    def simulate(self, random, mu, alpha):
        shape = 2 + 1 / alpha
        return (shape - 1) * mu / random.gamma(shape)
