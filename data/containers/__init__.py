"""File containers that hold rows (JSON, CSV, Parquet, `datasets` directories), one small module each.

data/formats gives the rows their meaning.
"""
