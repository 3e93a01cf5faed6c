import torch


def log_density(y, mu, log_sigma):
    z = (y - y.mean() - mu) * torch.exp(-log_sigma)
    return -log_sigma - z**2 / 2
