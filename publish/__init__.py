"""What is made of the book beside its site: editions, and what others take away."""
