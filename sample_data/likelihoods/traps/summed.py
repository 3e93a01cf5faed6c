import torch


def log_density(y, log_mu):
    return torch.sum(y * log_mu - torch.exp(log_mu) - torch.lgamma(y + 1))
