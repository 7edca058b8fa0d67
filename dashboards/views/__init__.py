"""One file per page: a question, its numbers, charts and words.

The folder is not called ``pages``: Streamlit would take it for its older scheme, in which the first
visitor with a deep link gets the bare file, without the frame that app.py puts around it.
"""
