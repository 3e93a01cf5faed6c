"""The built-in negative binomial once more, for a comparison to the last digit."""

import torch

from glmfit.families.special import log_rising, softplus


def log_density(y, log_mu, log_alpha):
    growth = (y + torch.exp(-log_alpha)) * softplus(log_alpha + log_mu)
    return log_rising(y, log_alpha) - torch.lgamma(y + 1) + y * log_mu - growth
