"""Sessions of browsers: a token is exchanged for a cookie that scripts cannot read.

A session has the tenant, the owner and the role of its token, and ends with the token's secret.
"""
