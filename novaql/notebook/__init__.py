"""Magics for IPython and Jupyter: `%load_ext novaql`, then `%novaql QUERY`."""
