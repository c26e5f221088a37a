"""How fast people read. Knows nothing of who read what, and imports nothing heavy.

M. Brysbaert, "How many words do we read per minute?", J. Mem. Lang. 109 (2019): 238 words of English a minute,
silently; with 5.7 characters a word (its space with it) that is 23 characters a second. Scripts with fewer characters a
word are read at fewer characters a second, so what is too fast by this is too fast in them the more.
"""

READING_SPEED = 238 * 5.7 / 60
"""Characters a second."""

SKIMMING = 3.0
"""How many times faster than that people skim, which keeps the gist and loses the rest."""
