"""The suite that the README quotes: NovaQL in process and over HTTP beside its peers.

`python -m benchmarks.suite --help` says how it is run; `README.md` what it measures.
"""
