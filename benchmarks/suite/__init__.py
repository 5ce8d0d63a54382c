"""The suite that the README quotes: NovaQL in process and over HTTP beside its peers.

`python -m benchmarks.suite --help` shows how to run it; `README.md` describes what it measures.
"""
