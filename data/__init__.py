"""What people said and what came of it. Knows neither torch nor gradio."""
