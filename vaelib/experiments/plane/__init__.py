"""A latent plane from training to file: what the explorer on the first page shows."""
