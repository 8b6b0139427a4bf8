"""Who trains: each ``make(setting, x)`` gives ``run(epochs)``, over the same binary images ``x``.

A peer that is not installed raises ImportError when it is made, and its row is left out.
"""

from benchmarks.contestants import classic, ours, pyro_svi, pythae_trainer

FIT = "vaelib's fit"
LEAN = "lean loop by hand"
OBJECTIVE = "lean loop with vaelib.objectives.elbo"
ELBO = {
    FIT: ours.fit_elbo,
    LEAN: ours.lean_elbo,
    "lean loop, torch's default products": ours.lean_elbo_default,
    OBJECTIVE: ours.lean_objective,
    "classic script": classic.make,
    "Pyro, SVI": pyro_svi.plain,
    "Pyro, SVI with JIT": pyro_svi.jit,
    "Pythae's trainer": pythae_trainer.vae,
}
IWAE = {FIT: ours.fit_iwae, LEAN: ours.lean_iwae, "Pythae's trainer, IWAE": pythae_trainer.iwae}
LARGE = {FIT: ours.fit_elbo, LEAN: ours.lean_elbo}
