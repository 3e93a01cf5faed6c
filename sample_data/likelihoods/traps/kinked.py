import torch


def log_density(y, mu, log_b):
    return -log_b - torch.abs(y - mu) * torch.exp(-log_b)
