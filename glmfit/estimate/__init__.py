"""A fit from start to end: `pipeline` is its route on one screen.

In: `Data`. Out: a `Fit`. May use: penalty, smoothing, trust, inference, model, design, rows, formula, families,
numerics.
Its modules are imported by name: a saved model needs `blueprint` alone, and the rest would load torch.
"""
