"""Files that want to do harm, made on the spot, one module a family; tests/test_attacks.py runs them all."""
