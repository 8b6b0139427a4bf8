"""Who trains: each ``make(setting, x)`` gives ``run(epochs)``, over the same binary images ``x``.

Each turn starts with a new optimizer, as a call of ``fit`` does: where gradients stay zero, Adam's
averages fade to numbers so small that a processor may take far longer over them.

A peer that is not installed raises ImportError when it is made, and its row is left out.
"""

from benchmarks.contestants import classic, ours, products, pyro_svi, pythae_trainer

FIT = "vaelib's fit"
LEAN = "lean loop by hand"
OBJECTIVE = "lean loop with vaelib.objectives.elbo"
PRODUCTS = "matrix products alone"
ELBO = {
    FIT: ours.fit_elbo,
    LEAN: ours.lean_elbo,
    "lean loop, torch's default products": ours.lean_elbo_default,
    OBJECTIVE: ours.lean_objective,
    "classic script": classic.make,
    "Pyro, SVI": pyro_svi.plain,
    "Pyro, SVI with JIT": pyro_svi.jit,
    "Pythae's trainer": pythae_trainer.vae,
    PRODUCTS: products.make,
}
IWAE = {FIT: ours.fit_iwae, LEAN: ours.lean_iwae, "Pythae's trainer, IWAE": pythae_trainer.iwae}
CONVOLUTIONS = {FIT: ours.fit_elbo, LEAN: ours.lean_elbo, "Pythae's trainer": pythae_trainer.vae}
LARGE = {FIT: ours.fit_elbo, LEAN: ours.lean_elbo}
