"""Counts: y log mu - mu - log y!, on the scale of log mu."""

import torch


def log_density(y, log_mu):
    return y * log_mu - torch.exp(log_mu) - torch.lgamma(y + 1)
