"""How a conversation becomes a prompt, and a completion an answer."""
