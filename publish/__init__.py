"""What is made of the book beside its site: editions and their archives, and what others take away."""
