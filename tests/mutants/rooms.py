"""The rooms of the library, the tests that must notice a change in each, and how many they must."""

CORE = ("objectives", "divergence", "gradients", "exact", "distributions", "checks")
ROOMS = {
    "objectives": ["objectives", "importance_gradients", "extremes"],
    "divergence": ["divergence", "divergence_path", "extremes"],
    "gradients": ["gradients"],
    "exact": ["exact", "quadrature", "quadrature_margins"],
    "distributions": ["distributions", "extremes", "models"],
    "checks": ["checks", "question"],
    "validation": ["objectives", "inference_hmc", "training", "divergence_path"],
    "models": ["models", "objectives"],
    "flows": ["flows"],
    "prose": ["prose", "checks"],
    "provenance": ["provenance"],
    "plots": ["plots"],
    "data": ["data", "data_fetch", "data_mnist", "data_hostile", "data_reach"],
    "training": [
        "device",
        "training",
        "training_checkpoint",
        "training_place",
        "training_resume",
        "training_rows",
        "training_run",
        "training_shares",
        "training_steps",
    ],
    "inference": [
        "inference_hmc",
        "local_normal",
        "monte_carlo_em",
        "posterior_density",
        "variational_bayes",
        "wake_sleep",
    ],
    "explorer": [
        "explorer_command",
        "explorer_gap",
        "explorer_gaussians",
        "explorer_latent",
        "explorer_proposal",
        "explorer_recorded",
    ],
    "experiments": ["experiments", "importance_table", "sweep"],
    "commands": ["help", "train_command", "run_commands", "audit_command"],
    "__main__": ["main"],
    "audit": [
        "audit",
        "audit_arguments",
        "audit_divergence",
        "audit_fit",
        "audit_gradients",
        "audit_heads",
        "audit_likelihood",
        "audit_module",
        "audit_mutants",
        "audit_near_prior",
        "audit_pages",
        "audit_probe",
        "audit_sampler",
        "audit_shapes",
        "audit_text",
        "audit_value",
        "audit_whole",
    ],
}


def least(room):
    """The share of changes that a room's tests must notice."""
    return 0.95 if room in CORE else 0.85
