"""The page: Gradio, one file a panel, thin handlers."""
