"""Segue: self-hosted music retrieval over words, sound and vectors."""
