"""One panel of the page a file: its Gradio components and nothing else."""
