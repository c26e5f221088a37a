"""People and machines meet the loop: serving, rounds, pages, API, command line."""
