import torch


def log_density(y, mu, log_sigma):
    y -= mu
    return -log_sigma - (y * torch.exp(-log_sigma)) ** 2 / 2
