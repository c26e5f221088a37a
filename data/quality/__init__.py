"""How well people judge, measured from votes alone; data/annotation/quality_votes.py reads them from the store."""
