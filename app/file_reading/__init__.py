"""Reading of uploaded files, in a separate process that is limited in time and memory."""
