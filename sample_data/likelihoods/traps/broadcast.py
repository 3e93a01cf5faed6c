import torch


def log_density(y, log_mu):
    eta = log_mu.reshape(-1, 1)
    return y * eta - torch.exp(eta) - torch.lgamma(y + 1)
