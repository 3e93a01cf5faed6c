import torch


def log_density(y, log_mu):
    y, log_mu = y.float(), log_mu.float()
    return y * log_mu - torch.exp(log_mu) - torch.lgamma(y + 1)
