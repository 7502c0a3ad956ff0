"""Datasets of videos and their music: eleven steps per video, each done once per content."""
