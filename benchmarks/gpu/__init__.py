"""All that only a GPU can tell: ``make gpu``. No part suffers from the failure of another."""
