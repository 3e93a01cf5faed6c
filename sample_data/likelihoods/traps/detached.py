import torch


def log_density(y, log_mu):
    mu = torch.exp(log_mu).detach()
    return y * log_mu - mu - torch.lgamma(y + 1)
