"""The book for a class: copies for students and teachers, and assignments that nbgrader grades."""
