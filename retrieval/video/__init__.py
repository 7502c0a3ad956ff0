"""The picture's side: what a clip shows, measured second by second."""
