"""Training on a user's own pairs of clips and music: what ``segue train`` runs."""
