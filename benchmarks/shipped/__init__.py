"""What packages' losses really optimise, called as they are shipped: ``make shipped``."""
