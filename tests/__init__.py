"""The tests; folders mirror the library."""
