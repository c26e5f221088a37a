"""How fast people read, to tell judgments given too fast. Imports nothing, so that every layer can import it cheaply.

M. Brysbaert, "How many words do we read per minute?", J. Mem. Lang. 109 (2019): 238 words of English per minute,
silently; at 5.7 characters per word (including its space) that is 23 characters per second. Scripts with fewer
characters per word are read at fewer characters per second, so what is too fast by this is even more so in them.
"""

READING_SPEED = 238 * 5.7 / 60
"""Characters per second."""

SKIMMING = 3.0
"""How many times faster people skim, which keeps the gist and loses the rest."""
