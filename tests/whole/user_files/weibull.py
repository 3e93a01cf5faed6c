"""The built-in Weibull once more: S(y) = exp(-(y / scale)^shape)."""

import torch


def log_density(y, log_scale, log_shape):
    log_z = torch.exp(log_shape) * (torch.log(y) - log_scale)
    return log_shape + log_z - torch.log(y) - torch.exp(log_z)
