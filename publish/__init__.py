"""What is made of the book beside its site."""
