"""The built-in Poisson once more, as a class with what expected information needs."""

import math

import torch

from glmfit.families.base import Family, Parameter, Support
from glmfit.families.links import POSITIVE_LINKS


class Poisson(Family):
    support = Support(0, math.inf, integer=True, text="counts")
    parameters = (Parameter("mu", "log", POSITIVE_LINKS),)
    orthogonal_mean = True

    def log_density(self, y, log_mu):
        return y * log_mu - torch.exp(log_mu) - torch.lgamma(y + 1)

    def variance(self, mu):
        return mu
