"""How the book is published: editions, their archives, and what they promise to keep."""
