"""The ``segue`` command."""
