import torch


def log_density(y, log_mu):
    mu = torch.exp(log_mu)
    return torch.where(y > 0, y - mu - y * torch.log(y / mu), -mu)
